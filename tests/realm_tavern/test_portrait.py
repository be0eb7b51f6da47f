"""The portrait: one look for each rank, nothing that the page's security policy forbids, and a browser can draw it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from realm_tavern import portrait_art, portrait_gear, portrait_signs
from realm_tavern.portrait import LOOKS, TIERS, portrait, tier_of

SVG = "{http://www.w3.org/2000/svg}"
SHOWN = ["p-body", "p-eyes", "p-arm"]
HIDDEN = ["p-eyes-closed", "p-foe", "p-sparkle", "p-zzz", "p-thought", "p-skull"]
KINDS = [(level, champion) for level in TIERS for champion in (False, True)]
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"


@pytest.mark.parametrize(("level", "champion"), KINDS)
def test_a_portrait_is_a_small_picture_with_words_and_a_group_for_each_state(level: int, champion: bool) -> None:
    text = portrait(level, champion=champion, skills=6)
    root = ET.fromstring(text)
    assert (root.get("role"), root.get("viewBox")) == ("img", "0 0 40 40")
    title = root.findtext(f"{SVG}title") or ""
    assert f"level {level}: a small dinosaur {LOOKS[tier_of(level)]}" in title
    assert ("champion" in title) is champion
    groups = {group.get("class"): group.get("display") for group in root.iter(f"{SVG}g")}
    assert groups == {"p-hero": None, **dict.fromkeys(SHOWN), **dict.fromkeys(HIDDEN, "none")}
    assert len(text) < 20_000
    assert not re.search(r"style=|\bid=|<script|\bon\w+=|href", text)


@pytest.mark.parametrize(
    ("level", "tier"), [(0, 0), (1, 1), (4, 1), (5, 2), (9, 2), (10, 3), (24, 3), (25, 4), (49, 4), (50, 5), (999, 5)]
)
def test_the_armour_grows_with_the_level(level: int, tier: int) -> None:
    assert tier_of(level) == tier


def test_every_rank_crown_and_number_of_gems_looks_different() -> None:
    def pixels(level: int, champion: bool, skills: int) -> str:
        return portrait(level, champion=champion, skills=skills).partition("</title>")[2]

    looks = {pixels(level, champion, skills) for level, champion in KINDS for skills in range(7)}
    assert len(looks) == len(KINDS) * 7
    assert pixels(3, False, 7) == pixels(3, False, 6)


def test_every_pixel_has_a_colour_and_lies_on_the_canvas() -> None:
    named = {**vars(portrait_art), **vars(portrait_gear), **vars(portrait_signs)}
    drawn = [found for found in named.values() if isinstance(found, portrait_art.Picture)]
    assert len(drawn) > 20
    for picture in drawn:
        letters = set("".join(picture.rows)) - {".", "W", "X", "F"}  # these are dyed before they are drawn
        assert letters <= set(portrait_art.COLOURS), picture
        assert picture.x + max(map(len, picture.rows)) <= portrait_art.SIZE, picture
        assert picture.y + len(picture.rows) <= portrait_art.SIZE, picture


def test_a_browser_draws_every_rank_and_a_stylesheet_shows_what_is_hidden(chromium: Browser) -> None:
    pictures = "".join(f"<div>{portrait(level, champion=champion, skills=3)}</div>" for level, champion in KINDS)
    look = "body{display:grid;grid-template-columns:repeat(6,160px)} .awake .p-zzz{display:inline}"
    page = chromium.new_page(viewport={"width": 980, "height": 340})
    page.set_content(f'<style>{look}</style><body class="awake">{pictures}</body>')
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / "portraits.png")
    assert page.locator("svg .p-zzz").count() == len(KINDS)
    assert all(found.is_visible() for found in page.locator(".p-zzz").all())
    assert not any(found.is_visible() for found in page.locator(".p-skull").all())
    assert page.get_by_role("img", name="level 50").count() == 2
    page.close()
