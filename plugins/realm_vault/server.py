"""The VaultKeeper's service: the catalog, the ledger and the battle for other machines, over HTTP."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
from flask import Flask, request

from realm_cli import __version__, control, status, watchtower
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.errors import NotFoundError, RefusedError, UsageError
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.openapi import Answer, Route, document
from realm_cli.pages import data
from realm_cli.quests import Board
from realm_cli.questview import quest_json
from realm_cli.realm import PRIORITIES, Realm
from realm_cli.web import Door, make_app
from realm_cli.zones import KINDS, LOCAL
from realm_vault import faces
from realm_vault.api import VaultKeeper
from realm_vault.keeper import Keeper, Moved
from realm_vault.places import Places

PAGE = 100
MOST = 1000
MOST_STEPS = 10**12
LIMIT: Answer = {"type": "integer", "minimum": 1, "maximum": MOST, "default": PAGE}
OFFSET: Answer = {"type": "integer", "minimum": 0, "default": 0}
KIND: Answer = {"type": "string", "enum": list(KINDS)}
METRIC: Answer = {"type": "string", "enum": ["train_loss", "val_loss"], "default": "train_loss"}


def make_server(realm: Realm, manager: Manager, door: Door) -> Flask:
    """The app; its description is at `/api/openapi.json`."""
    app = make_app(__name__, "vault", realm, door)
    views = _Views(realm, manager)
    app.extensions["keeper"] = views.keeper
    for route in views.routes():
        app.add_url_rule(route.path, route.view.__name__, route.view, methods=[route.method], strict_slashes=True)
    described = document("Realm: the vault", __version__, views.routes(), faces.PARAMETERS)
    app.add_url_rule("/api/openapi.json", "openapi", lambda: described)
    return app


def _number(name: str, default: int, least: int, most: int | None) -> int:
    text = request.args.get(name, str(default))
    if not text.isascii() or not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
        bound = f" to {most}" if most is not None else ""
        raise UsageError(f"{name}={text[:50]} is not a number from {least}{bound}", "leave it out for the default")
    return int(text)


def _only(*known: str) -> None:
    for name in request.args:
        if name not in known:
            raise UsageError(f"unknown argument '{name[:50]}'", f"known: {', '.join(known) or 'none'}")


class _Views:
    """One method for each operation."""

    def __init__(self, realm: Realm, manager: Manager) -> None:
        self.realm = realm
        self.manager = manager
        self.keeper = Keeper(realm, manager, Places(realm, manager))

    def routes(self) -> list[Route]:
        """The table that routes and description are made from."""
        page = (("limit", LIMIT), ("offset", OFFSET))
        return [
            Route("GET", "/api/stats", self.stats, faces.StatsFace),
            Route("GET", "/api/locate/<asset_id>", self.locate, faces.LocateFace),
            Route("GET", "/api/asset/<asset_id>", self.asset, faces.AssetFace),
            Route("GET", "/api/checkpoints", self.checkpoints, faces.AssetsFace, query=page),
            Route("GET", "/api/search", self.search, faces.AssetsFace, query=(("type", KIND), *page)),
            Route("GET", "/api/zones", self.zones, faces.ZonesFace),
            Route("GET", "/api/zones/<zone>", self.zone, faces.ZoneFace),
            Route("GET", "/api/ledger", self.ledger, faces.LedgerFace, query=page),
            Route(
                "GET", "/api/ledger/best", self.best, faces.LedgerEntryFace, query=(("metric", METRIC),), refuses=(404,)
            ),
            Route("GET", "/api/ledger/summary", self.summary, faces.LedgerSummaryFace),
            Route("GET", "/api/ledger/<int:step>", self.entry, faces.LedgerEntryFace),
            Route("GET", "/api/training/status", self.training, faces.TrainingFace),
            Route("GET", "/api/training/queue", self.queue, faces.QueueFace),
            Route("POST", "/api/fetch", self.fetch, faces.MovedFace, faces.FetchAsked, refuses=(404, 409, 503)),
            Route("POST", "/api/register", self.register, faces.LocateFace, faces.FetchAsked, refuses=(404,)),
            Route("POST", "/api/scan", self.scan, faces.ScannedFace, faces.ScanAsked, refuses=(404, 409, 503)),
            Route(
                "POST", "/api/transfer", self.transfer, faces.MovedFace, faces.TransferAsked, refuses=(404, 409, 503)
            ),
            Route(
                "POST", "/api/training/control", self.control, faces.ControlledFace, faces.ControlAsked, refuses=(409,)
            ),
        ]

    # -- looking -------------------------------------------------------------------------------------------------

    def stats(self) -> Answer:
        """The catalog in figures."""
        _only()
        known = self._known().values()
        kinds = {kind: sum(1 for one in known if one.kind == kind) for kind in KINDS}
        zones = {name: sum(1 for one in known if name in one.locations) for name in self.keeper.places.names()}
        return _plain(faces.StatsFace(len(known), sum(one.size for one in known), kinds, zones))

    def _known(self) -> dict[str, Any]:
        if not self.keeper.catalog.is_known:
            self.keeper.scan()
        return self.keeper.catalog.read().assets

    def locate(self, asset_id: str) -> Answer:
        """Where an asset is, the nearest copy first; `found` is false when no zone has it."""
        _only()
        found = self.keeper.locate(asset_id)
        copies = [faces.CopyFace.of(zone, copy) for zone, copy in found.copies]
        return _plain(faces.LocateFace(found.id, found.found, copies[0] if copies else None, copies))

    def asset(self, asset_id: str) -> Answer:
        """One asset with its copies."""
        _only()
        found = self.keeper.get(asset_id)
        assert found.asset is not None
        return _plain(faces.AssetFace.of(found.id, found.asset))

    def checkpoints(self) -> Answer:
        """All checkpoints, newest first, a page of them."""
        _only("limit", "offset")
        return self._page("checkpoint")

    def search(self) -> Answer:
        """Assets of one kind, or of all, a page of them."""
        _only("type", "limit", "offset")
        kind = request.args.get("type")
        if kind is not None and kind not in KINDS:
            raise UsageError(f"'{kind[:50]}' is no kind of asset", f"known: {', '.join(KINDS)}")
        return self._page(kind)

    def _page(self, kind: str | None) -> Answer:
        limit, offset = _number("limit", PAGE, 1, MOST), _number("offset", 0, 0, None)
        found = [(name, one) for name, one in self._known().items() if kind in (None, one.kind)]
        found.sort(key=lambda item: (KINDS.index(item[1].kind), -item[1].step, item[0]))
        shown = [faces.AssetFace.of(name, one) for name, one in found[offset : offset + limit]]
        return _plain(faces.AssetsFace(len(found), shown))

    def zones(self) -> Answer:
        """All zones, the realm itself first."""
        _only()
        return _plain(faces.ZonesFace([self._zone(name) for name in self.keeper.places.names()]))

    def zone(self, zone: str) -> Answer:
        """One zone."""
        _only()
        self.keeper.places.check(zone)
        return _plain(self._zone(zone))

    def _zone(self, name: str) -> faces.ZoneFace:
        config, record = self.keeper.places.config(name), self.keeper.catalog.read()
        held = [one for one in record.assets.values() if name in one.locations]
        scanned = record.scanned.get(name, "")
        return faces.ZoneFace(name, config.type, config.host, len(held), sum(one.size for one in held), scanned)

    # -- ledger and battle ---------------------------------------------------------------------------------------

    def ledger(self) -> Answer:
        """The active hero's ledger, newest first, a page of it."""
        _only("limit", "offset")
        limit, offset = _number("limit", PAGE, 1, MOST), _number("offset", 0, 0, None)
        ledger = Ledger(self.realm)
        steps = ledger.steps()
        entries = []
        for step in steps[offset : offset + limit]:
            try:
                entries.append(_entry(ledger, ledger.get(step)))
            except NotFoundError:
                continue  # deleted meanwhile
        return _plain(faces.LedgerFace(len(steps), entries))

    def entry(self, step: int) -> Answer:
        """One checkpoint of the active hero."""
        _only()
        if step > MOST_STEPS:
            raise NotFoundError("no checkpoint has such a step", "see: /api/ledger")
        ledger = Ledger(self.realm)
        return _plain(_entry(ledger, ledger.get(step)))

    def best(self) -> Answer:
        """The checkpoint with the lowest metric."""
        _only("metric")
        ledger = Ledger(self.realm)
        return _plain(_entry(ledger, ledger.get_best(request.args.get("metric", "train_loss"))))

    def summary(self) -> Answer:
        """How many checkpoints there are, the latest and the best by train_loss."""
        _only()
        ledger = Ledger(self.realm)
        latest = ledger.list_all(1)
        try:
            best = _entry(ledger, ledger.get_best())
        except NotFoundError:
            best = None
        shown = _entry(ledger, latest[0]) if latest else None
        return _plain(faces.LedgerSummaryFace(ledger.hero, len(ledger.steps()), shown, best))

    def training(self) -> Answer:
        """Hero, battle and board."""
        _only()
        seen = watchtower.gaze(self.realm, self.manager)
        return _plain(faces.TrainingFace(seen.hero, seen.battle, seen.board))

    def queue(self) -> Answer:
        """The quests in battle and those that wait, in their order."""
        _only()
        board = Board(self.realm)
        files = [file for state in ("processing", *PRIORITIES) for file in board.files(state)]
        return _plain(faces.QueueFace([quest_json(board.record(file.id), file.state) for file in files[:MOST]]))

    # -- doing ---------------------------------------------------------------------------------------------------

    def fetch(self) -> Answer:
        """Bring an asset to this realm, verified."""
        _only()
        return _moved(self.keeper.fetch(data(faces.FetchAsked).asset_id))

    def register(self) -> Answer:
        """Look at the realm anew, and say where the asset is."""
        _only()
        found = VaultKeeper(self.realm).register(data(faces.FetchAsked).asset_id)
        return self.locate(found.id)

    def scan(self) -> Answer:
        """Look what lies in a zone."""
        _only()
        zone = data(faces.ScanAsked).zone
        self.keeper.places.check(zone)
        found = self.keeper.scan(zone)
        return _plain(faces.ScannedFace(zone, len(found.assets), found.wrong, found.hashed))

    def transfer(self) -> Answer:
        """Send an asset to a zone, or pull it from there."""
        _only()
        asked = data(faces.TransferAsked)
        self.keeper.places.check(asked.zone)
        if asked.direction == "push":
            return _moved(self.keeper.push(asked.asset_id, asked.zone))
        if asked.zone == LOCAL:
            raise RefusedError("the zone local is this realm itself", "name another zone")
        self.keeper.scan(asked.zone)
        return _moved(self.keeper.fetch(asked.asset_id, zone=asked.zone))

    def control(self) -> Answer:
        """Pause, resume or stop the battle."""
        _only()
        asked = data(faces.ControlAsked)
        if asked.action == "resume":
            said = "the pause is lifted" if control.lower(self.realm, "pause") else "it was not paused"
            return _plain(faces.ControlledFace("resume", said))
        if asked.action == "stop" and status.battle_process(self.realm) is None:
            raise RefusedError("no battle runs, so there is nothing to stop", "start one: realm play")
        control.raise_flag(self.realm, asked.action, asked.reason[:200] or "asked for over the network")
        return _plain(faces.ControlledFace(asked.action, f"{asked.action} is asked for"))


def _entry(ledger: Ledger, record: LedgerRecord) -> faces.LedgerEntryFace:
    path = ledger.path_of(record)
    return faces.LedgerEntryFace(
        record.hero, record.step, record.canonical_name, record.canonical_name, str(path) if path else None,
        record.weights_sha256, record.train_loss, record.val_loss, record.to_dict(),
    )  # fmt: skip


def _moved(moved: Moved) -> Answer:
    return dataclasses.asdict(moved)


def _plain(face: msgspec.Struct) -> Answer:
    found: Answer = msgspec.to_builtins(face)
    return found
