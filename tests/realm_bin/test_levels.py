from __future__ import annotations

import itertools
import random
import re
from collections import Counter

import pytest

from realm_bin.levels import bits_of, make_levels
from realm_bin.operations import INNER, NAMES, NESTED, OPERATIONS, OUTER
from realm_bin.settings import MAX_LEVEL, Settings
from realm_bin.skill import BinSkill
from realm_cli.errors import UsageError
from realm_cli.sampling import DRAWS_PER_PROBLEM, draws, sample
from realm_cli.skills import is_closed, split_of

SKILL = BinSkill()
LEVELS = make_levels(Settings())
CLOSED, OPEN = range(1, 5), range(5, MAX_LEVEL + 1)


def circled(value: int, bits: int = 1) -> str:
    return f"{value:0{bits}b}".replace("0", "⓪").replace("1", "①")


def operands_of(name: str, bits: int, narrow: int) -> list[tuple[int, ...]]:
    """All operands of an unsigned operation, or all patterns of a signed one."""
    values = range(2**bits)
    pairs: list[tuple[int, ...]] = list(itertools.product(values, repeat=2))
    if name == "subtract":
        return [(a, b) for a, b in pairs if a >= b]
    if name == "multiply":
        return [(a, b) for a, b in pairs if b < 2**narrow]
    if name == "multiply_signed":
        return [(a, b) for a, b in pairs if is_sign_extended(b, bits, narrow)]
    if name == "decrement":
        return [(a,) for a in values if a]
    return pairs if OPERATIONS[name].arity == 2 else [(a,) for a in values]


def is_sign_extended(pattern: int, bits: int, narrow: int) -> bool:
    """Whether all digits from the narrow width's sign digit on are the same."""
    head = f"{pattern:0{bits}b}"[: bits - min(bits, narrow) + 1]
    return len(set(head)) == 1


def flat_keys(name: str, bits: int, narrow: int, full: bool) -> set[str]:
    """The calls of an operation, written down one by one."""
    width = bits if OPERATIONS[name].signed else 1
    write = str if name == "tobinary" else (lambda value: circled(value, width))
    calls = operands_of(name, bits, narrow)
    if full and not OPERATIONS[name].signed:
        calls = [call for call in calls if max(call) >= 2 ** (bits - 1)]
    return {f"{name}({', '.join(map(write, call))})" for call in calls}


def nested_keys(bits: int, full: bool) -> set[str]:
    """The calls of depth two."""
    found = set()
    for outer, inner in itertools.product(OUTER, INNER):
        for call in operands_of(inner, bits, 1):
            text = f"{inner}({', '.join(map(circled, call))})"
            around: list[tuple[tuple[int, ...], str]] = [((), f"{outer}({text})")]
            if OPERATIONS[outer].arity == 2:
                around = [((v,), f"{outer}({text}, {circled(v)})") for v in range(2**bits)]
                around += [((v,), f"{outer}({circled(v)}, {text})") for v in range(2**bits)]
            found |= {key for more, key in around if not full or max(call + more) >= 2 ** (bits - 1)}
    return found


@pytest.mark.parametrize("level", CLOSED)
def test_a_closed_level_is_the_whole_table_and_draws_all_of_it(level: int) -> None:
    made = LEVELS[level - 1]
    table = set().union(*(flat_keys(name, made.bits, made.narrow_bits, full=False) for name in made.names))
    assert SKILL.space(level) == len(table)
    rng = random.Random(level)
    drawn = Counter(SKILL.problem(level, rng).key for _ in range(DRAWS_PER_PROBLEM * len(table)))
    assert set(drawn) == table
    shares = Counter[str]()
    for key, count in drawn.items():
        shares[key.partition("(")[0]] += count
    weights = Settings().operations[1]
    per_weight = [shares[name] / weight for name, weight in weights.items()]
    assert max(per_weight) < 1.3 * min(per_weight)


@pytest.mark.parametrize("name", [name for name in NAMES if name != NESTED])
@pytest.mark.parametrize("bits", [7, 8])
def test_an_open_level_holds_the_calls_with_an_operand_of_full_width(name: str, bits: int) -> None:
    # Beside two large operations, so that the level is open even where this one alone would not make it so.
    weights = {"add": 1, "maximum": 1, name: 1}
    level = make_levels(Settings(operations={1: weights}, multiply_bits={1: 3}))[bits - 2]
    others = set(weights) - {name}
    expected = flat_keys(name, bits, 3, full=True)
    space = len(expected) + sum(len(flat_keys(other, bits, 3, full=True)) for other in others)
    assert not level.whole
    assert level.space == space
    rng = random.Random(bits)
    drawn = {call.text() for call in (level.draw(rng) for _ in range(10_000)) if call.name == name}
    assert drawn <= expected
    assert len(drawn) > (0.9 * len(expected) if len(expected) < 300 else 300)


def test_nested_calls_are_counted_and_drawn_alike() -> None:
    level = make_levels(Settings(operations={1: {NESTED: 1}}))[3]
    table = nested_keys(5, full=True)
    assert level.space == len(table)
    rng = random.Random(0)
    drawn = {level.draw(rng).text() for _ in range(20_000)}
    assert drawn <= table
    assert len({re.sub("[⓪①]+", "", key) for key in drawn}) == len({re.sub("[⓪①]+", "", key) for key in table})


def test_a_wide_second_factor_may_be_the_operand_of_full_width() -> None:
    level = make_levels(Settings(operations={1: {"multiply": 1}}, multiply_bits={1: 32}))[6]
    rng = random.Random(0)
    calls = [level.draw(rng).operands for _ in range(2_000)]
    assert level.space == 256**2 - 128**2
    assert all(max(call) >= 128 for call in calls)
    assert any(first < 128 for first, _ in calls)


def test_levels_have_a_bit_more_than_their_number_and_the_last_has_32() -> None:
    assert [bits_of(level) for level in (1, 2, 15, 29, 30)] == [2, 3, 16, 30, 32]


def test_levels_up_to_four_are_closed() -> None:
    assert [level for level in range(1, MAX_LEVEL + 1) if is_closed(SKILL, level)] == [*CLOSED]


@pytest.mark.parametrize("level", OPEN)
def test_every_problem_of_an_open_level_has_an_operand_of_full_width_and_none_is_wider(level: int) -> None:
    rng = random.Random(level)
    made, weights, counts = LEVELS[level - 1], {}, Counter[str]()
    weights = Settings().operations[max(start for start in Settings().operations if start <= level)]
    for _ in range(3_000):
        call = made.draw(rng)
        counts[call.name] += 1
        if call.operation.signed:
            half = 2 ** (made.bits - 1)
            assert all(-half <= operand < half for operand in call.operands)
            assert call.bits == made.bits
            assert [len(text) for text in call.texts()] == [made.bits] * call.operation.arity
        else:
            assert min(call.literals()) >= 0
            assert max(call.literals()).bit_length() == made.bits
    assert set(counts) == set(weights)
    for name, weight in weights.items():
        expected = 3_000 * weight / sum(weights.values())
        assert 0.6 * expected < counts[name] < 1.4 * expected


@pytest.mark.parametrize(("level", "bits"), [(5, 2), (6, 3), (11, 3), (12, 4), (30, 4)])
def test_second_factors_are_narrow(level: int, bits: int) -> None:
    rng = random.Random(level)
    calls = [LEVELS[level - 1].draw(rng) for _ in range(5_000)]
    assert {call.operands[1] for call in calls if call.name == "multiply"} == set(range(2**bits))
    signed = {call.operands[1] for call in calls if call.name == "multiply_signed"}
    assert signed == (set(range(-(2 ** (bits - 1)), 2 ** (bits - 1))) if level >= 11 else set())


@pytest.mark.parametrize("level", [5, 12, 30])
def test_comparisons_are_not_decided_by_the_first_digits_alone(level: int) -> None:
    rng = random.Random(level)
    pairs = [call for call in (LEVELS[level - 1].draw(rng) for _ in range(20_000)) if call.operation.kin != "any"]
    equal = [call.operands[0] == call.operands[1] for call in pairs if call.name == "equals"]
    assert 0.4 < sum(equal) / len(equal) < 0.65
    lengths = [(a ^ b).bit_length() for a, b in (call.operands for call in pairs if call.name == "lessthan")]
    assert sum(0 < length <= bits_of(level) // 2 for length in lengths) > 0.1 * len(lengths)


def test_narrow_operands_come_beside_wide_ones() -> None:
    rng = random.Random(5)
    calls = [LEVELS[19].draw(rng) for _ in range(20_000)]
    widths = Counter(min(call.operands).bit_length() for call in calls if call.name == "add")
    assert set(widths) == set(range(22))
    assert 0.6 < widths[21] / widths.total() < 0.9
    assert {0, 1, -1} <= {call.operands[0] for call in calls if call.name == "sign_of"}


def lowest_level(key: str, level: int) -> int:
    """The first level whose table has the key, found by looking through the closed ones."""
    for lower in CLOSED:
        made = LEVELS[lower - 1]
        if any(key in flat_keys(name, made.bits, made.narrow_bits, full=False) for name in made.names):
            return lower
    return level


@pytest.mark.parametrize("level", [*CLOSED, 5, 6, 30])
def test_the_first_level_of_a_problem_is_the_lowest_that_holds_it(level: int) -> None:
    rng = random.Random(level)
    for _ in range(40):
        problem = SKILL.problem(level, rng)
        assert problem.meta["first_level"] == lowest_level(problem.key, level)


def test_the_first_level_heeds_what_levels_draw() -> None:
    skill = BinSkill({"operations": {1: {"add": 1, "multiply": 1}, 3: {"add": 1, "increment": 1, "multiply": 1}},
                      "multiply_bits": {1: 1, 4: 2}})  # fmt: skip
    rng = random.Random(0)
    first = {p.key: p.meta["first_level"] for p in (skill.problem(4, rng) for _ in range(20_000))}
    assert first["add(①, ①)"] == 1
    assert first["add(①①, ①⓪⓪)"] == 2
    assert first["increment(①)"] == 3
    assert first["multiply(①①, ①)"] == 1
    assert first["multiply(①①, ①①)"] == 4


@pytest.mark.parametrize("level", [-1, 0, 31, 10**9])
def test_a_level_that_does_not_exist_is_refused(level: int) -> None:
    for call in (SKILL.problem, SKILL.lesson):
        with pytest.raises(UsageError, match=f"bin has no level {level}"):
            call(level, random.Random(0))
    with pytest.raises(UsageError):
        SKILL.space(level)


@pytest.mark.parametrize("level", OPEN)
def test_training_and_evals_share_no_key_whatever_the_seeds_and_the_wording(level: int) -> None:
    lessons = [lesson for seed in range(3) for lesson in itertools.islice(draws(SKILL, level, seed, "train"), 300)]
    evals = [problem for seed in range(3) for problem in sample(SKILL, level, 50, seed, "eval")]
    assert len({problem.key for problem in evals[:50]}) == 50
    assert not {problem.key for problem in lessons} & {problem.key for problem in evals}
    assert {split_of("bin", problem.key) for problem in lessons} == {"train"}
    assert not {problem.key for problem in evals} & {SKILL.problem(4, random.Random(n)).key for n in range(500)}
