from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from realm_bin.levels import checked_levels
from realm_bin.operations import NAMES
from realm_bin.settings import Settings, at, parse
from realm_bin.skill import BinSkill
from realm_cli.errors import FormatError
from realm_cli.skills import is_closed

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "configs" / "skills" / "bin.yaml"


def test_the_shipped_settings_are_the_defaults() -> None:
    shipped = yaml.safe_load(SHIPPED.read_text("utf-8"))["settings"]
    assert parse(shipped, "bin.yaml") == Settings()
    assert set(shipped) == set(Settings.__struct_fields__)


def test_the_template_of_a_new_realm_ships_the_same_file() -> None:
    assert (ROOT / "realm_cli" / "template" / "configs" / "skills" / "bin.yaml").read_bytes() == SHIPPED.read_bytes()


def test_every_operation_is_drawn_somewhere() -> None:
    assert {name for weights in Settings().operations.values() for name in weights} == set(NAMES)


def test_an_entry_counts_from_its_level_up_to_the_next() -> None:
    table = {1: "a", 6: "b", 11: "c"}
    assert [at(table, level) for level in (1, 5, 6, 10, 11, 30)] == ["a", "a", "b", "b", "c", "c"]


def test_a_skill_with_other_settings_draws_and_words_accordingly() -> None:
    skill = BinSkill().configured(
        {
            "operations": {1: {"add": 3, "maximum": 1}},
            "practice": {"maximum": 3},
            "mix": {1: [0, 50, 0, 50]},
            "eval_mix": [0, 0, 100, 0],
            "kinds": {1: [100, 0, 0, 0]},
            "symbols": {1: 0},
        },
        "bin.yaml",
    )
    rng = random.Random(0)
    lessons = [skill.lesson(9, rng) for _ in range(2_000)]
    evals = [skill.problem(9, rng) for _ in range(2_000)]
    practised, asked = (Counter(problem.meta["kind"] for problem in drawn) for drawn in (lessons, evals))
    assert set(practised) == set(asked) == {"add", "maximum"}
    assert 2.5 < asked["add"] / asked["maximum"] < 3.6
    assert 0.8 < practised["add"] / practised["maximum"] < 1.2
    assert {problem.prompt.partition(":")[0] for problem in lessons} == {"Compute [verify]", "Compute [trace]"}
    assert {problem.prompt.partition(":")[0] for problem in evals} == {"Compute [show-work]"}
    assert BinSkill().space(9) != skill.space(9)


def test_closed_tables_hold_only_what_the_settings_draw() -> None:
    skill = BinSkill({"operations": {1: {"tobinary": 1, "multiply": 5}, 3: {"add": 1}}, "multiply_bits": {1: 1}})
    assert [skill.space(level) for level in (1, 2, 3)] == [4 + 8, 8 + 16, 256]


@pytest.mark.parametrize(
    ("settings", "problem", "hint"),
    [
        ({"operatoins": {}}, "unknown key 'settings.operatoins'", "did you mean 'operations'?"),
        ({7: {}}, "unknown key 'settings.7'", "known: eval_kinds, eval_mix, kinds, mix, multiply_bits, operations, practice, symbols"),
        (
            {"operations": {1: {"add": 1}, 4: {"substract": 1}}},
            "settings.operations.4: unknown operation 'substract'",
            "did you mean 'subtract'?",
        ),
        ({"practice": {"ad": 2}}, "settings.practice: unknown operation 'ad'", "did you mean 'add'?"),
        ({"operations": {1: {}}}, "settings.operations.1 names no operation", f"known: {', '.join(NAMES)}"),
        ({"operations": {2: {"add": 1}}}, "settings.operations says nothing for level 1", "let its first entry start at 1"),
        ({"operations": {}}, "settings.operations says nothing for level 1", "let its first entry start at 1"),
        ({"mix": {1: [100, 0, 0, 0], 31: [100, 0, 0, 0]}}, "settings.mix names level 31", "entries start at a level from 1 to 30"),
        ({"multiply_bits": {1: 2, 0: 2}}, "settings.multiply_bits names level 0", "entries start at a level from 1 to 30"),
        (
            {"mix": {1: [50, 50, 50, 0]}}, "settings.mix.1 is [50, 50, 50, 0]",
            "give percentages of no tag, verify, show-work, trace that add up to 100",
        ),
        (
            {"eval_mix": [200, -100, 0, 0]}, "settings.eval_mix is [200, -100, 0, 0]",
            "give percentages of no tag, verify, show-work, trace that add up to 100",
        ),
        (
            {"kinds": {1: [100, 0, 0, 0], 9: [50, 0, 0, 0]}}, "settings.kinds.9 is [50, 0, 0, 0]",
            "give percentages of compute, find-the-error, fill-the-blank, true-or-false that add up to 100",
        ),
        (
            {"eval_kinds": [0, 0, 0, 0]}, "settings.eval_kinds is [0, 0, 0, 0]",
            "give percentages of compute, find-the-error, fill-the-blank, true-or-false that add up to 100",
        ),
        ({"symbols": {8: 75}}, "settings.symbols says nothing for level 1", "let its first entry start at 1"),
        (
            {"operations": {1: {"add": 1}, 8: {"increment": 1}}},
            "settings.operations give level 8 only 512 problems, and level 7 has 49,152",
            "only the first levels can have fewer than 5,000; give level 8 more operations",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_what_to_do(settings: dict[Any, Any], problem: str, hint: str) -> None:
    with pytest.raises(FormatError) as error:
        BinSkill().configured(settings, "bin.yaml")
    assert error.value.message == f"bin.yaml: {problem}"
    assert error.value.hint == hint


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"operations": {1: {"add": 0}}}, "settings.operations"),
        ({"operations": {1: {"add": "much"}}}, "settings.operations"),
        ({"operations": ["add"]}, "settings.operations"),
        ({"operations": {"one": {"add": 1}}}, "settings.operations"),
        ({"multiply_bits": {1: 33}}, "settings.multiply_bits"),
        ({"mix": {1: [100, 0, 0]}}, "settings.mix"),
        ({"eval_mix": None}, "settings.eval_mix"),
        ({"kinds": {1: [100, 0, 0]}}, "settings.kinds"),
        ({"symbols": {1: 101}}, "settings.symbols"),
        ({"symbols": 75}, "settings.symbols"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(FormatError, match=f"bin.yaml: {key}"):
        checked_levels(settings, "bin.yaml")


def test_a_level_of_few_operations_may_be_closed_with_values_of_full_width_alone() -> None:
    skill = BinSkill({"operations": {1: {"add": 1, "subtract": 1}}})
    assert skill.space(5) == 32 * 96 + sum(range(33, 65))
    assert is_closed(skill, 5)
    assert not is_closed(skill, 6)
