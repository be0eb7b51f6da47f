"""The keeper: asks the catalog, sends and fetches, verifies. One object for commands, services and scripts."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from realm_cli import leases, store
from realm_cli.checkpoint_records import LedgerRecord, ManifestFile, ManifestRecord
from realm_cli.checkpoints import LEDGER_MIRROR, MANIFEST
from realm_cli.errors import AwayError, FormatError, NotFoundError, RealmError, RefusedError
from realm_cli.events import emit
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.zones import LOCAL, Copying
from realm_vault import transfers
from realm_vault.catalog import Catalog, Located, copy_here, folder_of
from realm_vault.delivery import Content, absent, content_in, deliver, deliver_together, differing
from realm_vault.places import Places
from realm_vault.records import Asset, ScanRecord, TransferRecord
from realm_vault.scanning import Scan, scan

log = logging.getLogger("realm.vault")
ROOM_SECONDS = 60.0


@dataclass(frozen=True)
class Moved:
    """What became of a transfer."""

    asset: str
    zone: str
    success: bool
    verified: bool
    bytes: int
    seconds: float
    path: str = ""
    state: str = "done"
    """done, there (nothing had to be sent) or queued."""
    reason: str = ""


class Keeper:
    """The vault of one realm."""

    def __init__(self, realm: Realm, manager: Manager, places: Places) -> None:
        self.realm = realm
        self.places = places
        self.catalog = Catalog(realm)
        self._manager = manager
        self._room: dict[str, tuple[float, int]] = {}
        self._asking = threading.Lock()

    # -- looking -------------------------------------------------------------------------------------------------

    def scan(self, name: str = LOCAL, *, again: bool = False) -> Scan:
        """Look what lies in a zone."""
        return scan(self.realm, self.catalog, name, None if name == LOCAL else self.places.zone(name), again=again)

    def locate(self, asset_id: str) -> Located:
        """Where an asset is; the realm itself is scanned first when it never was."""
        if not self.catalog.is_known:
            self.scan()
        return self.catalog.locate(asset_id)

    def get(self, asset_id: str) -> Located:
        """Like `locate`; looks at the realm anew before it says that there is no such asset."""
        with suppress(NotFoundError):
            return self.catalog.get(asset_id)
        self.scan()
        return self.catalog.get(asset_id)

    # -- sending -------------------------------------------------------------------------------------------------

    def push(self, asset_id: str, zone: str, copying: Copying | None = None, *, queueing: bool = True) -> Moved:
        """Bring an asset of this realm into a zone. When the zone is away it is queued, or `AwayError`. Raises `RealmError`."""
        found = self.get(asset_id)
        if zone == LOCAL:
            raise RefusedError("the zone local is this realm itself", "name another zone: realm vault zones")
        self.places.check(zone)
        if found.asset is None or LOCAL not in dict(found.copies):
            raise NotFoundError(
                f"{found.id} is not in this realm", f"bring it here first: realm vault fetch {found.id}"
            )
        return self._moved(
            "push",
            found.id,
            found.asset,
            zone,
            lambda: self._send(found, zone, copying or Copying()),
            queueing=queueing,
        )

    def push_together(self, asset_ids: list[str], zone: str, copying: Copying) -> dict[str, Moved]:
        """Bring several small checkpoints into a zone with few calls. What is not in the answer is left to `push`."""
        found = {one.id: one.asset for one in map(self.get, asset_ids) if one.asset and LOCAL in dict(one.copies)}
        records = {name: _begun("push", name, asset, zone) for name, asset in found.items()}
        begun = time.monotonic()
        with ExitStack() as held:
            try:
                for name in found:
                    lock = transfers.lock_of(self.realm, name, zone)
                    held.enter_context(store.locked(lock, wait=False, owner="another transfer of it"))
                    held.enter_context(leases.held(self.realm, name, f"in transfer (push, zone {zone})"))
                contents = absent(
                    self.places.zone(zone), [self._content_here(name, asset) for name, asset in found.items()]
                )
                sizes = 0
                for content in contents:
                    self._check_room(zone, content.asset, beside=sizes)
                    sizes += content.asset.size
                    transfers.write(self.realm, records[content.id])
                whole = self._sent_together(zone, contents, copying) if contents else []
            except RealmError as error:
                log.info("pushing together into %s: %s", zone, error.message)
                whole = []
            done = [records[content.id] for content in whole]
            for name in found.keys() - {record.asset for record in done}:
                transfers.forget(self.realm, records[name])
            seconds = time.monotonic() - begun
            if done:
                transfers.end_all(self.realm, done, "done", "", seconds)
        return {record.asset: self._told(record, found[record.asset], seconds) for record in done}

    def _sent_together(self, zone: str, contents: list[Content], copying: Copying) -> list[Content]:
        there = self.places.zone(zone)
        whole = deliver_together(
            there, contents, lambda temp, files: there.push(self.realm.root, temp, files, copying)
        )  # fmt: skip
        copies = {content.id: copy_here(content.asset, verified=True) for content in whole}
        self.catalog.add_copies(zone, copies)
        return whole

    def _send(self, found: Located, zone: str, copying: Copying) -> bool:
        asset = found.asset
        assert asset is not None
        there = self.places.zone(zone)
        content = self._content_here(found.id, asset)
        source = self.realm.root / content.folder

        def copy(temp: str, files: list[str]) -> None:
            self._check_room(zone, asset)  # what is there already needs none
            there.push(source, temp, files, copying)

        sent = deliver(there, content, copy)
        self.catalog.add_copy(found.id, zone, copy_here(asset, verified=True), asset)
        return sent

    def _check_room(self, zone: str, asset: Asset, *, beside: int = 0) -> None:
        """Refuse what does not fit; `beside` bytes come with it."""
        config = self.places.config(zone)
        there = [one for one in self.catalog.read().assets.values() if zone in one.locations and one != asset]
        limits = [("", config.max_gb, there)]
        limits += [
            (f"{kind}s: ", most, [one for one in there if one.kind == kind])
            for kind, most in config.max_gb_of.items()
            if kind == asset.kind
        ]
        for words, most, held in limits:
            used = sum(one.size for one in held) + beside
            if most is not None and used + asset.size > most * 1e9:
                raise RefusedError(
                    f"zone {zone} may hold {words}{most:g} GB and has {used / 1e9:.2f} GB", "drop something there first"
                )
        free = self._free(zone, asset.size)
        if asset.size > free:
            raise RealmError(
                f"zone {zone} has {free / 1e9:.2f} GB left, {asset.size / 1e9:.2f} GB are needed", "make room there"
            )

    def _free(self, zone: str, size: int) -> int:
        """Bytes that are left there, asked for once a minute; what is sent meanwhile is counted."""
        with self._asking:
            asked_at, free = self._room.get(zone, (0.0, 0))
            if time.monotonic() - asked_at > ROOM_SECONDS:
                asked_at, free = time.monotonic(), self.places.zone(zone).state().free
            self._room[zone] = (asked_at, free - size)
            return free

    def content(self, asset_id: str, asset: Asset, zone: str) -> Content:
        """The files of a zone's copy with their hashes."""
        return (
            self._content_here(asset_id, asset)
            if zone == LOCAL
            else content_in(self.places.zone(zone), asset_id, asset)
        )

    def _content_here(self, asset_id: str, asset: Asset) -> Content:
        """The files of an asset of this realm, by its manifest or by the last scan."""
        if asset.kind == "checkpoint":
            path = f"{asset.path}/{MANIFEST}"
            try:
                text = store.read_bytes(self.realm.root / path)
            except FileNotFoundError:
                raise NotFoundError(f"{asset_id} is not here any more", "look again: realm vault scan") from None
            files = ManifestRecord.from_dict(store.parse_json(text, path), path).files
            own = ManifestFile(size=len(text), sha256=hashlib.sha256(text).hexdigest())
            return Content(asset_id, asset, {**files, MANIFEST: own})
        record = store.read_record(folder_of(self.realm) / "scans" / f"{LOCAL}.json", ScanRecord)
        single = asset.path in record.hashes
        prefix = asset.path if single else f"{asset.path}/"
        found = {
            (Path(path).name if single else path.removeprefix(prefix)): ManifestFile(
                size=known.size, sha256=known.sha256
            )
            for path, known in record.hashes.items()
            if (path == prefix if single else path.startswith(prefix))
        }
        return Content(asset_id, asset, found)

    # -- fetching ------------------------------------------------------------------------------------------------

    def fetch(
        self, asset_id: str, dest: Path | None = None, *, zone: str = "", copying: Copying | None = None
    ) -> Moved:
        """Bring an asset here, verified: to its place in the realm, or to the new folder `dest`.

        The nearest zone that answers is taken, or `zone`. Raises `RealmError` when none gives a whole copy.
        """
        found = self.get(asset_id)
        assert found.asset is not None
        sources = [name for name, _ in found.copies if name != LOCAL and zone in ("", name)]
        here = dict(found.copies).get(LOCAL)
        if here is not None and dest is None and not zone:
            path = self.realm.root / here.path
            return Moved(found.id, LOCAL, True, bool(here.verified_at), 0, 0.0, str(path), "there")
        if here is not None and dest is not None and not zone:
            sources.insert(0, LOCAL)
        if not sources:
            raise NotFoundError(f"no zone{f' {zone}' if zone else ''} holds {found.id}", "see: realm vault whereis")
        return self._fetch_from(found.id, found.asset, sources, dest, copying or Copying())

    def _fetch_from(
        self, asset_id: str, asset: Asset, sources: list[str], dest: Path | None, copying: Copying
    ) -> Moved:
        failures: list[RealmError] = []
        for name in sources:

            def take(name: str = name) -> bool:
                return self._take(asset_id, asset, name, dest, copying)

            try:
                done = self._moved("fetch", asset_id, asset, name, take)
            except RealmError as error:
                failures.append(error)
                log.warning("zone %s did not give %s: %s", name, asset_id, error.message)
                continue
            return dataclasses.replace(done, path=str(dest.absolute() if dest else self.realm.root / asset.path))
        raise failures[-1]

    def _take(self, asset_id: str, asset: Asset, name: str, dest: Path | None, copying: Copying) -> bool:
        source = self.places.zone(name)
        content = self.content(asset_id, asset, name)
        root = self.realm.root if dest is None else dest.absolute().parent
        root.mkdir(parents=True, exist_ok=True)
        here = self.places.folder(str(root))
        target = "" if dest is None else dest.name
        sent = deliver(
            here, content, lambda temp, files: source.pull(content.folder, root / temp, files, copying),
            target=target, register=False,
        )  # fmt: skip
        if dest is None:
            self.catalog.add_copy(asset_id, LOCAL, copy_here(asset, verified=True), asset)
            self.enter_into_ledger(asset)
        return sent

    def enter_into_ledger(self, asset: Asset) -> None:
        """A fetched checkpoint brings its own record."""
        if asset.kind != "checkpoint":
            return
        ledger = Ledger(self.realm, asset.hero)
        with suppress(FileNotFoundError):
            record = store.read_record(self.realm.root / asset.path / LEDGER_MIRROR, LedgerRecord)
            own = (record.hero, record.step, record.canonical_name)
            if own != (asset.hero, asset.step, Path(asset.path).name):
                log.warning("%s brings a ledger record of %s step %s, which is left out", asset.path, *own[:2])
            elif record.step not in ledger.steps():
                ledger.record(record)

    # -- both ----------------------------------------------------------------------------------------------------

    def _moved(
        self,
        direction: str,
        asset_id: str,
        asset: Asset,
        zone: str,
        work: Callable[[], bool],
        *,
        queueing: bool = False,
    ) -> Moved:
        """Do the work of a transfer under a lease, with its record kept."""
        record = _begun(direction, asset_id, asset, zone)
        begun = time.monotonic()
        lock = transfers.lock_of(self.realm, asset_id, zone)
        with (
            store.locked(lock, wait=False, owner="another transfer of it"),
            leases.held(self.realm, asset_id, f"in transfer ({direction}, zone {zone})"),
        ):
            transfers.write(self.realm, record)
            try:
                sent = work()
            except AwayError as error:
                return self._away(record, error, queueing=queueing)
            except RealmError as error:
                transfers.end(self.realm, record, "failed", error.message, time.monotonic() - begun)
                raise
            seconds = time.monotonic() - begun
            transfers.end(self.realm, record, "done", "", seconds)
        if not sent:
            return Moved(asset_id, zone, True, True, 0, seconds, asset.path, "there")
        return self._told(record, asset, seconds)

    def _told(self, record: TransferRecord, asset: Asset, seconds: float) -> Moved:
        """What has moved, as an event and as the answer."""
        emit(
            self.realm, self._manager, "asset_moved", asset=record.asset, zone=record.zone, direction=record.direction,
            bytes=asset.size, seconds=round(seconds, 3),
        )  # fmt: skip
        return Moved(record.asset, record.zone, True, True, asset.size, seconds, asset.path)

    def _away(self, record: TransferRecord, error: AwayError, *, queueing: bool) -> Moved:
        """A push waits for its zone; a fetch is wanted now or not at all."""
        if not queueing:
            transfers.end(self.realm, record, "failed", error.message, 0.0)
            raise error
        transfers.queue(self.realm, record, error.message)
        return Moved(record.asset, record.zone, False, False, 0, 0.0, "", "queued", error.message)

    # -- verifying -----------------------------------------------------------------------------------------------

    def verify(self, asset_id: str, zone: str) -> list[str]:
        """Hash a copy anew. Returns the files that are wrong; the copy is then set aside and no copy any more.

        What was edited in the realm since the last scan is no damage: the caller has scanned it.
        """
        found = self.get(asset_id)
        copies = dict(found.copies)
        if found.asset is None or zone not in copies:
            raise NotFoundError(f"zone {zone} holds no {found.id}", "see: realm vault whereis")
        place = self.places.zone(zone)
        try:
            content = self.content(found.id, found.asset, zone)
            wrong = differing(place, content.folder, content.files)
        except FormatError as error:
            wrong = [error.message]
        if not wrong:
            self.catalog.add_copy(found.id, zone, msgspec.structs.replace(copies[zone], verified_at=now()))
            return []
        if (
            zone != LOCAL or found.asset.kind == "checkpoint"
        ):  # the realm works with its other files: they stay, and it is said
            stamp = now().replace(":", "").replace("+0000", "Z")
            place.move(found.asset.path, f".vault/quarantine/{stamp}-{found.id}")
            self.catalog.drop_copy(found.id, zone)
        emit(self.realm, self._manager, "asset_damaged", asset=found.id, zone=zone, file=wrong[0])
        return wrong

    def mend(self, asset_id: str, zone: str) -> bool:
        """Put a good copy where a damaged one was set aside; False when no good one is at hand. Raises `RealmError`."""
        found = self.catalog.locate(asset_id)
        if zone == LOCAL:
            return LOCAL not in dict(found.copies) and found.found and self.fetch(found.id).success
        return LOCAL in dict(found.copies) and self.push(found.id, zone).success


def _begun(direction: str, asset_id: str, asset: Asset, zone: str) -> TransferRecord:
    return TransferRecord(
        id=uuid.uuid4().hex[:12], asset=asset_id, digest=asset.digest, zone=zone, direction=direction, state="running",
        asked_at=now(), size=asset.size, attempts=1,
    )  # fmt: skip
