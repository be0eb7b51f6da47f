"""The vault as background work: retention, a scan, and the report of what every kept checkpoint is made of."""

from __future__ import annotations

from collections.abc import Iterable

from realm_cli import risks, store
from realm_cli.errors import RealmError
from realm_cli.events import emit
from realm_cli.ledger import Ledger
from realm_cli.ledgerview import LedgerView, Row
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.tasks import Task
from realm_cli.zones import LOCAL, policy
from realm_vault.records import LineageEntry, LineageQuest, LineageRecord

# -- retention -----------------------------------------------------------------------------------------------------


def nothing_to_keep_by(realm: Realm) -> str:
    """Why retention has nothing to do."""
    return "" if policy(realm).keep else "no rules for the realm: keep in configs/zones.yaml"


def cleanup(realm: Realm, manager: Manager) -> str:
    """For the realm itself what `realm vault prune --apply` does."""
    from realm_vault.dropping import Dropper
    from realm_vault.keeper import Keeper
    from realm_vault.places import opened
    from realm_vault.pruning import carry_out, plan

    with opened(realm, manager) as places:
        keeper = Keeper(realm, manager, places)
        dropper = Dropper(realm, manager, keeper)
        emptied = dropper.empty_trash(LOCAL)
        keeper.scan(LOCAL)
        verdicts = [verdict for verdict in plan(realm, keeper, dropper, LOCAL) if verdict.drop]
        if verdicts:
            risks.before(realm, manager, "pruning")
        outcomes = [carry_out(dropper, verdict, apply=True) for verdict in verdicts]
    refused = [outcome for outcome in outcomes if outcome != "dropped"]
    said = f"{len(outcomes) - len(refused)} of {len(verdicts)} copies that no rule keeps went to the trash"
    return said + (f"; {len(emptied)} old ones left it" if emptied else "") + (f"; {refused[0]}" if refused else "")


# -- scan ----------------------------------------------------------------------------------------------------------


def scan(realm: Realm, manager: Manager) -> str:
    """Look what lies in every zone; one that is away keeps what was known of it."""
    from realm_vault.keeper import Keeper
    from realm_vault.places import opened

    said = []
    with opened(realm, manager) as places:
        keeper = Keeper(realm, manager, places)
        for name in places.names():
            try:
                found = keeper.scan(name)
            except RealmError as error:
                if name == LOCAL:
                    raise
                said.append(f"{name}: {error.message}")
                continue
            said.append(f"{name}: {len(found.assets)} assets" + (f", {len(found.wrong)} wrong" if found.wrong else ""))
    return "; ".join(said)


# -- lineage -------------------------------------------------------------------------------------------------------


def nothing_new(realm: Realm) -> str:
    """Why there is no need for another report."""
    folder, report = Ledger(realm).folder, realm.status / "lineage.json"
    if not folder.is_dir() or not any(folder.glob("*.json")):
        return f"{realm.config.hero} has no checkpoint yet"
    if report.is_file() and report.stat().st_mtime_ns > folder.stat().st_mtime_ns:
        return "the ledger has not changed since the last report"
    return ""


def report_lineage(realm: Realm, manager: Manager) -> str:
    """Write which quests every kept checkpoint of the active hero is made of."""
    hero = realm.config.hero
    listing = LedgerView(realm, hero).listing()
    entries = [_entry(row, listing.by_name) for row in listing.kept]
    record = LineageRecord(hero=hero, at=now(), checkpoints=entries)
    store.write_record(realm.status / "lineage.json", record)
    emit(realm, manager, "lineage_reported", hero=hero, checkpoints=len(entries), quests=_count(entries))
    return f"{len(entries)} checkpoints of {hero} are made of {_count(entries)} quests: status/lineage.json"


def _count(entries: Iterable[LineageEntry]) -> int:
    return len({quest.id for entry in entries for quest in entry.quests})


def _entry(row: Row, by_name: dict[str, Row]) -> LineageEntry:
    """A checkpoint with the quests of all steps since its nearest kept ancestor; deleted ones between count here."""
    quests: dict[str, LineageQuest] = {}
    current: Row | None = row
    gaps = False
    while current is not None:
        for share in current.shares:
            before = quests.get(share.id)
            samples = share.samples + (before.samples if before else 0)
            completed = share.completed or (before is not None and before.completed)
            quests[share.id] = LineageQuest(id=share.id, name=share.name, samples=samples, completed=completed)
        parent = by_name.get(current.parent)
        gaps = gaps or bool(current.parent) and parent is None
        if parent is None or not parent.is_deleted:
            return LineageEntry(
                step=row.step, name=row.name, parent=parent.name if parent else "", quests=list(quests.values()),
                is_whole=not gaps,
            )  # fmt: skip
        current = parent
    raise AssertionError("the loop ends at an ancestor")


CHECKPOINT_CLEANUP = Task(
    id="checkpoint_cleanup", title="Retention: what no rule keeps goes to the trash", priority=3, gpu="none",
    estimate_s=30, cooldown_s=3600, run=cleanup, idle=nothing_to_keep_by,
)  # fmt: skip
VAULT_SCAN = Task(
    id="vault_scan", title="Look what lies in the zones", priority=3, gpu="none", estimate_s=30, cooldown_s=3600, run=scan,
)  # fmt: skip
LINEAGE_REPORT = Task(
    id="lineage_report", title="Which quests every checkpoint is made of", priority=2, gpu="none", estimate_s=15,
    cooldown_s=3600, run=report_lineage, idle=nothing_new,
)  # fmt: skip
