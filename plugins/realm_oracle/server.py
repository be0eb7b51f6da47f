"""The Oracle's own routes: what is loaded, load, unload, chat. OpenAI's are beside, in `openai_routes`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from flask import Flask, Response
from flask.typing import ResponseReturnValue

from realm_cli.generation import Reply
from realm_cli.manager import Manager
from realm_cli.pages import data
from realm_cli.realm import Realm
from realm_cli.web import Door, make_app, service_of
from realm_oracle import openai_routes
from realm_oracle.asks import ChatAsked, LoadAsked, UnloadAsked, step_of, stops
from realm_oracle.desk import Desk, answer
from realm_oracle.pool import Loaded
from realm_oracle.streams import plain_error, stream
from realm_oracle.worker import Wanted

BODY_LIMIT = 16_000_000
"""Bytes: a thousand long conversations."""


def make_server(realm: Realm, manager: Manager, door: Door) -> Flask:
    """The app; `app.extensions["oracle"]` is its desk."""
    app = make_app(__name__, "oracle", realm, door)
    desk = Desk(realm, manager)
    app.extensions["oracle"] = desk
    views = _Views(desk)
    app.view_functions["health"] = views.health
    app.add_url_rule("/models/info", "info", views.info)
    app.add_url_rule("/running", "running", views.running)
    app.add_url_rule("/load", "load", views.load, methods=["POST"])
    app.add_url_rule("/unload", "unload", views.unload, methods=["POST"])
    app.add_url_rule("/chat", "chat", views.chat, methods=["POST"])
    service_of(app).gauges = views.gauges
    openai_routes.add(app, desk, BODY_LIMIT)
    return app


class _Views:
    """One method for each operation."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def health(self) -> ResponseReturnValue:
        """Whether all that is loaded makes progress."""
        stuck, info = self._desk.pool.stuck(), self._desk.pool.info()
        body = {
            "status": "stuck" if stuck else "ok", "service": "oracle", "models": info.model_count,
            "running": len(self._desk.pool.running()), "loading": info.loading, "stuck": stuck,
        }  # fmt: skip
        return body, 503 if stuck else 200

    def info(self) -> dict[str, Any]:
        """What is loaded."""
        return _plain(self._desk.pool.info())

    def running(self) -> dict[str, Any]:
        """What is answered now."""
        return {"requests": [_plain(each) for each in self._desk.pool.running()]}

    def gauges(self) -> dict[str, float]:
        """For Prometheus."""
        info = self._desk.pool.info()
        return {
            "loaded": info.model_count, "loading": len(info.loading), "memory_bytes": info.memory,
            "running": len(self._desk.pool.running()), "answered": self._desk.answered,
            "tokens": self._desk.pool.tokens(),
        }  # fmt: skip

    def load(self) -> dict[str, Any]:
        """Load, pin or let go a checkpoint."""
        asked = data(LoadAsked)
        step = step_of(asked.step)
        one = self._desk.pool.load(self._desk.hero(asked.hero), step, pin=asked.pin, sha256=asked.hash)
        return _plain(one.face())

    def unload(self) -> dict[str, Any]:
        """Forget a checkpoint."""
        asked = data(UnloadAsked)
        return _plain(self._desk.pool.unload(self._desk.hero(asked.hero), step_of(asked.step)))

    def chat(self) -> ResponseReturnValue:
        """Answer as one exact checkpoint."""
        asked = data(ChatAsked)
        step, prompts = step_of(asked.step), asked.prompts()
        kind = "stream" if asked.stream else "chat" if asked.conversations is None else "batch"
        wanted = self._desk.wanted(
            Wanted(
                prompts,
                asked.max_tokens,
                asked.temperature,
                asked.seed,
                stops(asked.stop),
                self._desk.seconds,
                kind,
                self._desk.profile(asked.profile),
            )
        )
        one = self._desk.checkpoint(self._desk.hero(asked.hero), step, asked.hash)
        if asked.stream:
            return self._stream(one, wanted)
        with self._desk.asked(one, wanted) as begun:
            model = one.face()
            answers = [_plain(answer(reply, model)) for reply in begun.all()]
        return answers[0] if asked.conversations is None else {"replies": answers}

    chat.body_limit = BODY_LIMIT  # type: ignore[attr-defined]

    def _stream(self, one: Loaded, wanted: Wanted) -> Response:
        def events(texts: Iterator[str], reply: Callable[[], Reply]) -> Iterator[dict[str, Any]]:
            for text in texts:
                yield {"text": text}
            yield _plain(answer(reply(), one.face()))

        return stream(self._desk, one, wanted, events, plain_error)


def _plain(face: msgspec.Struct) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(face)
    return found
