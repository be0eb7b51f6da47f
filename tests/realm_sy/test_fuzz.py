from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from realm_sy.formats import FORMATS
from realm_sy.judge import judge

SOLVED = [("pow", "er"), ("sea",), ("an", "i", "mal")]
PIECES = [
    "[",
    "]",
    "{",
    "}",
    '"',
    ":",
    ",",
    "|",
    "-",
    "\n",
    "```",
    "<think>",
    "</think>",
    "1.",
    "#",
    "Word",
    "POWER",
    " ",
]


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(reply=some.text() | some.lists(some.sampled_from(PIECES)).map("".join))
def test_the_judge_never_raises(form: str, reply: str) -> None:
    golden = FORMATS[form].write(SOLVED)
    assert not judge(golden, reply).correct
    judge(reply, golden)


@pytest.mark.parametrize("form", FORMATS)
def test_damaged_golden_replies_raise_nothing(form: str) -> None:
    golden, rng = FORMATS[form].write(SOLVED), random.Random(form)
    for _ in range(300):
        letters = list(golden)
        for _ in range(rng.randint(1, 4)):
            letters[rng.randrange(len(letters))] = rng.choice(PIECES)
        judge(golden, "".join(letters))
