"""The Tavern in a real browser, beside a real battle: what people see and do, from the upload to the champion."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from helpers import BattleProcess, TavernProcess, free_port, ready_realm, rows, wait_for, write_rows
from realm_cli import control, skillstate
from realm_cli.datafiles import safe_name
from realm_cli.events import emit
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_guild_heroes import tune
from realm_tavern_browsing import LOW_CONTRAST, NAMELESS, PHONE, SQUEEZED, browsing, is_wide, number, seen_text

Open = Callable[..., TavernProcess]
Start = Callable[..., BattleProcess]
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
PAGES = (
    "/",
    "/quests",
    "/guild",
    "/scheduler",
    "/skill/bin",
    "/checkpoints",
    "/vault",
    "/vault/prune",
    "/vault/lineage",
    "/oracle",
    "/tasks",
    "/settings",
)


@pytest.fixture
def lively(realm: Realm, battle: Start) -> BattleProcess:
    """A battle that goes on, with evals and a level or two within seconds."""
    tune(realm, forge={"samples": {1: 400}}, eval={"threshold": 0.25})
    fighting = battle("--forge")
    fighting.until("training", step=30)
    return fighting


def go_on(page: Page, key: str, than: int) -> int:
    """Wait until a live number is greater."""
    found: int = wait_for(lambda: (now := number(seen_text(page, key))) > than and now, f"{key} beyond {than}")
    return found


# -- the story -----------------------------------------------------------------------------------------------------


def test_a_file_is_uploaded_trained_shown_and_its_checkpoint_promoted(
    realm: Realm, battle: Start, tavern: Open, chromium: Browser, tmp_path: Path
) -> None:
    battle()
    mine = write_rows(tmp_path / "my <b>quest.jsonl", rows(64))
    with browsing(chromium, tavern().url) as page:
        page.goto("/quests")
        page.locator("input[type=file]").set_input_files(mine)
        page.get_by_role("button", name="Upload").click()
        name = safe_name(mine.name)
        quest = wait_for(lambda: [one for one in Board(realm).records() if one.name == name], "the quest")[0]
        expect(page.get_by_text(name).first).to_be_visible()
        done = page.locator('[data-column="recently_completed"]').get_by_text(name)
        expect(done).to_be_visible()
        done.click()
        expect(page).to_have_url(f"{page.url.partition('/quests')[0]}/quests/{quest.id}")
        expect(page.locator(".token.trained").first).to_be_visible()
        step = wait_for(lambda: Ledger(realm).saw(quest.id), "its checkpoint")[0].step
        page.goto(f"/checkpoint/{step}")
        expect(page.get_by_text(name).first).to_be_visible()
        page.get_by_role("button", name="Crown it").click()
        page.goto("/")
        expect(page.locator('[data-live="hero.champion"]')).to_contain_text(f"step {step:,}")


def test_the_page_lives_without_being_loaded_again(
    realm: Realm, lively: BattleProcess, tavern: Open, chromium: Browser
) -> None:
    with browsing(chromium, tavern().url) as page:
        page.goto("/")
        page.evaluate("window.here = true")
        step = go_on(page, "battle.step", number(seen_text(page, "battle.step")))
        emit(realm, Manager.of(realm), "skill_regressed", skill="bin", level=1, accuracy=0.5, hero="dio-mini", step=1)
        expect(page.locator("[data-feed]")).to_contain_text("bin level 1 fell to 50 %")
        expect(page.locator(".toast.bad")).to_contain_text("fell to 50 %")
        wait_for(lambda: skillstate.met(realm, "dio-mini"), "an eval")
        go_on(page, "battle.step", step)
        expect(page.locator(".portrait")).to_have_attribute("data-state", "fighting")
        assert page.evaluate("window.here")
        page.reload()
        assert number(seen_text(page, "battle.step")) >= step


def test_two_browsers_show_the_same_and_obey_the_same_battle(
    realm: Realm, lively: BattleProcess, tavern: Open, chromium: Browser
) -> None:
    url = tavern().url
    with browsing(chromium, url) as one, browsing(chromium, url, viewport=PHONE) as two:
        one.goto("/")
        two.goto("/quests")
        one.locator('[data-verb="pause"]').click()
        for page in (one, two):
            expect(page.locator('[data-live="battle.state"]').first).to_have_text("paused")
        expect(one.locator(".portrait")).to_have_attribute("data-state", "resting")
        two.locator("summary").first.click()
        two.locator('[data-verb="resume"]').click()
        for page in (one, two):
            expect(page.locator('[data-live="battle.state"]').first).to_have_text("training")
        two.locator('[data-verb="save"]').click()
        expect(one.locator('[data-live="control.save"]')).to_contain_text("done at step")


def test_a_server_that_restarts_is_told_and_the_page_goes_on(
    realm: Realm, lively: BattleProcess, tavern: Open, chromium: Browser
) -> None:
    opened = tavern("--port", str(free_port()))
    with browsing(chromium, opened.url, expected=(0,)) as page:
        page.goto("/")
        expect(page.locator("[data-connection]")).to_be_hidden()
        opened.end(signal.SIGKILL)
        expect(page.locator("[data-connection]")).to_be_visible()
        before = number(seen_text(page, "battle.step"))
        tavern("--port", str(opened.port))
        expect(page.locator("[data-connection]")).to_be_hidden()
        go_on(page, "battle.step", before)


def test_a_battle_that_died_is_shown_dead_with_the_way_on(
    lively: BattleProcess, tavern: Open, chromium: Browser
) -> None:
    with browsing(chromium, tavern().url) as page:
        page.goto("/")
        expect(page.locator('[data-live="battle.state"]').first).to_have_text("training")
        lively.kill()
        expect(page.locator('[data-live="battle.state"]').first).to_have_text("dead")
        expect(page.locator(".portrait")).to_have_attribute("data-state", "dead")
        expect(page.locator('[data-live="battle.tokens_per_s"]')).to_have_text("–")  # noqa: RUF001
        page.reload()
        expect(page.get_by_text("realm play").first).to_be_visible()


def test_a_level_up_is_celebrated_and_calm_is_respected(realm: Realm, tavern: Open, chromium: Browser) -> None:
    url, manager = tavern().url, Manager.of(realm)
    with (
        browsing(chromium, url) as lively_page,
        browsing(chromium, url, reduced_motion="reduce") as calm,
    ):
        for page in (lively_page, calm):
            page.goto("/")
            expect(page.locator("[data-connection]")).to_be_hidden()
        expect(lively_page.locator("[data-celebration]")).to_be_hidden()
        emit(realm, manager, "level_up", hero="dio-mini", step=1000, level=1)
        for page in (lively_page, calm):
            expect(page.locator(".toast.great")).to_contain_text("reached level 1")
        expect(lively_page.locator("[data-celebration]")).to_contain_text("reached level 1")
        lively_page.keyboard.press("Escape")
        expect(lively_page.locator("[data-celebration]")).to_be_hidden()
        expect(calm.locator("[data-celebration]")).to_be_hidden()
        assert calm.evaluate("document.getAnimations().length") == 0


# -- every page ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Realm:
    """A realm with checkpoints, evals, a failed quest and some that wait; nothing runs."""
    realm = ready_realm(tmp_path_factory.mktemp("trained") / "realm")
    tune(realm, forge={"samples": {1: 400}}, eval={"threshold": 0.25})
    (realm.inbox / "broken.jsonl").write_text('{"messages": 3}\n')
    fighting = BattleProcess(realm, "--forge", "--until", "bin=2")
    assert fighting.wait() == 0, fighting.output()
    for name in ("high", "low"):
        write_rows(realm.inbox / name / f"{name}.jsonl", rows(20, hash(name) % 1000))
    return realm


@pytest.fixture
def trained(realm: Realm, trained_once: Realm) -> Realm:
    """A copy of it, in the place of the test's own realm."""
    shutil.rmtree(realm.root)
    shutil.copytree(trained_once.root, realm.root, symlinks=True)
    return Realm(realm.root)


def test_every_page_is_sound_in_both_themes(trained: Realm, tavern: Open, chromium: Browser) -> None:
    url, step = tavern().url, Ledger(trained).get_latest().step
    SHOTS.mkdir(parents=True, exist_ok=True)
    for theme in ("dark", "light"):
        with browsing(chromium, url, color_scheme=theme, viewport={"width": 1200, "height": 800}) as page:
            for path in (*PAGES, f"/checkpoint/{step}"):
                page.goto(path)
                expect(page.locator("h1").first).to_be_attached()
                name = path.strip("/").replace("/", "-").rstrip("0123456789-") or "hero"
                page.screenshot(path=SHOTS / f"{name}-{theme}.png", full_page=True)
                assert page.evaluate(LOW_CONTRAST) == [], (path, theme)
                assert page.evaluate(NAMELESS) == [], path
                assert page.evaluate("window.shifts") < 0.02, path
                assert page.evaluate("document.documentElement.lang") == "en"
                assert not is_wide(page), path
                assert page.evaluate(SQUEEZED) == [], path
                expect(page.locator('[data-verb="pause"]')).to_be_visible()


def test_every_page_fits_a_phone(trained: Realm, tavern: Open, chromium: Browser) -> None:
    url, step = tavern().url, Ledger(trained).get_latest().step
    with browsing(chromium, url, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        for path in (*PAGES, f"/checkpoint/{step}"):
            page.goto(path)
            assert not is_wide(page), path
            expect(page.locator("[data-age]")).to_contain_text("ago")
            assert page.evaluate("window.shifts") < 0.02, path
            assert page.evaluate(SQUEEZED) == [], path
            expect(page.locator('[data-verb="pause"]')).to_be_hidden()
            name = path.strip("/").replace("/", "-").rstrip("0123456789-") or "hero"
            page.screenshot(path=SHOTS / f"{name}-phone.png", full_page=True)


def test_everything_can_be_read_and_done_with_scripts_off(trained: Realm, tavern: Open, chromium: Browser) -> None:
    with browsing(chromium, tavern().url, java_script_enabled=False) as page:
        for path in PAGES:
            page.goto(path)
            expect(page.locator("main")).not_to_be_empty()
        page.goto("/")
        expect(page.locator(".chart polyline").first).to_be_visible()
        expect(page.locator("[data-connection]")).to_be_hidden()
        page.get_by_role("button", name="pause", exact=True).click()
        expect(page.get_by_text("the next battle will begin paused")).to_be_visible()
        assert control.is_up(trained, "pause")
        page.get_by_role("button", name="resume", exact=True).click()
        assert not control.is_up(trained, "pause")
        page.locator("footer input[name=plain]").check()
        page.locator("footer select[name=theme]").select_option("light")
        page.get_by_role("button", name="keep").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "light")
        expect(page.locator("nav")).to_contain_text("Training data")


def test_keys_open_pages_and_command_the_battle(realm: Realm, tavern: Open, chromium: Browser) -> None:
    with browsing(chromium, tavern().url) as page:
        page.goto("/")
        page.keyboard.press("p")
        wait_for(lambda: control.is_up(realm, "pause"), "the pause")
        expect(page.locator('[data-live="control.pause"]')).to_contain_text("asked by")
        page.keyboard.press("p")
        wait_for(lambda: not control.is_up(realm, "pause"), "the end of the pause")
        page.keyboard.press("g")
        page.keyboard.press("q")
        expect(page).to_have_url(f"{page.url.rpartition('/')[0]}/quests")
        page.wait_for_load_state()
        page.keyboard.press("g")
        page.keyboard.press("l")  # the Ledger, whose address is /checkpoints
        expect(page).to_have_url(f"{page.url.rpartition('/')[0]}/checkpoints")


def test_the_chart_zooms_and_tells_exact_numbers(trained: Realm, tavern: Open, chromium: Browser) -> None:
    with browsing(chromium, tavern().url) as page:
        page.goto("/")
        stage = page.locator(".chart .stage")
        expect(stage.locator("polyline.smooth")).to_be_visible()
        stage.scroll_into_view_if_needed()
        box = stage.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
        expect(page.locator(".chart .reading")).to_contain_text("smoothed")
        with page.expect_response(lambda answer: "start=" in answer.url):
            page.mouse.down()
            page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 60, steps=4)
            page.mouse.up()
        with page.expect_response(lambda answer: "/api/curves" in answer.url and "start=" not in answer.url):
            page.get_by_role("button", name="whole life").click()
        with page.expect_response(lambda answer: "by=time" in answer.url):
            page.get_by_label("by time").check()
        stage.focus()
        with page.expect_response(lambda answer: "start=" in answer.url):
            page.keyboard.press("+")


def test_the_first_load_is_small(trained: Realm, tavern: Open, chromium: Browser) -> None:
    sizes: dict[str, int] = {}
    with browsing(chromium, tavern().url) as page:
        page.on("requestfinished", lambda request: sizes.update({request.url: request.sizes()["responseBodySize"]}))
        page.goto("/")
        expect(page.locator(".chart .stage polyline.smooth")).to_be_visible()
    assert 20_000 < sum(sizes.values()) < 300_000, sizes
