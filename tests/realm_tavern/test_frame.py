"""The frame: pages of any plugin, how a browser wants it, and an API that stands what machines make up."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok

from helpers import PATIENCE, TavernProcess, write_rows
from realm_cli import control, journal, store
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import JournalRecord, now
from realm_cli.websafety import Safety, read_token
from realm_cli_plugins import Site
from realm_tavern.app import make_app

Open = Callable[..., TavernProcess]

HOOKS = """
@hookimpl
def realm_pages():
    return [Part("garden", "garden_page:PAGE", "A garden."), Part("swamp", "swamp_page:PAGE", "Broken.")]
"""
PAGE = """
from flask import Blueprint
from realm_cli.pages import Page, render

def make(realm, manager):
    routes = Blueprint("garden", __name__, template_folder="garden_templates")

    @routes.get("/garden")
    def garden():
        return render("garden/page.html", flower="<b>rose</b>")

    @routes.get("/api/garden")
    def api():
        return {"flowers": 1}

    return routes

PAGE = Page(name="garden", title="Garden", plain="Plants", icon="none", order=50, path="/garden", make=make)
"""
TEMPLATE = (
    '{% extends "frame.html" %}{% block title %}x{% endblock %}{% block content %}<h1>{{ flower }}</h1>{% endblock %}'
)


@pytest.fixture
def client(realm: Realm) -> FlaskClient:
    return make_app(realm, Manager.of(realm)).test_client()


def test_a_plugin_adds_a_page_and_a_broken_one_stops_nothing(realm: Realm, tmp_path: Path, tavern: Open) -> None:
    site = Site(tmp_path / "site", realm)
    site.install("garden", HOOKS, garden_page=PAGE, swamp_page="raise ValueError('mud')")
    templates = site.folder / "garden_templates" / "garden"
    templates.mkdir(parents=True)
    (templates / "page.html").write_text(TEMPLATE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(site.folder))
        opened = tavern()
    with urllib.request.urlopen(f"{opened.url}/garden", timeout=PATIENCE) as answer:
        text = answer.read().decode()
    assert "<h1>&lt;b&gt;rose&lt;/b&gt;</h1>" in text
    assert re.search(r'href="/garden"[^>]*aria-current="page"', text)
    with urllib.request.urlopen(f"{opened.url}/api/garden", timeout=PATIENCE) as answer:
        assert json.load(answer) == {"flowers": 1}
    assert "page 'swamp' is left out" in opened.log.read_text()


def test_plain_names_and_theme_are_kept_for_the_browser(realm: Realm, client: FlaskClient) -> None:
    csrf = Safety(read_token(realm), "127.0.0.1").csrf
    asked = client.post(
        "/look", data={"csrf": csrf, "theme": "light", "plain": "true"}, headers={"Accept": "text/html"}
    )
    assert asked.status_code == 303
    text = client.get("/").text
    assert 'data-theme="light"' in text
    assert '<span class="word" title="Quests">Training data</span>' in text
    client.set_cookie("tavern_look", "theme=<script>&plain=9&sounds=%00")
    assert 'data-theme="auto"' in client.get("/").text


def test_errors_have_a_page_for_people_and_json_for_programs(client: FlaskClient) -> None:
    page = client.get("/nowhere", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "there is nothing here" in page.text
    assert "<nav" in page.text
    assert client.get("/api/nowhere").json == {"error": "there is nothing here", "hint": ""}


def test_deeds_and_dropped_files_are_seen_at_the_first_look(realm: Realm) -> None:
    won = JournalRecord(entry=journal.QUEST_END, time=now(), hero="dio-mini", quest="0123456789ab", outcome="completed")
    journal.append(realm.journal, won)
    rows = [{"prompt": "2+2", "response": "4"}]
    for name in ("one", "two"):
        write_rows(realm.inbox / f"{name}.jsonl", rows)
    page = make_app(realm, Manager.of(realm)).test_client().get("/").text
    assert '<span class="badge">0 of' not in page
    assert "2 files lie in the inbox" in page
    assert "nothing waits" not in page


HOSTILE = "<img src=x onerror=alert(1)>\"'{{7*7}}"


def test_hostile_texts_in_flags_events_and_status_stay_text(realm: Realm, client: FlaskClient) -> None:
    control.raise_flag(realm, "pause", HOSTILE)
    store.append_line(
        realm.events,
        {"kind": "event", "version": 1, "name": "odd", "time": "2026-01-01T00:00:00+00:00", "facts": {"a": HOSTILE}},
    )
    text = client.get("/").text
    assert "<img src=x" not in text
    assert text.count("&lt;img src=x") >= 2
    assert "49" not in re.findall(r"onerror=alert\(1\)&gt;&#34;&#39;(.{10})", text)


# -- the API ---------------------------------------------------------------------------------------------------------

QUERY = (
    "after", "by", "start", "end", "points", "smoothing", "state", "limit", "offset", "page", "sort", "order", "step",
    "level", "hero", "with", "name", "priority", "again", "show", "skill", "batch_tokens", "max_length", "precision",
)  # fmt: skip
FIELDS = (
    "release", "reason", "theme", "plain", "priority", "confirm", "skill", "level", "count", "seed", "step", "override",
    "key", "value", "approve", "snapshot", "hero",
)  # fmt: skip
ANYTHING = {"anyOf": [{"type": kind} for kind in ("string", "integer", "boolean", "null", "object")]}


def described(app: Flask) -> dict[str, Any]:
    """An OpenAPI document that allows nearly everything at every route of the API."""
    paths: dict[str, Any] = {}
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/api/") or rule.rule == "/api/stream":
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        inside = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in rule.arguments
        ]
        asked = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in QUERY]
        body = {
            "content": {
                "application/json": {"schema": {"properties": dict.fromkeys(FIELDS, ANYTHING), "type": "object"}}
            }
        }
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            operation = {"parameters": inside + asked, "responses": {"default": {"description": "any"}}}
            paths.setdefault(path, {})[method.lower()] = operation | ({"requestBody": body} if method == "POST" else {})
    return {"openapi": "3.1.0", "info": {"title": "Tavern", "version": "1"}, "paths": paths}


@pytest.mark.filterwarnings("ignore::DeprecationWarning:schemathesis")
def test_nothing_that_a_machine_makes_up_is_a_bug_of_ours(realm: Realm) -> None:
    app = make_app(realm, Manager.of(realm))
    app.add_url_rule("/described.json", view_func=lambda: described(app), endpoint="described")
    seen: dict[int, int] = {}
    for result in schemathesis.openapi.from_wsgi("/described.json", app).get_all_operations():
        assert isinstance(result, Ok), result

        @settings(
            max_examples=15, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=result.ok().as_strategy())
        def once(case: schemathesis.Case[Any]) -> None:
            answer = case.call()
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
            assert answer.status_code < 500, (case.method, case.formatted_path, case.query, case.body, answer.text)

        once()
    assert seen[200] > 20
    assert seen[400] > 20
