"""What the vault knows of its own health: zones, copies, transfers."""

from __future__ import annotations

from realm_cli import store
from realm_cli.checks import Check, Finding
from realm_cli.errors import AwayError, LockedError, RealmError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.terminal import human_bytes, human_seconds
from realm_cli.zones import LOCAL
from realm_vault import transfers, waiting
from realm_vault.alarms import missing
from realm_vault.catalog import folder_of
from realm_vault.keeper import Keeper
from realm_vault.places import Places, opened
from realm_vault.records import TransferRecord

CLOCK_SECONDS = 60.0
LITTLE_ROOM = 1_000_000_000


def look_at_zones(realm: Realm, manager: Manager) -> list[Finding]:
    """Reach every zone: is it there, marked, with room, with the same clock? And does anything new reach it?"""
    with opened(realm, manager) as places:
        found = [finding for name in places.names() if name != LOCAL for finding in _zone(places, name)]
        if (folder_of(realm) / "catalog.json").is_file():
            found += [
                Finding(
                    check="zones",
                    grade="warning",
                    message=f"nothing new reached {zone} for {human_seconds(days * 86_400)}",
                    evidence=f"alarm_days of {zone} in configs/zones.yaml",
                    remedy=f"realm vault push --zone {zone}",
                )
                for zone, days in missing(Keeper(realm, manager, places)).items()
            ]
    return found


def _zone(places: Places, name: str) -> list[Finding]:
    try:
        state = places.zone(name).state()
    except AwayError as error:
        seen = places.seen(name)
        return [
            Finding(
                check="zones", grade="warning", message=f"{name} is away", evidence=f"{error.message}; seen {seen or 'never'}",
                remedy=error.hint or "switch it on; what is sent to it waits meanwhile",
            )
        ]  # fmt: skip
    except RealmError as error:
        return [
            Finding(
                check="zones", grade="error", message=f"{name} cannot be used", evidence=error.message,
                remedy=error.hint,
            )
        ]  # fmt: skip
    evidence = f"{human_bytes(state.free)} free, {state.latency_s * 1000:.0f} ms"
    if abs(state.clock_ahead_s) > CLOCK_SECONDS:
        way = "ahead of" if state.clock_ahead_s > 0 else "behind"
        message = f"the clock of {name} is {human_seconds(abs(state.clock_ahead_s))} {way} ours"
        return [Finding(check="zones", grade="warning", message=message, evidence=evidence, remedy="set both by NTP")]
    if state.free < LITTLE_ROOM:
        remedy = f"realm vault prune --zone {name}"
        return [
            Finding(check="zones", grade="warning", message=f"{name} is nearly full", evidence=evidence, remedy=remedy)
        ]
    return [Finding(check="zones", grade="ok", message=f"{name} answers", evidence=evidence)]


ZONES = Check("zones", "every zone answers and gets copies", look_at_zones)


def look_at_transfers(realm: Realm, manager: Manager) -> list[Finding]:
    """Transfers whose process is gone."""
    cut = [f"{one.asset} ({one.direction}, {one.zone})" for one in transfers.read_all(realm) if _is_cut(realm, one)]
    if not cut:
        return []
    return [
        Finding(
            check="transfers", grade="warning", message=f"{len(cut)} transfers were cut off", evidence=", ".join(cut[:3]),
            remedy="realm vault transfers --send", fix="let what was being sent wait for its next turn",
        )
    ]  # fmt: skip


def _is_cut(realm: Realm, record: TransferRecord) -> bool:
    if record.state != "running":
        return False
    try:
        with store.locked(transfers.lock_of(realm, record.asset, record.zone), wait=False):
            return True
    except LockedError:
        return False


def recover(realm: Realm, manager: Manager, finding: Finding) -> str:
    """A push waits again, a fetch has failed."""
    with opened(realm, manager) as places:
        found = waiting.recover(Keeper(realm, manager, places))
    return f"{len(found)} taken up: the vault's next round sends what is to be sent"


TRANSFERS = Check("transfers", "no transfer was cut off", look_at_transfers, recover)
