from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from realm_bin.skill import BinSkill
from realm_bin.symbols import BITS, SIGNS
from realm_bin_forms import FORMS, Form, problems
from realm_cli.skills import Problem

SKILL = BinSkill()
GOLDEN = {form: [problem for level in (1, 5, 8, 30) for problem in problems(form, level, 3)] for form in FORMS}
PIECES = [
    "⓪", "①", "②", "0", "1", "-", "(", ")", ",", " = ", "=", ":", "\n", " ", "\t", "<think>", "</think>", "Result: ",
    "Final: ", "Blank: ", "Position: ", "Verdict: ", "Verification: ", "true", "false", "add", "Compute: ", "Key: ",
    "\u0660", "\ud800", "\u200b", *BITS, *SIGNS,
]  # fmt: skip
REPLIES = some.text() | some.lists(some.sampled_from(PIECES)).map("".join)


def squeezed(text: str) -> str:
    """Without white space and leading thinking."""
    while text.lstrip().startswith("<think>"):
        text = text.partition("</think>")[2]
    return "".join(text.split())


@pytest.mark.parametrize("form", FORMS, ids=str)
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(reply=REPLIES, place=some.integers(0, 11))
def test_the_judge_never_raises_and_accepts_nothing_but_the_answer(form: Form, reply: str, place: int) -> None:
    problem = GOLDEN[form][place]
    verdict = SKILL.judge(problem, reply)
    right = [squeezed(problem.answer)] + ([] if "\n" in problem.answer else [problem.answer.rpartition(" = ")[2]])
    assert not verdict.correct or squeezed(reply) in right
    assert verdict.reason
    SKILL.judge(Problem(reply, reply, ""), problem.answer)
    SKILL.judge(Problem(problem.prompt, reply, "", {"form": reply}), reply)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_damaged_golden_answers_raise_nothing_and_are_wrong(form: Form) -> None:
    rng = random.Random(str(form))
    for problem in GOLDEN[form] * 20:
        letters = list(problem.answer)
        for _ in range(rng.randint(1, 4)):
            letters[rng.randrange(len(letters))] = rng.choice(PIECES)
        reply = "".join(letters)
        if squeezed(reply) != squeezed(problem.answer):
            assert not SKILL.judge(problem, reply).correct
