"""What people do to the configuration: change a key, keep a snapshot, go back to one, choose the active hero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from flask import Blueprint, current_app, jsonify, request
from flask.typing import ResponseReturnValue

from realm_cli import backups, configcheck, configrestore, roster
from realm_cli.errors import FormatError, RealmError, RefusedError, UsageError
from realm_cli.pages import data, done, wants_json
from realm_cli.realm import Realm
from realm_cli.web import status_of
from realm_tavern import settings_vram as calculator
from realm_tavern.settings_change import change
from realm_tavern.settings_fields import Field, fields
from realm_tavern.watch import Watch

LONGEST_REASON = 200
SHOWN_SNAPSHOTS = 50
PAGE = "/settings"
PageWith = Callable[[str, str, str], str]
"""The page with what was typed for a key and the error beside it: (key, typed, error) → HTML."""


class _Setting(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    value: Any = msgspec.UNSET
    approve: bool = False
    default: bool = False
    """From a form, which cannot send null: the key's default again."""


class _Snapshot(msgspec.Struct, forbid_unknown_fields=True):
    reason: str = ""


class _Restore(msgspec.Struct, forbid_unknown_fields=True):
    snapshot: str
    confirm: bool = False
    approve: bool = False


class _Hero(msgspec.Struct, forbid_unknown_fields=True):
    hero: str


def add_routes(routes: Blueprint, realm: Realm, page_with: PageWith) -> None:
    """The routes under `/api/`."""
    _add_reading(routes, realm)
    _add_snapshots(routes, realm)

    @routes.post("/api/settings")
    def setting() -> ResponseReturnValue:
        """Set one key; null takes it out of the file, so that its default holds."""
        asked = data(_Setting)
        try:
            result, said = change(realm, asked.key, _given(asked), approve=asked.approve)
        except RealmError as error:
            if wants_json():
                raise
            typed = asked.value if isinstance(asked.value, str) else ""
            return page_with(asked.key, typed, with_hint(error)), status_of(error)
        _look()
        return done(result, said, f"{PAGE}#set-{asked.key}")

    @routes.post("/api/hero")
    def hero() -> ResponseReturnValue:
        """Make a hero the active one."""
        asked = data(_Hero)
        before = realm.config.hero
        backup = roster.use(realm, asked.hero)
        _look()
        said = f"{asked.hero} is the active hero" + (f" (before: {before})" if backup else " already")
        result = {"hero": asked.hero, "before": before, "backup": _short(realm, backup)}
        return done(result, said, PAGE)


def _given(asked: _Setting) -> Any:
    if asked.default:
        return None
    if asked.value is not msgspec.UNSET:
        return asked.value
    if request.is_json:
        raise UsageError("the request says no value", "null is the default")
    return ""  # an empty input


def with_hint(error: RealmError) -> str:
    """An error in one text."""
    return error.message + (f" ({error.hint})" if error.hint else "")


def _look() -> None:
    """Let all browsers see the change at once."""
    watch: Watch = current_app.extensions["watch"]
    watch.look_now()


def _short(realm: Realm, path: Any) -> str | None:
    return path.relative_to(realm.root).as_posix() if path is not None else None


# -- reading -----------------------------------------------------------------------------------------------------


def _add_reading(routes: Blueprint, realm: Realm) -> None:
    @routes.get("/api/settings")
    def all_settings() -> ResponseReturnValue:
        """All keys, the newest snapshots, and the mistakes in the files, with which no key can be told."""
        found, problems = read(realm)
        kept = backups.snapshots(realm)
        shown = [{"name": one.name, "at": one.at, "reason": one.reason} for one in kept[:SHOWN_SNAPSHOTS]]
        return jsonify({
            "settings": [one.as_json() for one in found], "problems": problems, "snapshots": shown,
            "snapshots_total": len(kept),
        })  # fmt: skip

    @routes.get("/api/vram")
    def vram() -> ResponseReturnValue:
        """The estimate of the memory that training needs."""
        for name in request.args:
            if name not in calculator.ARGUMENTS:
                raise UsageError(f"unknown argument '{name[:40]}'", f"known: {', '.join(calculator.ARGUMENTS)}")
        return jsonify(calculator.answer(realm, calculator.asked(realm, request.args), gpus()))


def read(realm: Realm) -> tuple[list[Field], list[str]]:
    """(all keys, the mistakes in the files); with mistakes there are no keys."""
    try:
        return fields(realm), []
    except FormatError:
        found = [problem.message for report in configcheck.check_all(realm) for problem in report.problems]
        if not found:
            raise
        return [], found


def gpus() -> list[dict[str, Any]]:
    """The GPUs of this machine."""
    watch: Watch = current_app.extensions["watch"]
    found: list[dict[str, Any]] = watch.look().gauges["gpus"]
    return found


# -- snapshots ---------------------------------------------------------------------------------------------------


def _add_snapshots(routes: Blueprint, realm: Realm) -> None:
    @routes.post("/api/settings/snapshot")
    def snapshot() -> ResponseReturnValue:
        """Keep all configuration files as they are now."""
        asked = data(_Snapshot)
        if len(asked.reason) > LONGEST_REASON:
            raise UsageError(f"the reason is longer than {LONGEST_REASON} characters")
        made = backups.snapshot(realm, backups.written_by_people(realm), asked.reason or "saved in the Tavern")
        return done({"snapshot": made.name}, f"kept as backups/{made.name}", f"{PAGE}#snapshots")

    @routes.post("/api/settings/restore")
    def restore() -> ResponseReturnValue:
        """Put back the files of a snapshot, after a snapshot of the present ones."""
        asked = data(_Restore)
        if not asked.confirm:
            backups.find(realm, asked.snapshot)
            raise RefusedError("the files of the snapshot would replace the present ones", "confirm it")
        found = configrestore.restore(realm, asked.snapshot, approve=asked.approve)
        _look()
        if found.backup is None:
            said = "all its files are the same now; nothing was changed"
        else:
            said = f"put back: {', '.join(found.files)}. The files before: {_short(realm, found.backup)}"
        return done({"files": found.files, "backup": _short(realm, found.backup)}, said, PAGE)
