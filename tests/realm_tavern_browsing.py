"""What browser tests share: a page that fails the test when anything goes wrong in it, and checks of what is seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, Response

PHONE = {"width": 360, "height": 740}

WATCH_SHIFTS = """
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""

# Contrast of every text that is seen against the grounds behind it (WCAG 2.2, 1.4.3): the worst offenders.
LOW_CONTRAST = """
() => {
  const parse = (text) => {
    const numbers = (text.match(/[\\d.]+/g) ?? []).map(Number);
    if (text.startsWith("color(srgb")) return [255 * numbers[0], 255 * numbers[1], 255 * numbers[2], numbers[3] ?? 1];
    return [numbers[0] ?? 0, numbers[1] ?? 0, numbers[2] ?? 0, numbers[3] ?? 1];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const light = (color) => {
    const [r, g, b] = color.slice(0, 3).map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (element.closest("svg, option, [aria-hidden=true], [data-celebration], [data-toasts], progress, .visually-hidden, .skip")) continue;
    const chain = [];
    for (let at = element; at; at = at.parentElement) chain.push(parse(getComputedStyle(at).backgroundColor));
    const ground = chain.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
    const style = getComputedStyle(element);
    const ink = over(parse(style.color), ground);
    const [high, low] = [light(ink), light(ground)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)} ${element.tagName}.${element.className}: ${walker.currentNode.textContent.trim().slice(0, 40)}`);
  }
  return found;
}
"""

# Controls and pictures without a name for screen readers.
NAMELESS = """
() => [...document.querySelectorAll("button, a[href], input:not([type=hidden]), select, textarea, progress, meter, svg, img")]
  .filter((one) => !one.closest("[hidden], [aria-hidden=true]") && one.checkVisibility())
  .filter((one) => !(one.getAttribute("aria-label") || one.textContent.trim() || one.labels?.length || one.title || one.querySelector("title")))
  .map((one) => one.outerHTML.slice(0, 160))
"""


# Names and moments that are broken into pieces: a column too narrow to be read.
SQUEEZED = """
() => [...document.querySelectorAll("table :is(code, time)")]
  .filter((one) => one.checkVisibility() && /^[\\w:. -]{1,22}$/.test(one.textContent) && one.getClientRects().length > 1)
  .map((one) => one.textContent)
"""


@contextmanager
def browsing(chromium: Browser, url: str, *, expected: tuple[int, ...] = (), **options: Any) -> Iterator[Page]:
    """A page of a fresh browser; errors in its console, in its scripts and of the server fail the test.

    `expected` are the HTTP statuses that the test provokes.
    """
    context = chromium.new_context(base_url=url, **options)
    context.set_default_timeout(60_000)
    context.add_init_script(WATCH_SHIFTS)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" and not expected else None)
    page.on("response", lambda answer: wrong.append(_words(answer)) if _is_wrong(answer, expected) else None)
    try:
        yield page
    finally:
        context.close()
    assert not wrong, wrong


def _is_wrong(answer: Response, expected: tuple[int, ...]) -> bool:
    return answer.status >= 400 and answer.status not in expected


def _words(answer: Response) -> str:
    return f"{answer.status} {answer.url}"


def is_wide(page: Page) -> bool:
    """Whether the page has to be scrolled sideways."""
    wide: bool = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return wide


def seen_text(page: Page, key: str) -> str:
    """A live text as it is shown."""
    return page.locator(f'[data-live="{key}"]').first.inner_text()


def number(text: str) -> int:
    """A number as the page writes it."""
    return int(text.replace(",", ""))
