"""What keeps the page fresh: the event stream, its polling stand-in, the whole game as one document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from flask import Blueprint, Response, request, stream_with_context

from realm_cli.errors import UsageError
from realm_tavern import achievements
from realm_tavern.watch import Look, Watch, event_row

MAX_STREAMS = 240
"""Fewer than the server has threads, so that a flood of streams leaves some to answer requests."""
BEAT_SECONDS = 15.0


def make(watch: Watch) -> Blueprint:
    """The routes."""
    routes = Blueprint("live", __name__)
    documents = _Documents(watch)

    @routes.get("/api/game")
    def game() -> Response:
        """Everything that the hero's page shows."""
        return Response(documents.game(), mimetype="application/json")

    @routes.get("/api/live")
    def live() -> dict[str, Any]:
        """For browsers that cannot hold a stream: all texts, and the events since `after`."""
        look = watch.look()
        events = [event_row(event) for _, event in watch.events_after(_offset(request.args.get("after")))]
        return {"values": look.values, "topics": look.topics, "events": events, "after": watch.place}

    @routes.get("/api/stream")
    def stream() -> Response:
        """Server-sent events: `state` and `happened`; `Last-Event-ID` or `after` says what is known already."""
        after = _offset(request.headers.get("Last-Event-ID") or request.args.get("after"))
        if not watch.sit_down(MAX_STREAMS):
            busy = msgspec.json.encode(
                {"error": "too many open pages", "hint": "the page asks every few seconds instead"}
            )
            return Response(busy, 503, {"Retry-After": "30"}, mimetype="application/json")
        lines = stream_with_context(_stream(watch, after))
        response = Response(lines, mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})
        response.call_on_close(watch.stand_up)  # also when the browser is gone before the first line
        return response

    return routes


def _stream(watch: Watch, after: int | None) -> Iterator[bytes]:
    number, first = watch.hello(after)
    yield b"retry: 2000\n\n" + first
    while not watch.closing:
        number, news = watch.wait(number, BEAT_SECONDS)
        yield news or b": beat\n\n"


def _offset(text: str | None) -> int | None:
    """An offset in the events; a text that is none is refused."""
    if text is None or text == "":
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise UsageError(f"after: '{text[:40]}' is no place in the events", "leave it out")
    return int(text)


class _Documents:
    """The document of `/api/game`, encoded once for each change."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._number = -1
        self._place = -1
        self._encoded = b""

    def game(self) -> bytes:
        """JSON."""
        look, place = self._watch.look(), self._watch.place
        if (look.number, place) != (self._number, self._place):
            self._encoded = msgspec.json.encode(self._document(look))
            self._number, self._place = look.number, place
        return self._encoded

    def _document(self, look: Look) -> dict[str, Any]:
        watch = self._watch
        hero = look.snapshot.hero.name
        got = achievements.look(watch.realm, hero, look.snapshot)
        return {
            **look.snapshot.as_json(),
            "training": look.snapshot.training.to_dict() if look.snapshot.training else None,
            "values": look.values,
            "topics": look.topics,
            "control": {name: record.to_dict() if record else None for name, record in look.flags.items()},
            "gauges": look.gauges,
            "queue": look.queue,
            "away": watch.away(look),
            "hints": [msgspec.to_builtins(hint) for hint in watch.hints(look)],
            "achievements": [msgspec.to_builtins(one) for one in got],
            "events": [event_row(event) for _, event in watch.feed],
            "after": watch.place,
        }
