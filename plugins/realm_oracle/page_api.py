"""The Oracle's addresses in the Tavern: those of the original, and what the page's script asks for.

What goes wrong is told to programs as `{"success": false, "error": …}`, as the original does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue
from msgspec import Meta

from realm_cli.errors import RealmError, UsageError
from realm_cli.generation import Message
from realm_cli.manager import Manager
from realm_cli.oracleclient import Answer, Model
from realm_cli.pages import data, done, wants_json
from realm_cli.realm import Realm
from realm_cli.web import status_of
from realm_oracle import partners
from realm_oracle.corrections import make_quest
from realm_oracle.page_hosts import OracleHosts
from realm_oracle.page_talk import Choice, Name, Said, Step, Text, Turn, ask, stream
from realm_oracle.remote import bring, weights_of

View = Callable[[], ResponseReturnValue]


class _Load(msgspec.Struct, forbid_unknown_fields=True):
    step: Step | Name
    """A number, a canonical name, or champion."""
    host: Name = ""
    hero: Name = ""


class _Chat(msgspec.Struct, forbid_unknown_fields=True):
    message: Text
    step: Step
    host: Name = ""
    hero: Name = ""


class _Stream(msgspec.Struct, forbid_unknown_fields=True):
    choice: Choice
    messages: Annotated[list[Turn], Meta(min_length=1, max_length=1000)]


class _Correct(msgspec.Struct, forbid_unknown_fields=True):
    messages: Annotated[list[Turn], Meta(min_length=1, max_length=1000)]
    said: Said
    corrected: Text
    priority: str = "high"


def add_routes(routes: Blueprint, realm: Realm, manager: Manager, hosts: OracleHosts) -> None:
    """All of them."""
    views = _Api(realm, manager, hosts)
    routes.add_url_rule("/oracle/status", view_func=views.status)
    for path, view in (
        ("/oracle/load", views.load), ("/oracle/unload", views.unload), ("/oracle/chat", views.chat),
        ("/api/oracle/stream", views.stream), ("/api/oracle/correct", views.correct),
    ):  # fmt: skip
        name = path.removeprefix("/").replace("/", "_")
        routes.add_url_rule(path, name, _told(view), methods=["POST"])


def _told(view: View) -> View:
    """A view whose errors are told as the original tells them; a form gets the page of errors."""

    @functools.wraps(view)
    def wrapped() -> ResponseReturnValue:
        try:
            return view()
        except RealmError as error:
            if not wants_json():
                raise
            said = {"success": False, "error": error.message, "hint": error.hint}
            return jsonify(said), status_of(error)

    return wrapped


class _Api:
    """One method for each address."""

    def __init__(self, realm: Realm, manager: Manager, hosts: OracleHosts) -> None:
        self.realm = realm
        self.manager = manager
        self.hosts = hosts

    def status(self) -> ResponseReturnValue:
        """What every machine has loaded, or why it does not say."""
        found = {
            one.name: {
                "loaded_models": [_facts(model) for model in one.models], "model_count": len(one.models),
                "available": not one.away, "reason": one.away,
            }
            for one in self.hosts.look()
        }  # fmt: skip
        return jsonify({"hosts": found})

    def load(self) -> ResponseReturnValue:
        """Load a checkpoint on a machine; on another one it is sent there first."""
        given = data(_Load)
        host, hero = given.host or self.hosts.default(), given.hero or self.realm.config.hero
        step = partners.step_of(self.realm, hero, str(given.step))
        client = self.hosts.client(host)
        if self.hosts.is_here(host):
            model = client.load(step, hero=hero, sha256=weights_of(self.realm, hero, step))
        else:
            model = bring(self.realm, host, client, hero, step)
        self.hosts.forget()
        return done({"success": True, "host": host, **_facts(model)}, f"{model.model} is loaded on {host}", "/oracle")

    def unload(self) -> ResponseReturnValue:
        """Forget a loaded checkpoint."""
        given = data(_Load)
        host, hero = given.host or self.hosts.default(), given.hero or self.realm.config.hero
        step = partners.step_of(self.realm, hero, str(given.step))
        model = self.hosts.client(host).unload(step, hero=hero)
        self.hosts.forget()
        said = f"{model.model} is no longer loaded on {host}"
        return done({"success": True, "host": host, **_facts(model)}, said, "/oracle")

    def chat(self) -> ResponseReturnValue:
        """One question to one loaded checkpoint."""
        given = data(_Chat)
        choice = Choice(given.host or self.hosts.default(), given.hero or self.realm.config.hero, given.step)
        answer = ask(self.hosts, choice, [Message("user", given.message)])
        return jsonify({"success": True, "host": choice.host, **_answer(answer)})

    def stream(self) -> ResponseReturnValue:
        """Server-sent events: `text` in pieces, then the whole answer; or an `error`."""
        given = data(_Stream)
        messages = [Message(turn.role, turn.content) for turn in given.messages]
        pieces = stream(self.hosts, given.choice, messages)
        first = next(pieces)  # what is wrong from the start is an answer of its own
        return Response(_events(first, pieces), mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})

    def correct(self) -> ResponseReturnValue:
        """Make a quest of a corrected answer."""
        given = data(_Correct)
        messages = [Message(turn.role, turn.content) for turn in given.messages]
        if messages[-1].role != "user":
            raise UsageError("the conversation does not end with a question", "leave the answer out of it")
        record = make_quest(self.realm, self.manager, messages, given.said, given.corrected, given.priority)
        result = {"success": True, "quest": record.id, "name": record.name, "priority": record.priority}
        return done(result, f"{record.name} waits in {record.priority}", "/oracle")


def _facts(model: Model) -> dict[str, Any]:
    return {
        "hero": model.hero, "step": model.step, "model": model.model, "model_path": model.model_path,
        "weights_sha256": model.weights_sha256, "backend": model.backend, "identity": model.identity,
        "memory": model.memory, "pinned": model.pinned,
    }  # fmt: skip


def _answer(answer: Answer) -> dict[str, Any]:
    """As the original gives it: a checkpoint is called by its step; its canonical name stands beside."""
    model = f"checkpoint-{answer.step}" if answer.step else answer.model
    return {
        "response": answer.response, "model": model, "model_path": answer.model_path, "checkpoint": answer.model,
        "hero": answer.hero, "step": answer.step, "weights_sha256": answer.weights_sha256, "finish": answer.finish,
        "identity": answer.identity, "note": answer.note,
    }  # fmt: skip


def _events(first: str | Answer, rest: Iterator[str | Answer]) -> Iterator[bytes]:
    try:
        for piece in _all(first, rest):
            yield _event({"text": piece} if isinstance(piece, str) else {"answer": piece})
    except RealmError as error:
        yield _event({"error": error.message, "hint": error.hint})


def _all(first: str | Answer, rest: Iterator[str | Answer]) -> Iterator[str | Answer]:
    yield first
    yield from rest


def _event(facts: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(facts) + b"\n\n"
