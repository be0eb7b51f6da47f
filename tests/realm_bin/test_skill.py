from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest

from realm_bin.levels import MAX_LEVEL
from realm_bin.skill import BinSkill
from realm_cli.manager import Manager
from realm_cli.skills import Problem

SKILL = BinSkill()
LEVELS = range(1, MAX_LEVEL + 1)
COMPUTE: dict[str, Callable[..., int]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "increment": lambda a: a + 1,
    "decrement": lambda a: a - 1,
}


def problems(level: int, count: int) -> list[Problem]:
    rng = random.Random(f"test {level}")
    return [SKILL.problem(level, rng) for _ in range(count)]


def number(circled: str) -> int:
    """The value of circled digits, read without the plugin's help."""
    assert re.fullmatch("⓪|①[⓪①]*", circled), f"{circled} is not of natural width"
    return int(circled.translate({ord("⓪"): "0", ord("①"): "1"}), 2)


@pytest.mark.parametrize("level", LEVELS)
def test_every_golden_answer_is_true_and_of_natural_width(level: int) -> None:
    for problem in problems(level, 200):
        match = re.fullmatch(r"((\w+)\((.*)\)) = (.*)", problem.answer)
        assert match is not None
        call, name, operands, result = match.groups()
        assert problem.prompt == f"Compute: {call}"
        assert problem.key == call
        assert number(result) == COMPUTE[name](*[number(operand) for operand in operands.split(", ")])


def test_prompt_and_answer_read_as_documented() -> None:
    asked = next(p for p in problems(1, 1_000) if p.key == "add(①①, ①)")
    assert asked == Problem(
        prompt="Compute: add(①①, ①)",
        answer="add(①①, ①) = ①⓪⓪",
        key="add(①①, ①)",
        meta={"operation": "add", "first_level": 1},
    )


@pytest.mark.parametrize("level", LEVELS)
def test_golden_scores_all_and_echo_and_silence_score_nothing(level: int) -> None:
    for problem in problems(level, 200):
        call, _, result = problem.answer.partition(" = ")
        assert SKILL.judge(problem, problem.answer).correct
        assert SKILL.judge(problem, result).correct
        assert not any(SKILL.judge(problem, reply).correct for reply in (problem.prompt, call, f"{call} =", "", " \n"))


def mutations(text: str) -> list[str]:
    """The text with one digit or letter changed, left out, or put in, at every place."""
    found = []
    for place, old in enumerate(text):
        if old.isspace() or old in "(),=":
            continue
        others = "⓪①" if old in "⓪①" else "aZ0①"
        found += [text[:place] + new + text[place + 1 :] for new in others if new != old]
        found += [text[:place] + text[place + 1 :], text[:place] + old + text[place:]]
    return [mutation for mutation in found if mutation != text]


@pytest.mark.parametrize("level", LEVELS)
def test_one_changed_digit_or_letter_anywhere_is_wrong(level: int) -> None:
    for problem in problems(level, 30):
        result = problem.answer.partition(" = ")[2]
        for golden in (problem.answer, result):
            wrong = [reply for reply in mutations(golden) if SKILL.judge(problem, reply).correct]
            assert wrong == []


def test_the_same_seed_gives_the_same_problems() -> None:
    assert [problems(level, 50) for level in LEVELS] == [problems(level, 50) for level in LEVELS]


def test_the_skill_is_found_through_its_entry_point() -> None:
    skill = Manager.load().skill("bin")
    assert (skill.id, skill.max_level) == ("bin", 30)
