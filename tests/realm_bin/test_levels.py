from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest

from realm_bin.levels import MAX_LEVEL, bits_of, first_level_of, level_of
from realm_bin.operations import OPERATIONS, call_text
from realm_bin.skill import BinSkill
from realm_cli.errors import UsageError
from realm_cli.skills import is_closed

SKILL = BinSkill()


def every_key(level: int) -> set[str]:
    """All calls of a level, written down one by one."""
    values = range(2 ** (level + 1))
    pairs: list[tuple[int, ...]] = list(itertools.product(values, repeat=2))
    operands: dict[str, list[tuple[int, ...]]] = {
        "add": pairs,
        "subtract": [(a, b) for a, b in pairs if a >= b],
        "multiply": pairs,
        "increment": [(a,) for a in values],
        "decrement": [(a,) for a in values if a >= 1],
    }
    return {call_text(operation, call) for operation in OPERATIONS for call in operands[operation.name]}


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
def test_the_space_of_a_level_is_the_number_of_its_calls(level: int) -> None:
    assert SKILL.space(level) == len(every_key(level))


@pytest.mark.parametrize("level", [1, 2, 3])
def test_drawing_reaches_every_call_of_a_level_and_no_other(level: int) -> None:
    rng = random.Random(level)
    drawn = {SKILL.problem(level, rng).key for _ in range(25 * SKILL.space(level))}
    assert drawn == every_key(level)


def test_an_open_level_draws_narrow_operands_too() -> None:
    rng = random.Random(5)
    drawn = {SKILL.problem(5, rng).key for _ in range(60_000)}
    assert drawn <= every_key(5)
    assert {"add(⓪, ⓪)", "increment(⓪)", "decrement(①)", "multiply(①, ⓪)", "subtract(①, ①)"} <= drawn


def test_levels_have_a_bit_more_than_their_number_and_the_last_has_32() -> None:
    assert [bits_of(level) for level in (1, 2, 15, 29, 30)] == [2, 3, 16, 30, 32]


def test_levels_up_to_four_are_closed() -> None:
    assert [level for level in range(1, MAX_LEVEL + 1) if is_closed(SKILL, level)] == [1, 2, 3, 4]


@pytest.mark.parametrize("level", [5, 8, 17, 30])
def test_open_levels_mostly_use_their_full_width_and_all_operations_alike(level: int) -> None:
    rng = random.Random(level)
    draws = [level_of(level).draw(rng) for _ in range(5_000)]
    full = sum(max(operands).bit_length() == bits_of(level) for _, operands in draws)
    assert full > 0.8 * len(draws)
    counts = Counter(operation.name for operation, _ in draws)
    assert all(850 < counts[operation.name] < 1150 for operation in OPERATIONS)


@pytest.mark.parametrize("level", range(1, MAX_LEVEL + 1))
def test_values_are_never_wider_than_the_level(level: int) -> None:
    rng = random.Random(level)
    for _ in range(500):
        _, operands = level_of(level).draw(rng)
        assert all(0 <= operand < 2 ** bits_of(level) for operand in operands)


def test_the_first_level_of_a_call_is_the_lowest_that_holds_its_operands() -> None:
    assert [first_level_of((value,)) for value in (0, 1, 3, 4, 8, 2**30 - 1, 2**30, 2**32 - 1)] == [
        1, 1, 1, 2, 3, 29, 30, 30,
    ]  # fmt: skip


@pytest.mark.parametrize("level", [-1, 0, 31, 10**9])
def test_a_level_that_does_not_exist_is_refused(level: int) -> None:
    with pytest.raises(UsageError, match=f"bin has no level {level}"):
        SKILL.problem(level, random.Random(0))
    with pytest.raises(UsageError):
        SKILL.space(level)
