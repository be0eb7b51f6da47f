"""One round of what has to be done again and again: waiting transfers, archives, copies, alarms, the trash, the disk."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from realm_cli import champions, store
from realm_cli.errors import AwayError, LockedError, RealmError
from realm_cli.events import emit
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import now, seconds_since
from realm_cli.terminal import human_bytes, human_seconds
from realm_cli.zones import LOCAL
from realm_vault import archives, treasury, waiting
from realm_vault.alarms import missing
from realm_vault.catalog import folder_of
from realm_vault.dropping import Dropper
from realm_vault.keeper import Keeper
from realm_vault.records import TendedRecord

log = logging.getLogger("realm.vault")
DAY = 23 * 3600
"""Seconds after which a daily task is due; a little less than a day, so that it does not wander."""


@dataclass(frozen=True)
class Deed:
    """What a round did."""

    task: str
    said: str
    ok: bool = True


class Tender:
    """Does the rounds of one realm."""

    def __init__(self, realm: Realm, manager: Manager, keeper: Keeper) -> None:
        self.realm = realm
        self._manager = manager
        self._keeper = keeper
        self._dropper = Dropper(realm, manager, keeper)

    def tend(self) -> list[Deed]:
        """A round; what fails keeps nothing else from being done. Raises `LockedError` when another one is under way."""
        tasks: list[tuple[str, bool, Callable[[], list[Deed]]]] = [
            ("transfers", False, self._transfers),
            ("disk", False, self._disk),
            ("archive", True, self._archive),
            ("champion", True, self._champion),
            ("trash", True, self._trash),
            ("copies", True, self._copies),
        ]
        deeds: list[Deed] = []
        with store.locked(folder_of(self.realm) / ".tending.lock", wait=False, owner="another round"):
            if not self._keeper.catalog.is_known:
                self._keeper.scan()
            for name, is_daily, task in tasks:
                if is_daily and not self._is_due(name):
                    continue
                try:
                    deeds += task()
                except RealmError as error:
                    deeds.append(Deed(name, error.message, ok=False))
                    continue  # tried again in the next round
                if is_daily:
                    self._done(name)
        return deeds

    # -- what is due -----------------------------------------------------------------------------------------------

    def _record(self) -> TendedRecord:
        return store.read_or_set_aside(folder_of(self.realm) / "tended.json", TendedRecord) or TendedRecord()

    def _is_due(self, name: str) -> bool:
        done = self._record().done.get(name)
        # A clock that was set back must not keep a task from being done for months.
        return done is None or not 0 <= seconds_since(done) < DAY

    def _done(self, name: str) -> None:
        record = self._record()
        after = msgspec.structs.replace(record, done={**record.done, name: now()})
        store.write_record(folder_of(self.realm) / "tended.json", after)

    # -- the tasks -------------------------------------------------------------------------------------------------

    def _transfers(self) -> list[Deed]:
        done = waiting.send(self._keeper)
        return [
            Deed("transfers", f"{one.asset} to {one.zone}: {one.state} {one.reason}".strip(), one.state != "failed")
            for one in done
        ]

    def _archive(self) -> list[Deed]:
        name, is_new = archives.make(self.realm, archives.DAILY)
        gone = [Deed("archive", f"{one} was too old") for one in archives.thin(self.realm)]
        return [Deed("archive", f"{name} holds configs, ledger and curriculum"), *gone] if is_new else gone

    def _champion(self) -> list[Deed]:
        """A copy of the champion in the nearest other zone that has room."""
        champion = champions.read(self.realm, self.realm.config.hero)
        names = self._keeper.places.names()[1:]
        if champion is None or not names:
            return []
        self._keeper.scan()
        asset = f"checkpoint_{champion.hero}_{champion.step}"
        copies = dict(self._keeper.get(asset).copies)
        held = [zone for zone in copies if zone != LOCAL]
        if held or LOCAL not in copies:
            return []
        refused = []
        for zone in sorted(names, key=self._keeper.catalog.rank):
            try:
                moved = self._keeper.push(asset, zone, queueing=False)
            except RealmError as error:
                refused.append(f"{zone}: {error.message}")
                continue
            return [Deed("champion", f"{asset} is copied to {moved.zone}")]
        raise RealmError(f"no zone took {asset}: {'; '.join(refused)}", "see: realm vault zones --check")

    def _trash(self) -> list[Deed]:
        deeds = []
        for zone in self._keeper.places.names():
            try:
                old = self._dropper.empty_trash(zone)
            except AwayError:
                continue  # its trash waits
            deeds += [Deed("trash", f"{one.record.id} was deleted for good in {zone}") for one in old]
        return deeds

    def _copies(self) -> list[Deed]:
        self._keeper.scan()
        deeds = []
        for zone, days in missing(self._keeper).items():
            said = f"nothing new reached {zone} for {human_seconds(days * 86_400)}"
            emit(self.realm, self._manager, "copies_missing", zone=zone, days=round(days, 1))
            deeds.append(Deed("copies", said, ok=False))
        return deeds

    def _disk(self) -> list[Deed]:
        found = treasury.guard(self._keeper, self._dropper)
        if found.free >= found.needed:
            return []
        freed = found.free_after - found.free
        said = f"{human_bytes(found.free)} were free, {human_bytes(found.needed)} are needed; freed {human_bytes(max(0, freed))}"
        if self._record().done.get("disk") is None or found.deeds or self._is_due("disk"):
            emit(
                self.realm, self._manager, "disk_guarded", free=found.free, needed=found.needed, freed=freed,
                deeds=found.deeds[:20],
            )  # fmt: skip
            self._done("disk")
        return [*(Deed("disk", one) for one in found.deeds), Deed("disk", said, ok=found.is_enough)]


EVERY = 300.0
"""Seconds between two rounds of a service."""


def tend_in_background(tender: Tender) -> Callable[[], None]:
    """Do a round now and every five minutes in a thread of its own; returns what ends it."""
    over = threading.Event()

    def work() -> None:
        while True:
            try:
                for deed in tender.tend():
                    log.log(logging.INFO if deed.ok else logging.WARNING, "%s: %s", deed.task, deed.said)
            except LockedError:
                pass  # somebody else does it just now
            except Exception:  # the edge of a round: the service goes on
                log.exception("the vault's round failed")
            if over.wait(EVERY):
                return

    threading.Thread(target=work, name="vault tender", daemon=True).start()
    return over.set
