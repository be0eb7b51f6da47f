"""Looking what lies in a zone. What has the size and the time it had is not read again."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from realm_cli import datafiles, store
from realm_cli.checkpoint_records import ManifestFile, ManifestRecord
from realm_cli.checkpoints import MANIFEST
from realm_cli.errors import FormatError
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.zones import LOCAL, FileFact, Zone
from realm_vault import assets
from realm_vault.assets import Found
from realm_vault.catalog import Catalog, folder_of
from realm_vault.records import Asset, AssetRecord, CatalogRecord, Known, Location, ScanRecord

log = logging.getLogger("realm.vault")
HASHERS = 2


@dataclass
class Scan:
    """What a scan found."""

    zone: str
    assets: dict[str, Asset] = field(default_factory=dict)
    """Each with its one location."""
    wrong: list[str] = field(default_factory=list)
    """Assets that are not whole, and why."""
    hashed: int = 0
    """Bytes that had to be read."""


def scan(realm: Realm, catalog: Catalog, name: str, zone: Zone | None, *, again: bool = False) -> Scan:
    """Look at one zone, and bring the catalog up to date. `zone` is None for the realm itself; `again` hashes all anew."""
    path = folder_of(realm) / "scans" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    before = store.read_or_set_aside(path, ScanRecord) or ScanRecord(zone=name)
    begun = now()
    look = _Here(realm, before, again) if zone is None else _There(name, zone, before)
    found = look.look()
    store.write_atomic(path, store.to_line(look.after().to_dict()))
    catalog.change(lambda record: _merged(record, found, begun))
    return found


def _merged(record: CatalogRecord, found: Scan, begun: str) -> CatalogRecord:
    """The catalog with the zone's copies as they were found. What was registered since the scan began stays."""
    merged: dict[str, Asset] = {}
    for asset_id in [*record.assets, *(new for new in found.assets if new not in record.assets)]:
        known, seen = record.assets.get(asset_id), found.assets.get(asset_id)
        copies = dict(known.locations) if known else {}
        old = copies.pop(found.zone, None)
        if seen is not None:
            copy = seen.locations[found.zone]
            verified = old.verified_at if old is not None and old.digest == copy.digest else ""
            copies[found.zone] = msgspec.structs.replace(copy, verified_at=verified)
        elif old is not None and old.seen_at > begun:
            copies[found.zone] = old
        if copies:
            merged[asset_id] = msgspec.structs.replace(_truth(known, seen, found.zone, copies), locations=copies)
    return msgspec.structs.replace(record, assets=merged, scanned={**record.scanned, found.zone: begun})


def _truth(known: Asset | None, seen: Asset | None, zone: str, copies: Mapping[str, Location]) -> Asset:
    """Which content the id stands for: that of the realm itself, else what was known as long as a copy of it is there."""
    if seen is not None and (zone == LOCAL or known is None or all(c.digest != known.digest for c in copies.values())):
        return seen
    assert known is not None
    return known


class _Look:
    """Common to both kinds of scan."""

    def __init__(self, name: str, before: ScanRecord) -> None:
        self.found = Scan(name)
        self._before = before
        self._hashes: dict[str, Known] = {}
        self._manifests: dict[str, dict[str, ManifestFile]] = {}
        self._created: dict[str, str] = {}

    def after(self) -> ScanRecord:
        """What the next scan may rest on."""
        return ScanRecord(
            zone=self.found.zone, hashes=self._hashes, manifests=self._manifests, created=self._created
        )  # fmt: skip

    def _known(self, path: str, fact: FileFact) -> str | None:
        known = self._before.hashes.get(path)
        if known is None or (known.size, known.mtime_ns) != (fact.size, fact.mtime_ns):
            return None
        self._hashes[path] = known
        return known.sha256

    def _keep(self, path: str, fact: FileFact, sha256: str) -> None:
        self._hashes[path] = Known(fact.size, fact.mtime_ns, sha256)

    def _read_manifest(self, sha256: str, data: bytes | None, where: str) -> dict[str, ManifestFile]:
        """The files of a manifest that is known, or of its text. Raises `FormatError`."""
        if data is None:
            files = self._before.manifests[sha256]
            self._created[sha256] = self._before.created.get(sha256, "")
        else:
            record = ManifestRecord.from_dict(store.parse_json(data, where), where)
            assets.safe_files(record.files, where)
            files, self._created[sha256] = record.files, record.created_at
        self._manifests[sha256] = files
        return files

    def _add(self, asset_id: str, one: Found, files: Mapping[str, ManifestFile], created_at: str) -> None:
        digest = assets.digest_of(files)
        copy = Location(path=one.path, digest=digest, seen_at=now())
        self.found.assets[asset_id] = Asset(
            kind=one.kind, path=one.path, digest=digest, size=sum(file.size for file in files.values()), files=len(files),
            created_at=created_at, hero=one.hero, step=one.step, locations={self.found.zone: copy},
        )  # fmt: skip

    def _readable(self, listing: dict[str, FileFact]) -> dict[str, FileFact]:
        """Without the names that no JSON can hold."""
        odd = {path for path in listing if datafiles.printable(path) != path}
        for path in odd:
            self._refuse(datafiles.printable(path), "its name is not UTF-8, so it cannot be sent; rename it")
        return {path: fact for path, fact in listing.items() if path not in odd}

    def _refuse(self, path: str, why: str) -> None:
        self.found.wrong.append(f"{path}: {why}")


def lacks(files: Mapping[str, ManifestFile], listing: Mapping[str, FileFact], folder: str) -> str:
    """Why a listing does not hold all files; empty when it does."""
    for name, facts in files.items():
        there = listing.get(f"{folder}/{name}")
        if there is None:
            return f"{name} is missing"
        if there.size != facts.size:
            return f"{name} has {there.size} bytes instead of {facts.size}"
    return ""


class _Here(_Look):
    """The realm itself: its files are read where no manifest names their hashes."""

    def __init__(self, realm: Realm, before: ScanRecord, again: bool) -> None:
        super().__init__(LOCAL, msgspec.structs.replace(before, hashes={}) if again else before)
        self._realm = realm

    def look(self) -> Scan:
        """Find and hash."""
        listing = self._readable(list_here(self._realm))
        found = assets.named(assets.in_listing(listing), self._is_current)
        loose = [one for one in found.values() if one.kind != "checkpoint"]
        hashes = self._hash([(f"{one.folder}/{name}", fact) for one in loose for name, fact in one.files.items()])
        for asset_id, one in found.items():
            if one.kind == "checkpoint":
                self._look_at_checkpoint(asset_id, one, listing)
            else:
                paths = {name: f"{one.folder}/{name}" for name in one.files}
                if all(path in hashes for path in paths.values()):  # else it changed while it was read
                    files = {
                        name: ManifestFile(size=fact.size, sha256=hashes[paths[name]])
                        for name, fact in one.files.items()
                    }
                    self._add(asset_id, one, files, "")
        return self.found

    def _is_current(self, one: Found) -> bool:
        """Whether the ledger means this folder by its step."""
        if one.kind != "checkpoint":
            return True
        path = self._realm.ledger / one.hero / f"{one.step}.json"
        return not path.exists() or Ledger(self._realm, one.hero).get(one.step).canonical_name == Path(one.path).name

    def _look_at_checkpoint(self, asset_id: str, one: Found, listing: Mapping[str, FileFact]) -> None:
        path = f"{one.path}/{MANIFEST}"
        fact = one.files[MANIFEST]
        try:
            sha256 = self._known(path, fact)
            data = None
            if sha256 is None or sha256 not in self._before.manifests:
                data = store.read_bytes(self._realm.root / path)
                sha256 = hashlib.sha256(data).hexdigest()
                self._keep(path, fact, sha256)
            files = self._read_manifest(sha256, data, path)
        except (FormatError, FileNotFoundError) as error:
            return self._refuse(one.path, str(error))
        why = lacks(files, listing, one.path)
        if why:
            self._refuse(one.path, why)
        else:
            self._add(asset_id, one, files, self._created[sha256])
        return None

    def _hash(self, files: list[tuple[str, FileFact]]) -> dict[str, str]:
        """Hashes by path; of a file that is gone or changed meanwhile there is none."""
        known = {path: sha for path, fact in files if (sha := self._known(path, fact)) is not None}
        rest = [(path, fact) for path, fact in files if path not in known]
        with ThreadPoolExecutor(HASHERS) as pool:
            for (path, fact), sha in zip(rest, pool.map(lambda item: self._hash_one(*item), rest), strict=True):
                if sha:
                    self._keep(path, fact, sha)
                    self.found.hashed += fact.size
                    known[path] = sha
        return known

    def _hash_one(self, path: str, fact: FileFact) -> str:
        try:
            sha = store.sha256_file(self._realm.root / path)
            after = os.stat(self._realm.root / path)
        except OSError as error:
            self._refuse(path, error.strerror or str(error))
            return ""
        return sha if (after.st_size, after.st_mtime_ns) == fact else ""


class _There(_Look):
    """Another zone: what its checkpoints' manifests and its register say, compared with the sizes that are there."""

    def __init__(self, name: str, zone: Zone, before: ScanRecord) -> None:
        super().__init__(name, before)
        self._zone = zone

    def look(self) -> Scan:
        """List, read the manifests that are new, compare."""
        listing = self._readable(self._zone.files(assets.FOLDERS))
        checkpoints = [one for one in assets.in_listing(listing) if one.kind == "checkpoint"]
        papers = [f"{one.path}/{MANIFEST}" for one in checkpoints]
        papers += [path for path in listing if path.startswith(f"{assets.REGISTER}/") and path.endswith(".json")]
        new = [
            path
            for path in papers
            if (sha := self._known(path, listing[path])) is None or sha not in self._before.manifests
        ]
        texts = self._zone.read(new)
        for asset_id, one in assets.named(checkpoints, lambda _: True).items():
            self._look_at(f"{one.path}/{MANIFEST}", texts, listing, asset_id, one)
        for path in papers:
            if path.startswith(f"{assets.REGISTER}/"):
                self._look_at_register(path, texts, listing)
        return self.found

    def _look_at(
        self, path: str, texts: Mapping[str, bytes], listing: Mapping[str, FileFact], asset_id: str, one: Found
    ) -> None:
        try:
            sha256 = self._sha_of(path, texts, listing)
            files = self._read_manifest(sha256, texts.get(path), f"{self.found.zone}:{path}")
        except (FormatError, KeyError) as error:
            return self._refuse(one.path, str(error))
        why = lacks(files, listing, one.path)
        if why:
            self._refuse(one.path, why)
        else:
            self._add(asset_id, one, files, self._created[sha256])
        return None

    def _sha_of(self, path: str, texts: Mapping[str, bytes], listing: Mapping[str, FileFact]) -> str:
        if path in texts:
            self._keep(path, listing[path], hashlib.sha256(texts[path]).hexdigest())
        return self._hashes[path].sha256

    def _look_at_register(self, path: str, texts: Mapping[str, bytes], listing: Mapping[str, FileFact]) -> None:
        """An entry of the register: of everything but checkpoints, whose manifest speaks for itself."""
        text = texts.get(path) or self._zone.read([path]).get(path, b"")
        try:
            record = AssetRecord.from_dict(store.parse_json(text, path), f"{self.found.zone}:{path}")
            assets.check_id(record.id)
            assets.safe_files([*record.files, record.path], path)
        except FormatError as error:
            return self._refuse(path, error.problem)
        if record.asset_kind == "checkpoint":
            return None
        one = Found(record.asset_kind, record.path, {})
        why = lacks(record.files, listing, one.folder)
        if why:
            self._refuse(record.path, why)
        else:
            self._add(record.id, one, record.files, record.created_at)
        return None


def list_here(realm: Realm) -> dict[str, FileFact]:
    """All files of the realm in which assets can lie; links are no files."""
    found: dict[str, FileFact] = {}
    waiting = [realm.root / folder for folder in assets.FOLDERS if folder != assets.REGISTER]
    root = str(realm.root) + "/"
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except FileNotFoundError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    waiting.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                try:
                    facts = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                found[entry.path.removeprefix(root)] = FileFact(facts.st_size, facts.st_mtime_ns)
    return found
