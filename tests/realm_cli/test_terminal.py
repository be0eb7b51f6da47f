"""What commands print for people fits a terminal of 80 columns."""

from __future__ import annotations

from typing import Any

from realm_cli.terminal import NARROWEST, WIDTH, fold, table


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


def test_a_wide_table_is_cut_where_it_may_be_and_in_that_order() -> None:
    rows: list[dict[str, Any]] = [
        {"id": "one", "name": "n" * 60, "why": "w" * 40},
        {"id": "two", "name": None, "why": "short"},
    ]
    shown = table(rows, ["id", "name", "why"], fit=["why", "name"])
    assert widest(shown) == WIDTH
    assert "w" * (NARROWEST - 1) + "…" in shown
    assert "n" * 55 in shown
    assert widest(table(rows, ["id", "name", "why"])) > WIDTH  # nothing is cut that nobody named


def test_a_table_that_fits_is_left_alone() -> None:
    rows: list[dict[str, Any]] = [{"id": "one", "name": "a name"}]
    assert table(rows, ["id", "name"], fit=["name"]) == table(rows, ["id", "name"])


def test_a_long_line_goes_on_below_and_keeps_paths_whole() -> None:
    path = "/a/path/" + "x" * 70
    assert fold(f"done: {path} is there", indent=4) == f"done:\n    {path}\n    is there"
    assert fold("short") == "short"
