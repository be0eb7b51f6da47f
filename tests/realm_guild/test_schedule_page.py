"""The page `/scheduler`: what is next and why, forms that work with and without scripts, live in every open browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, expect

from helpers import TavernProcess
from realm_cli import curriculum
from realm_cli.config import CurriculumConfig, SkillPlan
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_guild import outlook, presets
from realm_guild_heroes import FakeBattle, set_yaml, tune
from realm_tavern.app import make_app
from realm_tavern_browsing import LOW_CONTRAST, NAMELESS, PHONE, browsing, is_wide

Open = Callable[..., TavernProcess]
HTML = {"Accept": "text/html"}
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def realm(realm: Realm) -> Realm:
    """With both skills open and small quests."""
    set_yaml(realm.skills / "sy.yaml", "unlock: {bin: 10}", "unlock: {}")
    tune(realm, forge={"samples": {1: 20}})
    return realm


@pytest.fixture
def client(realm: Realm) -> FlaskClient:
    return make_app(realm, Manager.of(realm)).test_client()


def plan_of(realm: Realm) -> CurriculumConfig:
    return curriculum.settings(realm)


def send(client: FlaskClient, path: str, **body: object) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json


def test_the_page_and_its_json_say_what_the_command_says(realm: Realm, client: FlaskClient) -> None:
    found = outlook.as_json(realm, outlook.look(realm, Manager.of(realm)))
    assert client.get("/api/schedule").json == found
    text = client.get("/scheduler", headers=HTML).text
    for part in ("Binary Alchemy", "50 % of the quests", "Word Weaving", "30 % of the rows from mastered levels"):
        assert part in text, part
    before = {path: path.read_bytes() for path in sorted(realm.status.rglob("*.json"))}
    for part in ("next", "strategy", "skill&skill=sy"):
        assert client.get(f"/scheduler?fragment={part}", headers=HTML).status_code == 200
    assert {path: path.read_bytes() for path in sorted(realm.status.rglob("*.json"))} == before
    for part in ("x", "skill", "skill&skill=x"):
        assert client.get(f"/scheduler?fragment={part}", headers=HTML).status_code == 404


def test_programs_change_what_they_name_and_nothing_else(realm: Realm, client: FlaskClient) -> None:
    told = send(client, "/api/schedule/skill", skill="sy", weight=2, target=7)
    assert told["changed"] == [
        {"key": "skills.sy.weight", "before": 1.0, "after": 2.0}, {"key": "skills.sy.target", "before": None, "after": 7},
    ]  # fmt: skip
    assert (realm.root / told["backup"] / "configs/realm.yaml").is_file()
    send(client, "/api/schedule/skill", skill="sy", priority=-1)
    assert plan_of(realm).plan("sy") == SkillPlan(priority=-1, weight=2.0, target=7)
    send(client, "/api/schedule/skill", skill="sy", target=None)
    assert plan_of(realm).plan("sy").target is None
    told = send(client, "/api/schedule", strategy="focus", focus="bin")
    assert told["changed"][-1] == {"key": "focus", "before": "", "after": "bin"}
    send(client, "/api/schedule/preset", preset="sy_only")
    assert (plan_of(realm).focus, plan_of(realm).focus_share) == ("sy", 1.0)
    assert send(client, "/api/schedule/preset", preset="sy_only")["backup"] is None


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("", {}, 400), ("", {"strategy": "best"}, 400), ("", {"focus": "nope"}, 404), ("", {"focus_share": 0}, 400),
        ("", {"strategy": "focus"}, 400), ("", {"strategies": "equal"}, 400), ("/preset", {"preset": "nope"}, 404),
        ("/skill", {"skill": "nope", "weight": 2}, 404), ("/skill", {"skill": "bin", "target": 31}, 400),
        ("/skill", {"skill": "bin", "weight": 1e9}, 400), ("/skill", {"skill": "bin", "priority": 1.5}, 400),
        ("/skill", {"skill": "../x", "weight": 2}, 404),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_changes_nothing(
    realm: Realm, client: FlaskClient, path: str, body: dict[str, object], status: int
) -> None:
    before = realm.config_file.read_bytes()
    answer = client.post(f"/api/schedule{path}", json=body)
    assert answer.status_code == status, answer.text
    assert "Traceback" not in answer.text
    assert realm.config_file.read_bytes() == before


def test_what_people_write_stays_text(realm: Realm, client: FlaskClient) -> None:
    set_yaml(realm.config_file, "strategy: equal", "strategy: focus")
    set_yaml(realm.config_file, 'focus: ""', f'focus: "{SCRIPT}"')
    text = client.get("/scheduler", headers=HTML).text
    assert SCRIPT not in text
    assert "there is no such skill here; forged meanwhile: bin, sy" in text


def card(page: Page, skill: str) -> Any:
    return page.locator(f"section[aria-label='{skill}']")


def test_what_is_set_in_one_browser_is_seen_in_another_and_typing_is_left_alone(
    realm: Realm, tavern: Open, chromium: Browser
) -> None:
    url = tavern().url
    with browsing(chromium, url) as page, browsing(chromium, url) as other:
        other.goto("/scheduler")
        page.goto("/")
        page.get_by_role("link", name="Forge").click()
        expect(page.locator("h1")).to_have_text("Forge")
        page.get_by_label("Weight").last.fill("9")  # typed, not sent
        bin_card = card(page, "Binary Alchemy")
        bin_card.get_by_label("Target level").fill("4")
        bin_card.get_by_label("Target level").press("Enter")
        expect(page.locator(".toast").first).to_contain_text("skills.bin.target 4")
        expect(card(other, "Binary Alchemy").get_by_label("Target level")).to_have_value("4")
        page.get_by_role("button", name="sy_focus").press("Enter")
        expect(other.get_by_role("button", name="sy_focus")).to_have_attribute("aria-pressed", "true")
        expect(other.locator("section[aria-label=Next]")).to_contain_text("80 % of the quests, as the focus is on it")
        expect(page.get_by_label("Weight").last).to_have_value("9")
        bin_card.get_by_label("enabled").uncheck()
        bin_card.get_by_role("button", name="set bin").click()
        expect(card(other, "Binary Alchemy")).to_contain_text("it is disabled")
        expect(bin_card).to_contain_text("it is disabled")
        expect(page.get_by_label("Weight").last).to_have_value("9")
        other.get_by_role("combobox", name="Strategy").select_option("catch_up")
        other.get_by_role("button", name="set", exact=True).click()
        expect(page.locator("section[aria-label=Next]")).to_contain_text("the only skill that can be forged")
    assert plan_of(realm).plan("bin") == SkillPlan(enabled=False, target=4)
    assert plan_of(realm).strategy == "catch_up"


def test_quests_that_are_forged_and_moved_show_up_by_themselves(realm: Realm, tavern: Open, chromium: Browser) -> None:
    battle = FakeBattle(realm)
    with browsing(chromium, tavern().url) as page:
        page.goto("/scheduler")
        expect(card(page, "Binary Alchemy")).to_contain_text("0 quests forged")
        battle.callback.on_empty_board(battle)
        expect(card(page, "Binary Alchemy")).to_contain_text("1 quest forged")
        expect(page.locator("section[aria-label=Next]")).to_contain_text("1 quest waits there")
        expect(page.locator(".next-turn")).to_contain_text("Word Weaving")
        for step in (1, 2, 3):
            battle.stands_at(step)
        (file,) = Board(realm).files("low")
        expect(page.get_by_role("link", name=file.name)).to_have_attribute("href", f"/quests/{file.id}")


def test_the_page_is_sound_in_both_themes_on_a_phone_in_plain_names_and_without_scripts(
    realm: Realm, tavern: Open, chromium: Browser, tmp_path: Path
) -> None:
    presets.save(realm, presets.skill_change(realm, "sy", {"enabled": False}), "test")
    presets.save(realm, presets.strategy_change(realm, "focus", "sy", None), "test")
    url = tavern().url
    for theme in ("dark", "light"):
        with browsing(chromium, url, color_scheme=theme, viewport={"width": 1200, "height": 800}) as page:
            page.goto("/scheduler")
            expect(page.locator(".hint")).to_contain_text("cannot be forged: it is disabled; forged meanwhile: bin")
            assert page.evaluate(LOW_CONTRAST) == []
            assert page.evaluate(NAMELESS) == []
            assert page.evaluate("window.shifts") < 0.02
            assert not is_wide(page)
    with browsing(chromium, url, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        page.goto("/scheduler")
        assert not is_wide(page)
    with browsing(chromium, url, java_script_enabled=False) as page:
        page.goto("/scheduler")
        page.get_by_label("plain names").check()
        page.get_by_role("button", name="keep").click()
        page.goto("/scheduler")
        expect(page.locator("h1")).to_have_text("Curriculum")
        sy = card(page, "Word Weaving")
        sy.get_by_label("enabled").check()
        sy.get_by_label("Target level").fill("3")
        sy.get_by_role("button", name="set sy").click()
        expect(page.locator(".said")).to_contain_text("skills.sy.enabled yes, skills.sy.target 3")
        sy.get_by_label("Target level").fill("")
        sy.get_by_role("button", name="set sy").click()
        page.get_by_role("button", name="balanced").click()
        expect(page.get_by_role("button", name="balanced")).to_have_attribute("aria-pressed", "true")
    assert plan_of(realm).plan("sy") == SkillPlan()
