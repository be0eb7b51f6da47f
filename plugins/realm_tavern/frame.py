"""What every template can use: the game's words or the plain ones, live texts, icons, the look that a browser chose."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Flask, g, render_template, request
from markupsafe import Markup, escape

from realm_cli.pages import Page
from realm_cli.records import seconds_since
from realm_cli.websafety import Safety
from realm_tavern.pixels import icon
from realm_tavern.watch import Look, Watch, event_row

LOOK_COOKIE = "tavern_look"
THEMES = ("auto", "dark", "light")


@dataclass(frozen=True)
class Style:
    """How one browser wants the page."""

    theme: str = "auto"
    plain: bool = False
    sounds: bool = False
    notify: bool = False

    @classmethod
    def of_request(cls) -> Style:
        """From the cookie; what is not understood there is as if it was not."""
        given = dict(parse_qsl(request.cookies.get(LOOK_COOKIE, "")))
        theme = given.get("theme", "auto")
        flags = {name: given.get(name) == "1" for name in ("plain", "sounds", "notify")}
        return cls(theme=theme if theme in THEMES else "auto", **flags)

    def as_cookie(self) -> str:
        """The cookie's text."""
        flags = {"plain": self.plain, "sounds": self.sounds, "notify": self.notify}
        return urlencode({"theme": self.theme, **{name: int(on) for name, on in flags.items()}})


def furnish(app: Flask, watch: Watch, pages: list[Page], safety: Safety) -> None:
    """Give the app's templates their helpers."""

    @app.context_processor
    def helpers() -> dict[str, Any]:
        style = Style.of_request()
        return {
            "look": style,
            "pages": pages,
            "t": lambda game, plain: _words(style, game, plain),
            "live": lambda key: _live(now_shown(watch), key),
            "value": lambda key: now_shown(watch).values.get(key, ""),
            "csrf": lambda: Markup('<input type="hidden" name="csrf" value="{}">').format(safety.csrf),
            "csrf_token": safety.csrf,
            "pixel": lambda name: Markup(icon(name)),  # our own art
            "moment": moment,
            "seen": seen,
            "game": now_shown(watch).snapshot.as_json(),
            "feed": [event_row(event) for _, event in reversed(watch.feed)],
            "after": watch.place,
            "topics": now_shown(watch).topics,
        }


def now_shown(watch: Watch) -> Look:
    """One look for the whole of a request, so that a page does not contradict itself."""
    if "look" not in g:
        g.look = watch.look()
    found: Look = g.look
    return found


def moment(iso: str) -> Markup:
    """A moment for people; the exact one stands in the element."""
    if not iso:
        return Markup("")
    local = datetime.fromisoformat(iso).astimezone()
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, iso, f"{local:%Y-%m-%d %H:%M}")


def seen(iso: str) -> Markup:
    """How long ago something was seen, in the words that the page goes on with by itself (`age` of live.js)."""
    seconds = round(max(0.0, seconds_since(iso)))
    if seconds < 120:
        ago = f"{seconds} s"
    else:
        ago = f"{round(seconds / 60)} min" if seconds < 7200 else f"{round(seconds / 3600)} h"
    return Markup('<time datetime="{}" title="{}">seen {} ago</time>').format(iso, iso, ago)


def page_of_error(status: int, message: str, hint: str) -> str:
    """The error inside the frame; for one that has to log in, the login."""
    if status == 401:
        return render_template("login.html", message=message)
    return render_template("error.html", status=status, error=message, hint=hint)


def _words(style: Style, game: str, plain: str) -> Markup:
    shown, other = (plain, game) if style.plain else (game, plain)
    return Markup('<span class="word" title="{}">{}</span>').format(other, shown)


def _live(look: Look, key: str) -> Markup:
    return Markup('<span data-live="{}">{}</span>').format(key, escape(look.values.get(key, "")))
