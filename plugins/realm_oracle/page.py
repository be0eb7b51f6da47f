"""The page `/oracle`: choose loaded checkpoints, talk to them side by side, load others, correct an answer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flask import Blueprint, flash, request

from realm_cli import champions, services
from realm_cli.errors import NotFoundError, UsageError
from realm_cli.hosts import hosts_file
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.pages import Page, fragment, render
from realm_cli.realm import PRIORITIES, Realm
from realm_cli.terminal import human_bytes
from realm_oracle import page_api
from realm_oracle.corrections import make_quest
from realm_oracle.page_hosts import OracleHosts
from realm_oracle.page_talk import Choice, Talk, choices, conversation, go_on, read_talk, write_talk

PARTS = ("hosts", "choices")
SUGGESTED = 30
"""Steps that the field for loading offers."""
LONGEST = 100_000
"""Characters of a message."""


def make(realm: Realm, manager: Manager) -> Blueprint:
    """The routes."""
    routes = Blueprint(
        "oracle", __name__, template_folder="templates", static_folder="static", static_url_path="/static/oracle"
    )
    hosts = OracleHosts(realm)
    views = _Views(realm, manager, hosts)
    routes.add_url_rule("/oracle", view_func=views.oracle)
    routes.add_url_rule("/oracle/ask", view_func=views.ask, methods=["POST"])
    routes.add_url_rule("/oracle/correct", view_func=views.correct, methods=["POST"])
    page_api.add_routes(routes, realm, manager, hosts)
    return routes


class _Views:
    """The page itself, and what its forms do where no script runs."""

    def __init__(self, realm: Realm, manager: Manager, hosts: OracleHosts) -> None:
        self.realm = realm
        self.manager = manager
        self.hosts = hosts

    def oracle(self) -> str:
        """The page, or a part of it."""
        part = fragment()
        if part not in ("", *PARTS):
            raise NotFoundError(f"the page has no part '{part[:40]}'", f"known: {', '.join(PARTS)}")
        return self._render(part, [], set())

    def ask(self) -> str:
        """Answer the question of a form, with the talk so far."""
        talk, chosen = read_talk(request.form.get("talk", "")), self._chosen()
        message = request.form.get("message", "").replace("\r\n", "\n").strip()
        if not message or len(message) > LONGEST:
            raise UsageError(f"the message has {len(message)} characters", f"write 1 to {LONGEST:,}")
        if not chosen:
            raise UsageError("no checkpoint is chosen", "tick one that is loaded, or load one")
        return self._render("", go_on(self.hosts, talk, message, chosen), {one.key for one in chosen})

    def correct(self) -> str:
        """Make a quest of the answer whose button was pressed."""
        talk, place = read_talk(request.form.get("talk", "")), request.form.get("correct", "")
        turn, _, reply = place.partition("-")
        if not (turn.isdecimal() and reply.isdecimal()):
            raise UsageError(f"'{place[:40]}' names no answer", "load the page again")
        try:
            exchange = talk[int(turn)]
            said = exchange.replies[int(reply)]
        except IndexError:
            raise NotFoundError(f"the talk has no answer {place[:40]}", "load the page again") from None
        messages = conversation(talk[: int(turn)], said.choice, exchange.message)
        corrected = request.form.get(f"corrected-{place}", "").replace("\r\n", "\n")
        priority = request.form.get(f"priority-{place}", "high")
        record = make_quest(self.realm, self.manager, messages, said, corrected, priority)
        flash(f"{record.name} waits in {record.priority}")
        return self._render("", talk, {one.key for one in self._chosen()})

    def _chosen(self) -> list[Choice]:
        return [Choice.of_key(text) for text in dict.fromkeys(request.form.getlist("model"))]

    def _render(self, part: str, talk: Talk, ticked: set[str]) -> str:
        looks = self.hosts.look()
        there = choices(looks)
        facts: dict[str, Any] = {
            "hosts": looks, "choices": there, "ticked": ticked or {one.key for one in there[:1]}, "bytes": human_bytes,
            "default_host": self.hosts.default(),
        }  # fmt: skip
        if part:
            return render(f"oracle/{part}.html", **facts)
        return render(
            "oracle/page.html", talk=talk, carried=write_talk(talk), steps=self._steps(), priorities=PRIORITIES, **facts
        )

    def _steps(self) -> list[str]:
        hero = self.realm.config.hero
        champion = ["champion"] if champions.read(self.realm, hero) else []
        return [*champion, *map(str, Ledger(self.realm, hero).steps()[:SUGGESTED]), "0"]


def _watched(realm: Realm) -> Iterable[Path]:
    return [services.path_of(realm, "oracle"), hosts_file(realm)]


PAGE = Page(
    name="oracle", title="Oracle", plain="Chat", icon="oracle", order=46, path="/oracle", make=make, watches=_watched
)
