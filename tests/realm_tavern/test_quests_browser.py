"""The quests page in a real browser: cards are dragged, files uploaded with their reports shown, and all without scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from helpers import TavernProcess, rows, wait_for, write_rows
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_tavern_quests import HOSTILE, add

Open = Callable[..., TavernProcess]
DROP = """(texts) => {
  const files = new DataTransfer();
  for (const [name, text] of texts) files.items.add(new File([text], name));
  document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: files, bubbles: true, cancelable: true}));
}"""


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """An empty tab; an error that no test asked for fails the test."""
    errors: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and "(CONFLICT)" not in message.text:
            errors.append(message.text)

    tab = chromium.new_page()
    tab.on("console", heard)
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("dialog", lambda dialog: errors.append(dialog.message))
    yield tab
    tab.close()
    assert errors == []


def states(realm: Realm) -> dict[str, int]:
    return {state: count for state, count in Board(realm).counts().items() if count}


def test_a_card_is_dragged_to_another_priority_cancelled_and_deleted(
    realm: Realm, tavern: Open, page: Page, tmp_path: Path
) -> None:
    quest = add(realm, tmp_path)
    page.goto(f"{tavern().url}/quests")
    page.wait_for_selector(f'[data-id="{quest}"][draggable="true"]')

    page.drag_and_drop(f'[data-id="{quest}"]', '[data-column="high"]')
    page.wait_for_selector(f'[data-column="high"] [data-id="{quest}"]')
    assert states(realm) == {"high": 1}
    page.click(f'[data-id="{quest}"] >> text=cancel')
    page.click(f'[data-column="failed"] [data-id="{quest}"] summary')
    assert states(realm) == {"failed": 1}
    page.click(f'[data-id="{quest}"] .danger')
    page.wait_for_selector(f'[data-id="{quest}"]', state="detached")
    assert states(realm) == {}


def test_a_question_that_is_open_stays_open_when_the_board_changes(
    realm: Realm, tavern: Open, page: Page, tmp_path: Path
) -> None:
    ended = add(realm, tmp_path)
    Board(realm).cancel(ended, "for the test")
    page.goto(f"{tavern().url}/quests")
    page.wait_for_selector("[data-board] summary")
    page.click(f'[data-id="{ended}"] summary')

    other = add(realm, tmp_path, 50)
    page.wait_for_selector(f'[data-column="normal"] [data-id="{other}"]')

    assert page.is_visible(f'[data-id="{ended}"] .danger')


def test_files_are_uploaded_one_after_another_and_their_reports_shown(
    realm: Realm, tavern: Open, page: Page, tmp_path: Path
) -> None:
    good, twin = write_rows(tmp_path / "good.jsonl", rows(3)), write_rows(tmp_path / "twin.jsonl", rows(3))
    bad = tmp_path / "bad.jsonl"
    bad.write_text(f'{{"messages": []}}\n{HOSTILE}\n')
    page.goto(f"{tavern().url}/quests")
    page.wait_for_selector(".quests, .empty")
    page.set_input_files('[data-upload] input[type="file"]', [good, bad, twin])
    page.select_option('[data-upload] select[name="priority"]', "low")
    page.click("[data-upload] button")

    page.wait_for_selector(".upload-row:nth-child(3) p")
    first, second, third = (row.inner_text() for row in page.query_selector_all(".upload-row"))
    assert "good.jsonl is queued: 3 samples" in first
    assert "error, line 2: not valid JSON" in second
    assert "the same content is already quest" in third
    assert states(realm) == {"low": 1, "failed": 1}
    page.click(".upload-row:nth-child(2) a")
    page.wait_for_selector("text=The gatekeeper's report")
    assert page.query_selector_all("main img") == []


def test_files_may_be_dropped_anywhere(realm: Realm, tavern: Open, page: Page) -> None:
    page.goto(f"{tavern().url}/quests")
    page.wait_for_selector("[data-board] .empty")
    page.evaluate(DROP, [["dropped.jsonl", '{"text": "dropped"}\n'], [f"{HOSTILE}.txt", "x"]])

    page.wait_for_selector(".upload-row:nth-child(2) p")
    assert "not a quest file" in page.inner_text(".upload-row:nth-child(2)")
    wait_for(lambda: states(realm) == {"normal": 1}, "the dropped file on the board")
    assert page.query_selector_all(".uploads img") == []


def test_everything_works_without_scripts(realm: Realm, tavern: Open, chromium: Browser, tmp_path: Path) -> None:
    url = tavern().url
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{url}/quests")
    page.set_input_files('[data-upload] input[type="file"]', [write_rows(tmp_path / "a.jsonl", rows(3))])
    page.click("[data-upload] button")
    assert "a.jsonl is queued: 3 samples" in page.inner_text("body")

    page.select_option('select[name="priority"]', "high")
    page.click("text=Move")
    assert states(realm) == {"high": 1}
    page.fill('input[name="reason"]', HOSTILE)
    page.click("main button >> text=Cancel")
    assert HOSTILE in page.inner_text(".reason")
    page.goto(f"{url}/quests")
    page.click('[data-column="failed"] >> text=retry')
    assert page.url == f"{url}/quests"
    assert states(realm) == {"high": 1}
    page.click('[data-column="high"] >> text=cancel')
    page.click('[data-column="failed"] summary')
    page.click('[data-column="failed"] .danger')
    assert "its record stays" in page.inner_text("body")
    assert states(realm) == {}
    context.close()


def test_a_phone_shows_the_board_without_scrolling_sideways(
    realm: Realm, tavern: Open, page: Page, tmp_path: Path
) -> None:
    quest = add(realm, tmp_path)
    url = tavern().url
    page.set_viewport_size({"width": 360, "height": 740})
    for path in ("/quests", f"/quests/{quest}"):
        page.goto(url + path)
        page.wait_for_selector("h1")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
