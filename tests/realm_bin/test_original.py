"""The original's items and its hero's real output, judged here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from realm_bin.calls import Call
from realm_bin.levels import bits_of
from realm_bin.operations import OPERATIONS
from realm_bin.skill import BinSkill
from realm_bin.wording import answer_of, prompt_of
from realm_bin_forms import FORMS, problems
from realm_cli.skills import Problem

pytestmark = pytest.mark.reference

SKILL = BinSkill()
DEFECTS = {
    "level 12 item 1": "⬇️ is decrement and minimum",
    "level 15 item 1": "the key has no word for todecimal, which is used",
    "level 15 item 2": "⬇️ is decrement and minimum",
    "level 20 item 1": "the key has no word for decrement, which is used",
    "level 20 item 3": "the key has no word for add, which is used",
    "level 25 item 3": "⬆️ is increment and maximum",
    "level 30 item 5": "the key has no word for todecimal, which is used",
    "level 01 item 2": "the same as level 01 item 1",
    "level 01 item 3": "the same as level 01 item 1",
}
"""What is wrong with the original's items. Their golden answers are right all the same, and so they are accepted."""


class Item(NamedTuple):
    """One of the original's problems."""

    name: str
    problem: Problem
    key: list[tuple[str, str]]
    """Symbol and meaning, in order; empty for a problem in digits."""

    @property
    def call(self) -> str:
        """What is to compute."""
        return self.problem.prompt.rpartition("Compute: ")[2]

    @property
    def bits(self) -> list[str]:
        """How zero and one are written."""
        return [symbol for symbol, _ in self.key[:2]] or ["⓪", "①"]


def files(original: Path, pattern: str) -> list[Path]:
    found = sorted(original.glob(pattern))
    assert found, f"no {pattern} in {original}"
    return found


def items(original: Path) -> Iterator[Item]:
    for path in files(original, "bin/level_*.json"):
        for number, found in enumerate(json.loads(path.read_text("utf-8"))["problems"], 1):
            lines = [line.strip() for line in found["prompt"].split("\n") if line.startswith("  ")]
            key = [(symbol, meaning) for symbol, _, meaning in (line.partition(" = ") for line in lines)]
            name = f"{path.stem.replace('_', ' ')} item {number}"
            yield Item(name, Problem(found["prompt"], found["expected"], ""), key)


def defect_of(item: Item, earlier: dict[str, str]) -> str:
    """What is wrong with an item."""
    if item.problem.prompt in earlier:
        return f"the same as {earlier[item.problem.prompt]}"
    symbols = Counter(symbol for symbol, _ in item.key)
    for symbol, count in symbols.items():
        if count > 1:
            return f"{symbol} is {' and '.join(meaning for one, meaning in item.key if one == symbol)}"
    used = item.call.partition("(")[0]
    return f"the key has no word for {used}, which is used" if item.key and used not in symbols else ""


def test_the_known_defects_of_the_original_s_items_are_all_that_there_are(original: Path) -> None:
    found, earlier = {}, dict[str, str]()
    for item in items(original):
        defect = defect_of(item, earlier)
        if defect:
            found[item.name] = defect
        earlier.setdefault(item.problem.prompt, item.name)
    assert found == DEFECTS


def test_the_originals_answers_are_right_and_echoes_and_changed_values_wrong(original: Path) -> None:
    seen = Counter[bool]()
    for item in items(original):
        seen[bool(item.key)] += 1
        problem, answer, bits = item.problem, item.problem.answer, item.bits
        assert SKILL.judge(problem, answer).correct, item.name
        result = answer.rpartition(" = ")[2]
        assert SKILL.judge(problem, result).correct
        for reply in (
            "",
            " ",
            problem.prompt,
            item.call,
            f"{item.call} =",
            f"{answer}{bits[1]}",
            f"{answer} {bits[0]}",
        ):
            assert not SKILL.judge(problem, reply).correct, item.name
        changed = 0
        for place, old in enumerate(answer):
            if old in bits or old.isalnum():
                new = bits[1 - bits.index(old)] if old in bits else "7" if old != "7" else "8"
                assert not SKILL.judge(problem, answer[:place] + new + answer[place + 1 :]).correct, item.name
                changed += 1
        assert changed > 1
    assert seen == {False: 32, True: 23}


def test_the_golden_answers_of_the_original_are_true(original: Path) -> None:
    for item in items(original):
        zero, one = item.bits
        meanings = dict(item.key[2:])
        name, _, rest = item.call.removesuffix(")").partition("(")
        texts = [text.replace(zero, "0").replace(one, "1") for text in rest.split(", ")]
        operation = OPERATIONS[meanings.get(name, name)]
        values = [int(text, 10 if operation.name == "tobinary" else 2) for text in texts]
        call = Call(operation, tuple(values), 32)
        told = item.problem.answer.rpartition(" = ")[2]
        assert told.replace(zero, "⓪").replace(one, "①") == call.result(), item.name


def test_we_ask_and_answer_like_the_original(original: Path) -> None:
    for item in items(original):
        if not item.key:
            call = read(item.call)
            assert (prompt_of(call, ""), answer_of(call, "")) == (item.problem.prompt, item.problem.answer)


def read(text: str) -> Call:
    """The unsigned call that a prompt writes."""
    name, _, rest = text.removesuffix(")").partition("(")
    digits = rest.replace("⓪", "0").replace("①", "1").split(", ")
    return Call(OPERATIONS[name], tuple(int(value, 10 if name == "tobinary" else 2) for value in digits), 32)


def rows(original: Path) -> list[dict[str, Any]]:
    (path,) = files(original, "bin/val_binary_easy_100.jsonl")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_answers_in_the_older_syntax_are_accepted_and_changed_ones_are_not(original: Path) -> None:
    for row in rows(original):
        problem = Problem(row["user_prompt"], row["assistant_response"], "")
        assert SKILL.judge(problem, problem.answer).correct, row["id"]
        assert not any(SKILL.judge(problem, reply).correct for reply in ("", problem.prompt)), row["id"]
        for place, old in enumerate(problem.answer):
            if old.isalnum():
                changed = problem.answer[:place] + ("①" if old != "①" else "⓪") + problem.answer[place + 1 :]
                assert not SKILL.judge(problem, changed).correct, row["id"]
    assert len(rows(original)) == 100


def test_real_degenerate_output_is_wrong_and_raises_nothing(original: Path) -> None:
    for path in files(original, "preview_history/*.json"):
        for result in json.loads(path.read_text("utf-8"))["results"]:
            for form in FORMS:
                for problem in (problem for level in (1, 9, 30) for problem in problems(form, level, 3)):
                    for text in (result["generated"], result["prompt"], result["expected"], path.read_text("utf-8")):
                        assert not SKILL.judge(problem, text).correct


def test_levels_are_as_wide_as_the_originals(original: Path) -> None:
    for path in files(original, "bin/level_*.json"):
        facts = json.loads(path.read_text("utf-8"))
        assert bits_of(facts["level"]) == facts["bits"]
