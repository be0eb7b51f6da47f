"""The catalog on disk: one file, one lock, read again only when it changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from realm_cli import store
from realm_cli.errors import NotFoundError, nearest
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.zones import LOCAL, configured
from realm_vault.assets import full_id
from realm_vault.records import Asset, CatalogRecord, Location


def folder_of(realm: Realm) -> Path:
    """Where the vault keeps what it knows."""
    return realm.status / "vault"


@dataclass(frozen=True)
class Located:
    """Where an asset is."""

    id: str
    asset: Asset | None
    copies: list[tuple[str, Location]]
    """(zone, copy), the nearest first; only true copies."""
    others: list[tuple[str, Location]]
    """Copies with other content under the same name."""

    @property
    def found(self) -> bool:
        """Whether there is a copy."""
        return bool(self.copies)


class Catalog:
    """What the vault knows of all zones."""

    def __init__(self, realm: Realm) -> None:
        self.realm = realm
        self._path = folder_of(realm) / "catalog.json"
        self._seen: tuple[int, int, int] | None = None
        self._record = CatalogRecord()

    def read(self) -> CatalogRecord:
        """The catalog now; an absent or damaged one is empty until the next scan."""
        try:
            facts = os.stat(self._path)
        except FileNotFoundError:
            self._seen, self._record = None, CatalogRecord()
            return self._record
        identity = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
        if identity != self._seen:
            self._record = store.read_or_set_aside(self._path, CatalogRecord) or CatalogRecord()
            self._seen = identity
        return self._record

    @property
    def is_known(self) -> bool:
        """Whether a scan was ever made of the realm itself."""
        return LOCAL in self.read().scanned

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the catalog: whoever reads it to change it."""
        with store.locked(folder_of(self.realm) / ".catalog.lock"):
            yield

    def change(self, how: Callable[[CatalogRecord], CatalogRecord]) -> CatalogRecord:
        """Read, change and write as one step."""
        with self.locked():
            before = self.read()
            after = how(before)
            if after != before:
                store.write_atomic(self._path, store.to_line(after.to_dict()), durable=True)
        return after

    def locate(self, text: str) -> Located:
        """Where an asset is: here first, then NAS, then other machines."""
        asset_id = full_id(text, self.realm.config.hero)
        asset = self.read().assets.get(asset_id)
        if asset is None:
            return Located(asset_id, None, [], [])
        ranked = sorted(asset.locations.items(), key=lambda item: (self.rank(item[0]), item[0]))
        true = [(zone, copy) for zone, copy in ranked if copy.digest == asset.digest]
        return Located(asset_id, asset, true, [item for item in ranked if item not in true])

    def rank(self, zone: str) -> int:
        """How near a zone is: 0 = here, then folders, NAS, other machines."""
        if zone == LOCAL:
            return 0
        config = configured(self.realm).get(zone)
        return 9 if config is None else {"local": 1, "nas": 2}.get(config.type, 3)

    def get(self, text: str) -> Located:
        """Like `locate`; `NotFoundError` for an asset that is not known."""
        found = self.locate(text)
        if found.asset is None:
            hint = nearest(found.id, list(self.read().assets)[-2000:])
            raise NotFoundError(
                f"the vault knows no asset '{found.id}'", hint if "did you" in hint else "look for it: realm vault scan"
            )
        return found

    def add_copy(self, asset_id: str, zone: str, copy: Location, asset: Asset | None = None) -> None:
        """Write down that a copy is there."""

        def changed(record: CatalogRecord) -> CatalogRecord:
            known = record.assets.get(asset_id) or asset
            assert known is not None
            after = msgspec.structs.replace(known, locations={**known.locations, zone: copy})
            return msgspec.structs.replace(record, assets={**record.assets, asset_id: after})

        self.change(changed)

    def add_copies(self, zone: str, copies: dict[str, Location]) -> None:
        """Write down that copies of known assets are there."""

        def changed(record: CatalogRecord) -> CatalogRecord:
            known = dict(record.assets)
            for asset_id, copy in copies.items():
                if asset_id in known:
                    locations = {**known[asset_id].locations, zone: copy}
                    known[asset_id] = msgspec.structs.replace(known[asset_id], locations=locations)
            return msgspec.structs.replace(record, assets=known)

        self.change(changed)

    def drop_copy(self, asset_id: str, zone: str) -> None:
        """Write down that a copy is gone; an asset without a copy is not known any more."""

        def changed(record: CatalogRecord) -> CatalogRecord:
            assets = dict(record.assets)
            if asset_id in assets:
                left = {name: copy for name, copy in assets[asset_id].locations.items() if name != zone}
                assets[asset_id] = msgspec.structs.replace(assets[asset_id], locations=left)
                if not left:
                    del assets[asset_id]
            return msgspec.structs.replace(record, assets=assets)

        self.change(changed)


def copy_here(asset: Asset, *, verified: bool) -> Location:
    """The record of a copy that was seen just now."""
    moment = now()
    return Location(path=asset.path, digest=asset.digest, seen_at=moment, verified_at=moment if verified else "")
