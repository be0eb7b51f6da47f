from __future__ import annotations

import pytest

from realm_bin.digits import circled, decimal, digit, double, fixed, natural, positions, signed


@pytest.mark.parametrize(("value", "text"), [(0, "⓪"), (1, "①"), (4, "①⓪⓪"), (2**64 - 1, "①" * 64)])
def test_values_are_written_in_natural_width(value: int, text: str) -> None:
    assert circled(value) == natural(value, 3) == text


@pytest.mark.parametrize(("value", "text"), [(0, "⓪⓪⓪"), (3, "⓪①①"), (-1, "①①①"), (-4, "①⓪⓪"), (4, "①⓪⓪"), (-5, "⓪①①")])
def test_signed_values_have_a_fixed_width_and_wrap(value: int, text: str) -> None:
    assert fixed(value, 3) == text


def test_products_of_signed_values_have_twice_the_width() -> None:
    assert double(16, 3) == "⓪①⓪⓪⓪⓪"
    assert double(-2, 2) == "①①①⓪"


def test_decimal_values_are_plain() -> None:
    assert decimal(95, 7) == "95"


def test_reading_two_s_complement_gives_back_every_value() -> None:
    assert [signed(pattern, 3) for pattern in range(8)] == [0, 1, 2, 3, -4, -3, -2, -1]
    assert signed(1, 1) == -1


def test_positions_count_from_the_right() -> None:
    assert [digit(6, place) for place in range(4)] == ["⓪", "①", "①", "⓪"]
    assert [digit(-2, place) for place in range(3)] == ["⓪", "①", "①"]
    assert [positions(value) for value in (0, 1, 2, 7, 8)] == [1, 1, 2, 3, 4]
