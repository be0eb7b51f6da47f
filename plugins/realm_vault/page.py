"""The page `/vault`: assets and where they are, one asset alone, what the rules would delete, lineage."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from flask import Blueprint, current_app

from realm_cli import champions, pins
from realm_cli.errors import NotFoundError
from realm_cli.ledgerview import views_of
from realm_cli.listquery import number, page_of
from realm_cli.manager import Manager
from realm_cli.pages import Page, fragment, render
from realm_cli.realm import Realm
from realm_cli.terminal import human_bytes
from realm_cli.zones import LOCAL, policy
from realm_vault import page_orders, transfers
from realm_vault.alarms import missing
from realm_vault.catalog import folder_of
from realm_vault.dropping import Dropper
from realm_vault.jobs import Jobs
from realm_vault.keeper import Keeper
from realm_vault.lineage import graph
from realm_vault.places import Places
from realm_vault.pruning import plan
from realm_vault.shelf import Query, Shelf, as_json

PROMOTE = "guild.promote"
"""The view that makes a checkpoint the champion, where the guild is installed."""
SHOWN = 10
"""Transfers on the page."""


def make(realm: Realm, manager: Manager) -> Blueprint:
    """The routes."""
    routes = Blueprint(
        "vault", __name__, template_folder="templates", static_folder="static", static_url_path="/static/vault"
    )
    places = Places(realm, manager)
    keeper = Keeper(realm, manager, places)
    dropper = Dropper(realm, manager, keeper)
    views = _Views(realm, keeper, dropper, Jobs(realm, manager, places))
    routes.add_url_rule("/vault", view_func=views.vault)
    routes.add_url_rule("/vault/asset/<asset_id>", view_func=views.asset)
    routes.add_url_rule("/vault/prune", view_func=views.prune)
    routes.add_url_rule("/vault/lineage", view_func=views.lineage)
    routes.add_url_rule("/api/vault", view_func=views.api_vault)
    routes.add_url_rule("/api/vault/asset/<asset_id>", view_func=views.api_asset)
    routes.add_url_rule("/api/vault/prune", view_func=views.api_prune)
    page_orders.add_routes(routes, realm, manager, keeper, dropper, views.jobs)
    return routes


class _Views:
    """One method for each page and its data."""

    def __init__(self, realm: Realm, keeper: Keeper, dropper: Dropper, jobs: Jobs) -> None:
        self.realm = realm
        self.keeper = keeper
        self.dropper = dropper
        self.jobs = jobs
        self.shelf = Shelf(realm, keeper)

    # -- all assets ----------------------------------------------------------------------------------------------

    def vault(self) -> str:
        """Zones, work and assets."""
        part = fragment()
        if part not in ("", "table", "work", "zones"):
            raise NotFoundError(f"the page has no part '{part[:40]}'", "known: table, work, zones")
        if part == "work":
            return render("vault/work.html", bytes=human_bytes, **self._work())
        if part == "zones":
            return render("vault/zones.html", bytes=human_bytes, zone_rows=self._zones())
        query = Query.of_request("fragment")
        facts = self._listed(query)
        facts["last_page"] = facts.pop("pages")  # in templates `pages` are those of the frame
        if part == "table":
            return render("vault/table.html", query=query, bytes=human_bytes, **facts)
        return render(
            "vault/page.html", query=query, bytes=human_bytes, zone_rows=self._zones(), **facts, **self._work()
        )

    def api_vault(self) -> dict[str, Any]:
        """A hundred assets with the zones that hold them."""
        return {**self._listed(Query.of_request()), "zone_facts": self._zones(), **self._work()}

    def _listed(self, query: Query) -> dict[str, Any]:
        self._know()
        shown, zones = self.shelf.find(query), self.keeper.places.names()
        hero = self.realm.config.hero
        champion = champions.read(self.realm, hero)
        pinned = pins.read(self.realm)
        rows = [as_json(line, zones) for line in shown.rows]
        for row in rows:
            row["champion"] = champion is not None and (row["hero"], row["step"]) == (hero, champion.step)
            row["pinned"] = row["id"] in pinned
        return {
            "assets": rows, "zones": zones, "total": shown.total, "page": shown.page, "pages": shown.pages,
            "sort": query.sort, "order": query.order,
        }  # fmt: skip

    def _know(self) -> None:
        if not self.keeper.catalog.is_known:
            self.keeper.scan()

    def _zones(self) -> list[dict[str, Any]]:
        places, record = self.keeper.places, self.keeper.catalog.read()
        rows, late = [], missing(self.keeper)
        for name in places.names():
            held = [one for one in record.assets.values() if name in one.locations]
            config = places.config(name)
            rows.append({
                "zone": name, "type": config.type, "host": config.host, "assets": len(held), "max_gb": config.max_gb,
                "size": sum(one.size for one in held), "scanned": record.scanned.get(name), "seen": places.seen(name),
                "missing_days": late.get(name),
            })  # fmt: skip
        return rows

    def _work(self) -> dict[str, Any]:
        jobs = [{"words": job.words, "state": job.state, "said": job.said} for job in self.jobs.shown()]
        moves = [
            {
                "asset": one.asset, "zone": one.zone, "direction": one.direction, "state": one.state,
                "reason": one.reason, "size": one.size, "asked_at": one.asked_at, "seconds": one.seconds,
            }
            for one in transfers.read_all(self.realm)[:SHOWN]
        ]  # fmt: skip
        return {"jobs": jobs, "transfers": moves}

    # -- one asset -----------------------------------------------------------------------------------------------

    def asset(self, asset_id: str) -> str:
        """One asset: its copies, and what can be done with it."""
        facts = self._detail(asset_id)
        can_promote = (
            PROMOTE in current_app.view_functions and facts["kind"] == "checkpoint" and facts["role"] != "champion"
            and facts["hero"] == self.realm.config.hero and any(copy["zone"] == LOCAL for copy in facts["copies"])
        )  # fmt: skip
        return render(
            "vault/asset.html", bytes=human_bytes, can_promote=can_promote,
            is_active=facts["hero"] == self.realm.config.hero, exports=f"exports/{facts['id']}", **facts,
        )  # fmt: skip

    def api_asset(self, asset_id: str) -> dict[str, Any]:
        """The same for programs."""
        return self._detail(asset_id)

    def _detail(self, asset_id: str) -> dict[str, Any]:
        self._know()
        found = self.keeper.catalog.get(asset_id)
        asset = found.asset
        assert asset is not None
        role = self.dropper.role_of(found.id, asset)
        copies = [
            {
                "zone": zone, **msgspec.to_builtins(copy), "is_true": copy.digest == asset.digest,
                "protection": self.dropper.protection(found.id, asset, zone), "rule": self.dropper.rule(found, zone),
            }
            for zone, copy in [*found.copies, *found.others]
        ]  # fmt: skip
        pin = pins.read(self.realm).get(found.id)
        held = {copy["zone"] for copy in copies if copy["is_true"]}
        return {
            "id": found.id, "kind": asset.kind, "hero": asset.hero, "step": asset.step, "path": asset.path,
            "size": asset.size, "files": asset.files, "digest": asset.digest, "created_at": asset.created_at,
            "role": role, "copies": copies, "pin": {"why": pin.why, "by": pin.by, "at": pin.at} if pin else None,
            "others": [zone for zone in self.keeper.places.names() if zone not in held],
        }  # fmt: skip

    # -- what the rules would delete ------------------------------------------------------------------------------

    def prune(self) -> str:
        """The plan, and the trash."""
        facts = self._planned()
        shown = page_of(facts["verdicts"], number("page", 1, 1, 10**8))
        trash = [
            {"id": one.record.id, "size": one.record.size, "at": one.record.dropped_at, "reason": one.record.reason}
            for one in self.dropper.trash(LOCAL)
        ]
        facts |= {"verdicts": shown.rows, "total": shown.total, "page": shown.page, "last_page": shown.pages}
        return render(
            "vault/prune.html", bytes=human_bytes, trash=trash, days=policy(self.realm).trash_days, **facts
        )  # fmt: skip

    def api_prune(self) -> dict[str, Any]:
        """The plan for programs."""
        facts = self._planned()
        return {**facts, "verdicts": [msgspec.to_builtins(one) for one in facts["verdicts"]]}

    def _planned(self) -> dict[str, Any]:
        self._know()
        places = self.keeper.places
        ruled = [name for name in places.names() if places.config(name).keep]
        verdicts = [one for zone in ruled for one in plan(self.realm, self.keeper, self.dropper, zone)]
        verdicts.sort(key=lambda one: not one.drop)
        dropped = [one for one in verdicts if one.drop]
        return {"ruled": ruled, "verdicts": verdicts, "drops": len(dropped), "frees": sum(one.size for one in dropped)}

    # -- lineage ---------------------------------------------------------------------------------------------------

    def lineage(self) -> str:
        """Which checkpoint grew out of which."""
        listing = views_of(self.realm).active().listing()
        shown = page_of(graph(listing), number("page", 1, 1, 10**8))
        champion = champions.read(self.realm, self.realm.config.hero)
        return render(
            "vault/lineage.html", nodes=shown.rows, total=shown.total, page=shown.page, last_page=shown.pages,
            champion=champion.step if champion else None,
        )  # fmt: skip


def _watched(realm: Realm) -> Iterable[Path]:
    folder = folder_of(realm)
    return [folder, folder / "transfers", realm.status / "pins.json"]


PAGE = Page(
    name="vault", title="Vault", plain="Copies and zones", icon="vault", order=45, path="/vault", make=make,
    watches=_watched,
)  # fmt: skip
