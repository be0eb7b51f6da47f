"""What the Tavern says by itself: sounds, the browser's notifications, and its news where no stream gets through."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Browser, Page, expect

from helpers import TavernProcess
from realm_cli.events import emit
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_tavern_browsing import PHONE, browsing

Open = Callable[..., TavernProcess]

# What the page asks of the browser is noted, as a headless one has neither speakers nor a desktop.
NOTE_DEMANDS = """
window.tones = 0;
window.shown = [];
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...when) { window.tones += 1; return start.apply(this, when); };
window.Notification = class {
  static permission = "granted";
  static async requestPermission() { return "granted"; }
  constructor(title, options) { window.shown.push(options.body); }
};
"""
HIDE = 'Object.defineProperty(document, "hidden", { get: () => true })'


def level_up(realm: Realm, page: Page, level: int) -> None:
    """Let the hero reach a level, and wait until the page says so."""
    emit(realm, Manager.of(realm), "level_up", hero="dio-mini", step=1000, level=level)
    expect(page.locator(".toast.great").last).to_contain_text(f"reached level {level}")


def opened(page: Page) -> None:
    page.add_init_script(NOTE_DEMANDS)
    page.goto("/")
    expect(page.locator("[data-connection]")).to_be_hidden()


def keep(page: Page, *names: str) -> None:
    """Tick boxes of the footer and keep them."""
    for name in names:
        page.locator(f'footer input[name="{name}"]').check()
    page.locator("footer").get_by_role("button", name="keep").click()
    for name in names:
        expect(page.locator("html")).to_have_attribute(f"data-{name}", "1")
    expect(page.locator("[data-connection]")).to_be_hidden()


def test_troubles_do_not_cover_a_phone_and_go_with_escape(realm: Realm, tavern: Open, chromium: Browser) -> None:
    with browsing(chromium, tavern().url, viewport=PHONE) as page:
        page.goto("/")
        expect(page.locator("[data-connection]")).to_be_hidden()
        for level in (1, 2, 3):
            emit(realm, Manager.of(realm), "skill_regressed", skill="bin", level=level, accuracy=0.5, hero="h", step=1)
            expect(page.locator(".toast").last).to_contain_text(f"bin level {level} fell")
        expect(page.locator(".toast")).to_have_count(2)
        for left in (1, 0):
            page.keyboard.press("Escape")
            expect(page.locator(".toast")).to_have_count(left)


def test_a_level_up_sounds_and_notifies_only_for_those_who_want_it(
    realm: Realm, tavern: Open, chromium: Browser
) -> None:
    with browsing(chromium, tavern().url) as page:
        opened(page)
        page.evaluate(HIDE)
        level_up(realm, page, 1)
        assert page.evaluate("[window.tones, window.shown]") == [0, []]
        keep(page, "sounds", "notify")
        level_up(realm, page, 2)
        assert page.evaluate("window.tones") == 4
        assert page.evaluate("window.shown") == []  # the page is being looked at
        page.evaluate(HIDE)
        level_up(realm, page, 3)
        (words,) = page.evaluate("window.shown")
        assert "reached level 3" in words


def test_where_no_stream_gets_through_the_page_asks_again_and_again(
    realm: Realm, tavern: Open, chromium: Browser
) -> None:
    with browsing(chromium, tavern().url, expected=(502,)) as page:
        page.route("**/api/stream*", lambda route: route.fulfill(status=502, body="no streams here"))
        with page.expect_response("**/api/live?after=*"):
            page.goto("/")
        expect(page.locator("[data-connection]")).to_be_hidden()
        level_up(realm, page, 1)
        expect(page.locator("[data-feed]")).to_contain_text("reached level 1")
