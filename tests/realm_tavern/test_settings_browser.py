"""The armory in a real browser: one setting is sent, what was typed elsewhere stays; and all of it without scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Browser, Page, expect

from helpers import TavernProcess
from realm_cli.realm import Realm
from realm_guild_heroes import HERO, checkpoint

Open = Callable[..., TavernProcess]


def setting(page: Page, key: str) -> Any:
    return page.locator(f'form[data-setting="{key}"]')


def test_an_error_stands_beside_its_field_and_a_change_is_shown_at_once(
    realm: Realm, tavern: Open, chromium: Browser
) -> None:
    checkpoint(realm, 100)
    page = chromium.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{tavern().url}/settings")
    setting(page, "web.names").locator("textarea").fill("typed, not yet sent")
    locked = setting(page, f"heroes.{HERO}.max_length")
    locked.locator("input[name=value]").fill("256")
    locked.get_by_role("button", name="Set").click()
    expect(locked.locator("[data-error]")).to_contain_text("is locked")
    locked.get_by_label("I mean it").check()
    locked.get_by_role("button", name="Set").click()
    expect(page.locator("#snapshots")).to_contain_text("max length")
    assert realm.hero().max_length == 256
    steps = setting(page, "training.save_steps")
    steps.locator("input[name=value]").fill("50")
    steps.get_by_role("button", name="Set").click()
    steps.get_by_role("button", name="Restore default").click()
    expect(steps).to_contain_text("not in the file")
    expect(steps.locator("input[name=value]")).to_have_value("1000")
    expect(setting(page, "web.names").locator("textarea")).to_have_value("typed, not yet sent")
    assert wrong == []
    page.close()


def test_without_scripts_a_setting_is_changed_and_a_snapshot_brings_it_back(
    realm: Realm, tavern: Open, chromium: Browser
) -> None:
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{tavern().url}/settings")
    box = setting(page, f"heroes.{HERO}.recipe.gradient_checkpointing")
    box.locator("input[type=checkbox]").check()
    box.get_by_role("button", name="Set").click()
    assert realm.hero().recipe.gradient_checkpointing
    page.locator("#snapshots").get_by_role("link").first.click()
    page.get_by_label("Put these files back").check()
    page.get_by_role("button", name="Go back").click()
    expect(page.locator(".said")).to_contain_text("put back")
    assert not realm.hero().recipe.gradient_checkpointing
    context.close()
