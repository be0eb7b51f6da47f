"""The guild's pages: skills with their levels and curves, evals item by item, forging, the champion."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, Any

import msgspec
from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from msgspec import Meta

from realm_cli import phrases, skillstate
from realm_cli.errors import NotFoundError, UsageError
from realm_cli.manager import Manager
from realm_cli.pages import Page, data, done, fragment, render
from realm_cli.questview import quest_json
from realm_cli.realm import PRIORITIES, Realm
from realm_cli.skillbook import open_skill, open_skills
from realm_guild import crown, page_views
from realm_guild.forge import forge

ITEMS = 50
"""Problems of an eval on one page."""
SPARRINGS = 20
"""Sparrings on one page of their history."""


class _Forge(msgspec.Struct, forbid_unknown_fields=True):
    skill: str
    level: Annotated[int, Meta(ge=0)] = 0
    """0 = the level in training."""
    count: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    priority: str = "normal"
    seed: Annotated[int, Meta(ge=0)] | None = None


class _Promote(msgspec.Struct, forbid_unknown_fields=True):
    step: Annotated[int, Meta(ge=1)]
    override: Annotated[str, Meta(max_length=500)] = ""


def make(realm: Realm, manager: Manager) -> Blueprint:
    """The routes."""
    routes = Blueprint(
        "guild", __name__, template_folder="templates", static_folder="static", static_url_path="/static/guild"
    )

    @routes.get("/guild")
    def overview() -> str:
        part = fragment()
        if part not in ("", "skills", "sparring"):
            raise NotFoundError(f"the page has no part '{part[:40]}'", "known: skills, sparring")
        return render(f"guild/{part or 'page'}.html", **page_views.overview(realm, manager), phrases=phrases)

    @routes.get("/guild/sparring")
    def sparring() -> str:
        return render("guild/sparrings.html", **page_views.sparrings(realm, _page(), SPARRINGS), phrases=phrases)

    @routes.get("/skill/<name>")
    def skill(name: str) -> str:
        facts = page_views.skill(realm, manager, name)
        chosen = _chosen()
        if chosen is not None:
            facts |= page_views.items(realm, name, *chosen, page=_page(), size=ITEMS)
            return render("guild/items.html", **facts)
        return render("guild/skill.html", **facts, phrases=phrases)

    @routes.get("/api/guild")
    def api_guild() -> dict[str, Any]:
        return page_views.overview(realm, manager)

    @routes.get("/api/sparring")
    def api_sparring() -> dict[str, Any]:
        return page_views.sparrings(realm, _page(), SPARRINGS)

    @routes.get("/api/skills/<name>")
    def api_skill(name: str) -> dict[str, Any]:
        return page_views.skill(realm, manager, name)

    @routes.get("/api/skills/<name>/evals")
    def api_items(name: str) -> dict[str, Any]:
        open_skill(realm, manager, name)
        chosen = _chosen()
        if chosen is None:
            raise UsageError("which eval? step and level are missing", "?step=1000&level=3")
        return page_views.items(realm, name, *chosen, page=_page(), size=ITEMS)

    @routes.post("/api/forge", endpoint="forge")
    def forge_quest() -> ResponseReturnValue:
        record = _forged(realm, manager, data(_Forge))
        result = quest_json(record, "queued")
        return done(result, f"{record.name} is forged and waits in {record.priority}", f"/quests/{record.id}")

    @routes.post("/api/champion", endpoint="promote")
    def promote() -> ResponseReturnValue:
        given = data(_Promote)
        entries = {entry.config.id: entry for entry in open_skills(realm, manager)[0]}
        record = crown.promote(realm, manager, entries, realm.config.hero, given.step, given.override.strip())
        return done(record.to_dict(), f"step {record.step:,} is the champion", f"/checkpoint/{record.step}")

    return routes


def _forged(realm: Realm, manager: Manager, given: _Forge) -> Any:
    """A fresh quest; without a seed another one every time."""
    if given.priority not in PRIORITIES:
        raise UsageError(f"priority '{given.priority[:40]}' is not known", f"one of: {', '.join(PRIORITIES)}")
    entry = open_skill(realm, manager, given.skill)
    state = skillstate.read(realm, realm.config.hero, entry.config.id)
    level = given.level or (state.level if state else 1)
    entry.check_level(level)
    seed = secrets.randbelow(1 << 31) if given.seed is None else given.seed
    return forge(realm, manager, entry.skill, level, given.count, seed, given.priority)


def _chosen() -> tuple[int, int] | None:
    """Step and level of the query; None without them."""
    if "step" not in request.args and "level" not in request.args:
        return None
    return _whole("step"), _whole("level")


def _page() -> int:
    return max(1, _whole("page", "1"))


def _whole(name: str, default: str = "") -> int:
    text = request.args.get(name, default)
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise UsageError(f"{name}: '{text[:40]}' is no whole number", "for example 1")
    return int(text)


def _watched(realm: Realm) -> list[Path]:
    """What the page shows beside the Tavern's own topics."""
    return [skillstate.sparring_path(realm)]


PAGE = Page(
    name="guild", title="Guild", plain="Skills and evals", icon="guild", order=30, path="/guild", make=make,
    watches=_watched,
)  # fmt: skip
