"""The verbs of the battle, and how a browser wants its page."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec
from flask import Blueprint, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue

from realm_cli import control, status
from realm_cli.errors import NotFoundError, RefusedError
from realm_cli.pages import data, done
from realm_cli.realm import FLAGS, Realm
from realm_tavern.frame import LOOK_COOKIE, THEMES, Style
from realm_tavern.watch import Watch

YEAR = 365 * 86_400


class _Verb(msgspec.Struct, forbid_unknown_fields=True):
    release: bool = False
    reason: str = ""


class _Looks(msgspec.Struct, forbid_unknown_fields=True):
    theme: str = "auto"
    plain: bool = False
    sounds: bool = False
    notify: bool = False


def make(realm: Realm, watch: Watch) -> Blueprint:
    """The routes."""
    routes = Blueprint("control", __name__)

    @routes.post("/api/control/<verb>")
    def command(verb: str) -> ResponseReturnValue:
        """Raise or lower a flag; the battle's answer comes with the next status."""
        if verb not in (*FLAGS, "resume"):
            raise NotFoundError(f"there is no command '{verb[:40]}'", f"known: {', '.join((*FLAGS, 'resume'))}")
        result, said = obey(realm, verb, data(_Verb))
        watch.look_now()
        return done(result, said, back())

    @routes.get("/login")
    def login() -> str:
        """The form for the token."""
        return render_template("login.html", message="")

    @routes.post("/look")
    def look() -> ResponseReturnValue:
        """Theme, words, sounds and notifications of this browser."""
        given = data(_Looks)
        theme = given.theme if given.theme in THEMES else "auto"
        style = Style(theme, given.plain, given.sounds, given.notify)
        response = jsonify({"said": "kept"}) if request.is_json else redirect(back(), 303)
        response.set_cookie(LOOK_COOKIE, style.as_cookie(), max_age=YEAR, httponly=True, samesite="Strict")
        return response

    return routes


def obey(realm: Realm, verb: str, asked: _Verb) -> tuple[dict[str, Any], str]:
    """(what was done, the same in words). Raises `RefusedError` when there is nothing to command."""
    runs = status.battle_process(realm) is not None
    if verb == "resume":
        was_up = control.lower(realm, "pause")
        return {"flag": "resume", "was_up": was_up}, "the pause is lifted" if was_up else "it was not paused"
    if verb != "pause" and not runs:
        raise RefusedError(f"no battle runs, so there is nothing to {verb}", "start one: realm play")
    record = control.raise_flag(realm, verb, asked.reason[:200] or "asked for in the Tavern", release=asked.release)
    said = f"{verb} is asked for" if runs else "the next battle will begin paused"
    return {"flag": verb, "when": record.when}, said


def back() -> str:
    """The page that a form was on, as a path of our own."""
    parts = urlsplit(request.referrer or "/")
    path = parts.path if parts.path.startswith("/") and not parts.path.startswith("//") else "/"
    return path + (f"?{parts.query}" if parts.query else "")
