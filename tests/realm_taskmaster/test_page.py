"""The page `/tasks`: tasks with reasons, runs, services with their ends and logs, findings; in a real browser and as JSON."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, expect

from fake_gpus import FakeGpu, FakeMachine
from helpers import PATIENCE, TavernProcess, environment, realm_line, rows, wait_for, write_rows
from realm_cli import checks, services, store, task_records
from realm_cli.checks import Finding, FindingsRecord
from realm_cli.process import is_running
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark, now
from realm_tavern_browsing import LOW_CONTRAST, NAMELESS, PHONE, SQUEEZED, browsing, is_wide

Open = Callable[..., TavernProcess]
SERVICE = "services:\n  sleeper: {command: [sleep, '600'], title: the sleeper}\n  broken: {command: ['false'], title: the broken one}\n"


@pytest.fixture
def realm(realm: Realm) -> Iterator[Realm]:
    """With two services of its own; what a weaver of it keeps is ended."""
    (realm.configs / "services.yaml").write_text(SERVICE)
    yield realm
    subprocess.run(realm_line("weaver", "down", "-q", realm=realm), env=environment(), timeout=PATIENCE, check=False)


def read(tavern: TavernProcess, path: str) -> Any:
    with urlopen(tavern.url + path, timeout=PATIENCE) as answer:
        return json.load(answer)


def examined(realm: Realm) -> None:
    findings = [
        Finding(check="disk", grade="error", message="1 MB is free", evidence="free: 1,000,000", remedy="make room"),
        Finding(check="zones", grade="warning", message="<b>nas</b> is away", fix="scan it again"),
        Finding(check="clock", grade="ok", message="it goes right"),
    ]
    store.write_record(checks.findings_file(realm), FindingsRecord(at=now(), findings=findings))


def another(realm: Realm, before: ProcessMark) -> ProcessMark | None:
    """The sleeper's process, once it is no longer the one before."""
    found = services.seen(realm)["sleeper"].process
    return found if found != before else None


def test_a_task_that_a_person_runs_is_run_and_what_it_said_is_shown(
    realm: Realm, tavern: Open, chromium: Browser
) -> None:
    write_rows(realm.inbox / "some.jsonl", rows(3))
    subprocess.run(realm_line("quest", "intake", "-q", realm=realm), env=environment(), check=True)
    opened = tavern()
    with browsing(chromium, opened.url) as page:
        page.goto("/tasks")
        expect(page.get_by_role("row", name="sparring_sy")).to_contain_text("disabled")
        page.get_by_role("button", name="run validate_queue now").click()
        wait_for(lambda: task_records.last(realm, "validate_queue"), "the run to end")
        expect(page.get_by_role("row", name="validate_queue")).to_contain_text("done")
        page.get_by_role("row", name="validate_queue").get_by_role("link").click()
        expect(page.locator("h1")).to_contain_text("done")
        expect(page.locator("pre")).to_contain_text("1")
    [run] = read(opened, "/api/tasks")["ended"]
    assert (run["task"], run["state"], run["forced"]) == ("validate_queue", "done", True)


def test_services_are_started_restarted_and_stopped_and_their_ends_stay(
    realm: Realm, tavern: Open, chromium: Browser
) -> None:
    with browsing(chromium, tavern().url) as page:
        page.goto("/tasks")
        page.get_by_role("button", name="start sleeper").click()
        row = page.get_by_role("row", name="the sleeper")
        expect(row).to_contain_text("ready")
        first = services.seen(realm)["sleeper"].process
        assert first is not None
        row.get_by_role("button", name="restart sleeper").click()
        wait_for(lambda: not is_running(first), "the first one to end")
        second = wait_for(lambda: another(realm, first), "the second one")
        expect(row).to_contain_text("ready")
        page.get_by_role("button", name="stop sleeper").click()
        expect(row).to_contain_text("stopped")
        wait_for(lambda: not is_running(second), "its end")
        page.get_by_role("link", name="the sleeper").click()
        expect(page.locator("section[aria-label=Ends] tbody tr")).to_have_count(2)
        expect(page.locator("section[aria-label=Ends]")).to_contain_text("commanded")


def test_the_page_does_not_stop_itself_and_refuses_what_it_does_not_know(tavern: Open, chromium: Browser) -> None:
    with browsing(chromium, tavern().url, expected=(400, 404, 409)) as page:
        page.goto("/tasks")
        asked = """async ([path, body]) => {
            const token = document.querySelector("meta[name=csrf]").content;
            const answer = await fetch(path, {method: "POST", body: JSON.stringify(body),
                headers: {"Content-Type": "application/json", "X-Realm-CSRF": token}});
            return [answer.status, (await answer.json()).error];
        }"""
        assert page.evaluate(asked, ["/api/services", {"service": "tavern", "verb": "stop"}]) == [
            409, "this page is that service",
        ]  # fmt: skip
        assert page.evaluate(asked, ["/api/services", {"service": "../x", "verb": "stop"}])[0] == 400
        assert page.evaluate(asked, ["/api/services", {"service": "nothing", "verb": "start"}])[0] == 404
        assert page.evaluate(asked, ["/api/tasks/run", {"task": "nothing"}])[0] == 404
        assert page.evaluate(asked, ["/api/tasks/cancel", {"run": "../../x"}])[0] == 404
        assert page.evaluate(asked, ["/api/tasks/run", {"task": "validate_queue", "more": 1}])[0] == 400
        assert page.request.get("/tasks/service/nothing").status == 404
        assert page.request.get("/tasks?fragment=nothing").status == 404


def test_findings_are_shown_as_texts_and_a_new_examination_replaces_them(
    realm: Realm, tavern: Open, chromium: Browser
) -> None:
    examined(realm)
    with browsing(chromium, tavern().url) as page:
        page.goto("/tasks")
        health = page.locator("section[aria-label=Health]")
        expect(health).to_contain_text("1 MB is free")
        expect(health).to_contain_text("<b>nas</b> is away")
        before = checks.last_findings(realm)
        health.get_by_role("button", name="examine now").click()
        wait_for(lambda: checks.last_findings(realm) != before, "an examination")
        expect(health).not_to_contain_text("<b>nas</b>")


def test_the_cards_are_shown_with_what_they_do(realm: Realm, gpus: FakeMachine, chromium: Browser) -> None:
    gpus.set(FakeGpu(busy=73, used_mb=12_000, heat=66, watts=280.0), FakeGpu(uuid="GPU-1", busy=None, heat=None))
    line = realm_line("tavern", "-q", realm=realm)
    with subprocess.Popen(line, env=gpus.environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            with browsing(chromium, process.stdout.readline().strip()) as page:
                page.goto("/tasks")
                cards = page.locator("section[aria-label=GPUs] tbody tr")
                expect(cards).to_have_count(2)
                for words in ("RTX 3090", "73 %", "66 °C", "280 W"):
                    expect(cards.first).to_contain_text(words)
                expect(cards.last).to_contain_text("not told")
        finally:
            process.terminate()


def test_the_pages_are_sound_in_both_themes_on_a_phone_and_without_scripts(
    realm: Realm, tavern: Open, chromium: Browser
) -> None:
    examined(realm)
    line = realm_line("weaver", "up", "broken", "--daemon", "-q", realm=realm)
    subprocess.run(line, env=environment(), timeout=PATIENCE, check=True)
    wait_for(lambda: services.seen(realm).get("broken") and services.seen(realm)["broken"].history, "its end")
    subprocess.run(realm_line("task", "run", "vault_scan", "-q", realm=realm), env=environment(), check=True)
    url, run = tavern().url, task_records.history(realm, 1)[0].id
    paths = ("/tasks", "/tasks/service/broken", f"/tasks/run/{run}")
    for theme in ("dark", "light"):
        with browsing(chromium, url, color_scheme=theme, viewport={"width": 1200, "height": 800}) as page:
            for path in paths:
                page.goto(path)
                assert page.evaluate(LOW_CONTRAST) == [], (path, theme)
                assert page.evaluate(NAMELESS) == [], path
                assert page.evaluate("window.shifts") < 0.02, path
                assert not is_wide(page), path
                assert page.evaluate(SQUEEZED) == [], path
    with browsing(chromium, url, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        for path in paths:
            page.goto(path)
            assert not is_wide(page), path
            assert page.evaluate(SQUEEZED) == [], path
        page.goto("/tasks")
        task = page.locator("tr").filter(has=page.get_by_text("validate_queue"))
        name, priority = (task.locator(part).first.bounding_box() for part in ("th", "td"))
        assert name is not None
        assert priority is not None
        assert name["y"] < priority["y"]  # one below the other, the name first
    with browsing(chromium, url, java_script_enabled=False) as page:
        page.goto("/tasks")
        page.get_by_role("button", name="run validate_queue now").click()
        expect(page.locator("h1")).to_contain_text("Inspect every queued quest again")
