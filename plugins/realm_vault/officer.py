"""The branch officer: answers for the assets under one folder, on a box that need not have a realm of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from flask import Flask

from realm_cli import __version__, store
from realm_cli.checkpoints import MANIFEST
from realm_cli.errors import NotFoundError, RefusedError
from realm_cli.openapi import Answer, Route, document
from realm_cli.pages import data
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.web import Door, make_app
from realm_cli.zones import LOCAL
from realm_vault import assets
from realm_vault.catalog import Catalog
from realm_vault.faces import PARAMETERS, AssetFace, FetchAsked
from realm_vault.records import Asset, Location
from realm_vault.scanning import Scan, scan


class OfficerStatus(msgspec.Struct):
    """How a branch is doing."""

    status: str
    zone: str
    base_dir: str
    assets: int
    size: int
    free: int
    scanned: str


class OfficerAssets(msgspec.Struct):
    """All assets of a branch."""

    zone: str
    assets: list[AssetFace]


class TransferInformation(msgspec.Struct):
    """What has to be copied: `path` is from the base folder, for rsync over ssh."""

    id: str
    zone: str
    base_dir: str
    path: str
    digest: str
    size: int
    files: list[str]
    """From the asset's folder."""


class OfficerScan(msgspec.Struct):
    """What a scan found."""

    zone: str
    assets: int
    wrong: list[str]


class NoBody(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing has to be said."""


def make_officer(base: Path, zone: str, door: Door) -> Flask:
    """The app; its description is at `/api/openapi.json`."""
    realm = Realm(base)
    app = make_app(__name__, "officer", realm, door)
    views = _Views(realm, zone)
    routes = views.routes()
    for route in routes:
        app.add_url_rule(route.path, route.view.__name__, route.view, methods=[route.method])
    described = document("Realm: a branch officer", __version__, routes, PARAMETERS)
    app.add_url_rule("/api/openapi.json", "openapi", lambda: described)
    return app


class _Views:
    def __init__(self, realm: Realm, zone: str) -> None:
        self._realm = realm
        self._zone = zone
        self._catalog = Catalog(realm)

    def routes(self) -> list[Route]:
        """The table that routes and description are made from."""
        return [
            Route("GET", "/status", self.status, OfficerStatus),
            Route("GET", "/assets", self.assets, OfficerAssets),
            Route("GET", "/assets/<asset_id>", self.asset, AssetFace),
            Route("GET", "/fetch/<asset_id>", self.fetch, TransferInformation),
            Route("POST", "/scan", self.scan, OfficerScan, NoBody),
            Route("POST", "/receive", self.receive, AssetFace, FetchAsked, refuses=(404, 409)),
        ]

    def status(self) -> Answer:
        """How this branch is doing."""
        known = self._known()
        facts = OfficerStatus(
            "ok", self._zone, str(self._realm.root), len(known), sum(one.size for one in known.values()),
            store.free_bytes(self._realm.root), self._catalog.read().scanned.get(LOCAL, ""),
        )  # fmt: skip
        return _plain(facts)

    def assets(self) -> Answer:
        """All assets of this branch."""
        return _plain(OfficerAssets(self._zone, [self._face(name, one) for name, one in self._known().items()]))

    def asset(self, asset_id: str) -> Answer:
        """One asset."""
        return _plain(self._face(asset_id, self._get(asset_id)))

    def fetch(self, asset_id: str) -> Answer:
        """What has to be copied to have the asset."""
        one = self._get(asset_id)
        found = assets.Found(one.kind, one.path, {})
        folder = self._realm.root / one.path
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        files = sorted(names) if found.folder == one.path else [folder.name]
        return _plain(
            TransferInformation(asset_id, self._zone, str(self._realm.root), one.path, one.digest, one.size, files)
        )

    def scan(self) -> Answer:
        """Look what lies here."""
        data(NoBody)
        found = self._scan()
        return _plain(OfficerScan(self._zone, len(found.assets), found.wrong))

    def receive(self) -> Answer:
        """Hash an asset that was sent here, and register it. A damaged one is refused."""
        asset_id = assets.check_id(data(FetchAsked).asset_id)
        self._scan()
        one = self._get(asset_id)
        self._verify(one)
        copy = one.locations[LOCAL]
        checked = msgspec.structs.replace(copy, verified_at=now())
        self._catalog.add_copy(asset_id, LOCAL, checked)
        return _plain(self._face(asset_id, msgspec.structs.replace(one, locations={LOCAL: checked})))

    def _verify(self, one: Asset) -> None:
        if one.kind != "checkpoint":
            return  # the scan has hashed it
        path = self._realm.root / one.path / MANIFEST
        for name, facts in assets.manifest_files(store.read_bytes(path), str(path)).items():
            if store.sha256_file(path.parent / name) != facts.sha256:
                raise RefusedError(f"{path.parent}: {name} has another SHA-256 than its manifest says", "send it again")

    def _scan(self) -> Scan:
        return scan(self._realm, self._catalog, LOCAL, None)

    def _known(self) -> dict[str, Asset]:
        if not self._catalog.is_known:
            self._scan()
        return self._catalog.read().assets

    def _get(self, asset_id: str) -> Asset:
        """By its full id: a box without a realm has no active hero."""
        known = self._known()
        if assets.check_id(asset_id) not in known:
            raise NotFoundError(f"zone {self._zone} has no {asset_id}", "look again: POST /scan")
        return known[asset_id]

    def _face(self, name: str, one: Asset) -> AssetFace:
        shown: dict[str, Location] = {self._zone: one.locations[LOCAL]}
        return AssetFace.of(name, msgspec.structs.replace(one, locations=shown))


def _plain(face: msgspec.Struct) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(face)
    return found
