from __future__ import annotations

import pytest

from realm_bin.digits import circled, is_circled


@pytest.mark.parametrize(("value", "text"), [(0, "⓪"), (1, "①"), (4, "①⓪⓪"), (2**64 - 1, "①" * 64)])
def test_values_are_written_in_natural_width(value: int, text: str) -> None:
    assert circled(value) == text
    assert is_circled(text)


@pytest.mark.parametrize("text", ["", "1", "① ①", "①\n", "②"])
def test_anything_but_circled_zeros_and_ones_is_no_value(text: str) -> None:
    assert not is_circled(text)
