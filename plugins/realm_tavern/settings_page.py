"""The armory: the configuration as forms, the VRAM calculator, the active hero, snapshots to go back to."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from realm_cli import backups, configrestore, status
from realm_cli.backups import Snapshot
from realm_cli.errors import FormatError, NotFoundError, RealmError, UsageError
from realm_cli.manager import Manager
from realm_cli.pages import Page, fragment, render
from realm_cli.realm import Realm
from realm_cli.terminal import human_bytes
from realm_cli.web import status_of
from realm_tavern import settings_api
from realm_tavern import settings_vram as calculator
from realm_tavern.settings_fields import field, grouped

DIFF_LINES = 400


def make(realm: Realm, manager: Manager) -> Blueprint:
    """The routes."""
    routes = Blueprint("settings", __name__)

    def page_with(key: str, typed: str, error: str) -> str:
        return render("settings/page.html", **_facts(realm, key, typed, error), **_memory(realm)[0])

    settings_api.add_routes(routes, realm, page_with)

    @routes.get("/settings")
    def settings() -> ResponseReturnValue:
        known = ("fragment", "key", *calculator.ARGUMENTS)
        for name in request.args:
            if name not in known:
                raise UsageError(f"unknown argument '{name[:40]}'", f"known: {', '.join(known)}")
        if fragment():
            return _part(realm)
        memory, code = _memory(realm)
        return render("settings/page.html", **_facts(realm), **memory), code

    @routes.get("/settings/snapshots/<name>")
    def look_back(name: str) -> str:
        """What going back to a snapshot would change."""
        found = backups.find(realm, name)
        try:
            locked, flaw = configrestore.locked_changes(realm, found), ""
        except FormatError as error:
            locked, flaw = [], error.message
        return render(
            "settings/snapshot.html", snapshot=found, changes=_changes(realm, found), locked=locked, flaw=flaw
        )

    return routes


def _part(realm: Realm) -> str:
    """One field alone, for a script that has changed it; or the list of snapshots."""
    part = fragment()
    if part == "snapshots":
        return render("settings/snapshots.html", **_snapshots(realm))
    if part != "field":
        raise NotFoundError(f"the page has no part '{part[:40]}'", "known: field, snapshots")
    return render("settings/one.html", one=field(realm, request.args.get("key", "")), typed=None, error="")


def _snapshots(realm: Realm) -> dict[str, Any]:
    kept = backups.snapshots(realm)
    return {"snapshots": kept[: settings_api.SHOWN_SNAPSHOTS], "snapshots_total": len(kept)}


def _facts(realm: Realm, key: str = "", typed: str = "", error: str = "") -> dict[str, Any]:
    """What the page shows besides the calculator; of one key what was typed, and why it was refused."""
    found, problems = settings_api.read(realm)
    groups, by_hero = grouped(found)
    active = "" if problems else realm.config.hero
    order = sorted(by_hero, key=lambda hero: (hero != active, hero))
    return {
        "groups": groups, "heroes": {hero: by_hero[hero] for hero in order}, "active": active, "problems": problems,
        **_snapshots(realm), "key": key, "typed": typed, "error": error, "is_known": any(one.key == key for one in found),
        "battle": status.battle_process(realm) is not None,
    }  # fmt: skip


def _memory(realm: Realm) -> tuple[dict[str, Any], int]:
    """(the calculator's facts, the answer's status)."""
    facts: dict[str, Any] = {
        "sizes": calculator.SIZES, "known_heroes": calculator.known_heroes(realm), "bytes": human_bytes,
        "parts": calculator.PARTS, "asked": None, "memory": None, "memory_error": "", "given": request.args,
    }  # fmt: skip
    try:
        facts["asked"] = calculator.asked(realm, request.args)
        facts["memory"] = calculator.answer(realm, facts["asked"], settings_api.gpus())
    except RealmError as error:
        is_default = not any(name in request.args for name in calculator.ARGUMENTS)
        return {**facts, "memory_error": settings_api.with_hint(error)}, 200 if is_default else status_of(error)
    return facts, 200


def _changes(realm: Realm, snapshot: Snapshot) -> list[dict[str, Any]]:
    """The files that are different now, each with the lines that would change."""
    found = []
    for name in configrestore.differing(realm, snapshot):
        lines = [
            line.rstrip("\n")
            for line in difflib.unified_diff(_lines(realm.root / name), _lines(snapshot.path / name), n=1)
        ][2:]
        found.append({"name": name, "lines": lines[:DIFF_LINES], "more": max(0, len(lines) - DIFF_LINES)})
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


PAGE = Page(
    name="settings", title="Armory", plain="Settings", icon="settings", order=90, path="/settings", make=make
)  # fmt: skip
