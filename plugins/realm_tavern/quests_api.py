"""The quests for programs and for forms: lists, uploads, and what people do with a quest."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from flask import Blueprint, current_app, flash, jsonify, redirect, request
from flask.typing import ResponseReturnValue

from realm_cli import disposal, intake
from realm_cli.errors import RefusedError, UsageError
from realm_cli.events import emit
from realm_cli.listquery import number, one_of
from realm_cli.manager import Manager
from realm_cli.pages import data, done, wants_json
from realm_cli.quests import STATES, Board
from realm_cli.realm import PRIORITIES, Realm
from realm_tavern import quests_uploads as uploads
from realm_tavern.control_api import back
from realm_tavern.quests_board import Listings, detail, known_id
from realm_tavern.watch import Watch

UPLOAD_LIMIT = 2_000_000_000
MOST = 1000
"""Quests in one answer."""
Priority = Literal["high", "normal", "low"]


class _Move(msgspec.Struct, forbid_unknown_fields=True):
    priority: Priority


class _Retry(msgspec.Struct, forbid_unknown_fields=True):
    priority: Priority | None = None


class _Cancel(msgspec.Struct, forbid_unknown_fields=True):
    reason: str = ""


class _Delete(msgspec.Struct, forbid_unknown_fields=True):
    confirm: str


def add_routes(routes: Blueprint, realm: Realm, manager: Manager, listings: Listings) -> None:
    """The routes under `/api/quests`."""
    _add_reading(routes, listings)
    _add_uploads(routes, realm, manager)
    _add_verbs(routes, realm, manager, listings)


def _only(*known: str) -> None:
    """Refuse what the query must not hold; `csrf` is the web base's."""
    for name in request.args:
        if name not in (*known, "csrf"):
            raise UsageError(f"unknown argument '{name[:40]}'", f"known: {', '.join(known)}")


# -- reading -----------------------------------------------------------------------------------------------------


def _add_reading(routes: Blueprint, listings: Listings) -> None:
    @routes.get("/api/quests")
    def list_json() -> ResponseReturnValue:
        """Quests of one state (a folder of the board), or of all: the one in battle first, then in their order."""
        _only("state", "limit", "offset")
        state = request.args.get("state", "")
        limit, offset = number("limit", 100, 1, MOST), number("offset", 0, 0, 10**9 - 1)
        order = ("processing", *PRIORITIES, "failed", "recently_completed")
        states = (one_of("state", state, STATES),) if state else order
        counts = listings.counts()
        rows = _window(listings, states, counts, offset, limit)
        return jsonify({"quests": rows, "total": sum(counts[name] for name in states), "counts": counts})

    @routes.get("/api/quests/<quest_id>")
    def quest_json(quest_id: str) -> ResponseReturnValue:
        """One quest with its record, report and preview."""
        return jsonify(detail(listings, quest_id).as_json())


def _window(
    listings: Listings, states: tuple[str, ...], counts: dict[str, int], offset: int, limit: int
) -> list[dict[str, Any]]:
    """`limit` quests from `offset` on, as if the states were one list."""
    rows: list[dict[str, Any]] = []
    for state in states:
        if offset < counts[state] and len(rows) < limit:
            rows += listings.rows(state, offset, limit - len(rows))
        offset = max(0, offset - counts[state])
    return rows


# -- uploads -----------------------------------------------------------------------------------------------------


def _add_uploads(routes: Blueprint, realm: Realm, manager: Manager) -> None:
    @routes.post("/api/quests")
    def upload() -> ResponseReturnValue:
        """Add a file (the body, with its name in the query), or the files of a form."""
        if request.mimetype == "multipart/form-data":
            return _upload_form(realm, manager)
        try:
            _only("name", "priority", "again")
            name = uploads.checked_name(request.args.get("name", ""))
            priority = one_of("priority", request.args.get("priority") or "normal", PRIORITIES)
            again = _is_yes(request.args.get("again", ""))
        except UsageError:
            uploads.drain(request.stream)
            raise
        length = request.content_length
        with uploads.room(realm, length) as room:
            uploads.receive(request.stream, length, room)
            outcome = uploads.take_in(realm, manager, room.named(0, name), priority, again)
        _look_now()
        if outcome.record is None:
            raise RefusedError(outcome.problem, _hint(outcome))
        result = _result(outcome, name)
        return done(result, _said(result), f"/quests/{outcome.record.id}")

    upload.body_limit = UPLOAD_LIMIT  # type: ignore[attr-defined]


def _is_yes(given: str) -> bool:
    return one_of("again", given.lower() or "false", ("1", "true", "yes", "on", "0", "false", "no")) in (
        "1", "true", "yes", "on",
    )  # fmt: skip


def _result(outcome: intake.Outcome, name: str) -> dict[str, Any]:
    """What became of one file."""
    record, report = outcome.record, outcome.report
    return {
        "name": name,
        "id": record.id if record else None,
        "rejected": bool(outcome.problem),
        "duplicate": outcome.duplicate,
        "problem": outcome.problem or None,
        "hint": _hint(outcome) or None,
        "samples": record.samples if record else 0,
        "tokens": record.tokens if record else 0,
        "trained_tokens": record.trained_tokens if record else 0,
        "errors": report.errors if report else 0,
        "warnings": report.warnings if report else 0,
        "findings": report.findings if report else [],
    }


def _hint(outcome: intake.Outcome) -> str:
    """What to do about a refused file, in the words of the page instead of the command line's."""
    return "to queue it once more, upload it with again=true" if outcome.duplicate else outcome.hint


def _said(result: dict[str, Any]) -> str:
    """The same in one line."""
    if result["problem"]:
        return f"{result['name']} is rejected: {result['problem']}"
    warned = f", {result['warnings']:,} warnings" if result["warnings"] else ""
    return f"{result['name']} is queued: {result['samples']:,} samples{warned}"


def _upload_form(realm: Realm, manager: Manager) -> ResponseReturnValue:
    """The files of a form, one after the other; one that is refused does not stop the others."""
    with uploads.room(realm, request.content_length) as room:
        form = uploads.receive_form(request.stream, request.mimetype_params, room)
        for name in form.fields:
            one_of("field", name, ("csrf", "priority", "again"))
        priority = one_of("priority", form.fields.get("priority") or "normal", PRIORITIES)
        again = _is_yes(form.fields.get("again", ""))
        chosen = [(index, name) for index, name in enumerate(form.names) if name]
        if not chosen:
            raise UsageError("no file was chosen", "choose one or more *.jsonl files")
        results = [_one_of_form(realm, manager, room, index, name, priority, again) for index, name in chosen]
    _look_now()
    if wants_json():
        return jsonify({"results": results})
    for result in results[:5]:  # notes travel in a cookie, which is small
        flash(_said(result)[:300])
    if len(results) > 5:
        flash(f"and {len(results) - 5} more files")
    only = results[0]["id"] if len(results) == 1 else None
    return redirect(f"/quests/{only}" if only else "/quests", 303)


def _one_of_form(
    realm: Realm, manager: Manager, room: uploads.Room, index: int, name: str, priority: str, again: bool
) -> dict[str, Any]:
    try:
        path = room.named(index, uploads.checked_name(name))
        return _result(uploads.take_in(realm, manager, path, priority, again), name)
    except UsageError as error:
        return _result(intake.Outcome(room.folder, problem=error.message, hint=error.hint), name)


def _look_now() -> None:
    """Let the open pages see the change at once."""
    watch: Watch = current_app.extensions["watch"]
    watch.look_now()


# -- what people do ----------------------------------------------------------------------------------------------


def _add_verbs(routes: Blueprint, realm: Realm, manager: Manager, listings: Listings) -> None:
    @routes.post("/api/quests/<quest_id>/move")
    def move(quest_id: str) -> ResponseReturnValue:
        """Another priority for a queued quest."""
        record = Board(realm).change_priority(known_id(quest_id), data(_Move).priority)
        return _told(record.id, f"{record.name} now waits in {record.priority}")

    @routes.post("/api/quests/<quest_id>/retry")
    def retry(quest_id: str) -> ResponseReturnValue:
        """Queue an ended quest again."""
        record = uploads.retry(realm, manager, known_id(quest_id), data(_Retry).priority)
        return _told(record.id, f"{record.name} is queued again in {record.priority}")

    @routes.post("/api/quests/<quest_id>/cancel")
    def cancel(quest_id: str) -> ResponseReturnValue:
        """Take a queued quest off the board."""
        reason = data(_Cancel).reason[:200] or "cancelled in the Tavern"
        record = Board(realm).cancel(known_id(quest_id), reason)
        emit(realm, manager, "quest_cancelled", quest=record.id, reason=reason)
        return _told(record.id, f"{record.name} is cancelled")

    @routes.post("/api/quests/<quest_id>/delete")
    def delete(quest_id: str) -> ResponseReturnValue:
        """Delete the data file of an ended quest."""
        if data(_Delete).confirm != known_id(quest_id):
            raise UsageError("the deletion is not confirmed", f"send confirm={quest_id}")
        record = disposal.delete(realm, manager, quest_id)
        return _told(record.id, f"the file of {record.name} is deleted; its record stays")

    def _told(quest_id: str, said: str) -> ResponseReturnValue:
        _look_now()
        file = listings.find(quest_id)
        return done({"id": quest_id, "folder": file.state if file else None}, said, back())
