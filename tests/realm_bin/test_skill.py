from __future__ import annotations

import itertools
import operator
import random
import re
from collections.abc import Callable, Iterator

import pytest

from realm_bin.settings import MAX_LEVEL
from realm_bin.skill import BinSkill
from realm_bin.wording import TAGS
from realm_cli.manager import Manager
from realm_cli.skills import Problem

SKILL = BinSkill()
LEVELS = range(1, MAX_LEVEL + 1)
SKILLS = {
    tag: BinSkill({"mix": {1: mix}, "eval_mix": mix, "symbols": {1: 0}})
    for tag, mix in zip(TAGS, ([100, 0, 0, 0], [0, 100, 0, 0], [0, 0, 100, 0], [0, 0, 0, 100]), strict=True)
}
UNSIGNED: dict[str, Callable[..., int]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "increment": lambda a: a + 1,
    "decrement": lambda a: a - 1,
    "multiply_by_2": lambda a: a << 1,
    "divide_by_2": lambda a: a >> 1,
    "equals": operator.eq,
    "lessthan": operator.lt,
    "greaterthan": operator.gt,
    "minimum": min,
    "maximum": max,
    "tobinary": int,
    "todecimal": int,
}
SIGNED: dict[str, Callable[..., int]] = {
    "add_signed": operator.add,
    "subtract_signed": operator.sub,
    "multiply_signed": operator.mul,
    "negate": operator.neg,
    "absolute_value": abs,
    "sign_of": lambda a: (a > 0) - (a < 0),
}


def problems(level: int, count: int, tag: str = "") -> list[Problem]:
    rng = random.Random(f"test {level} {tag}")
    return [SKILLS[tag].problem(level, rng) for _ in range(count)]


def bits_in(text: str) -> str:
    """The digits of a circled value as ASCII."""
    assert re.fullmatch("[⓪①]+", text), text
    return text.translate({ord("⓪"): "0", ord("①"): "1"})


def natural(text: str) -> int:
    """The value of circled digits, read without the plugin's help."""
    assert re.fullmatch("⓪|①[⓪①]*", text), f"{text} is not of natural width"
    return int(bits_in(text), 2)


def evaluated(text: str) -> int:
    """The value of an unsigned call or operand."""
    if "(" not in text:
        return int(text) if text.isascii() else natural(text)
    name, _, inside = text.removesuffix(")").partition("(")
    # Only one argument is a call, so a comma outside of its brackets parts two arguments.
    arguments = re.findall(r"\w+\([^()]*\)|[^(), ]+", inside)
    return int(UNSIGNED[name](*map(evaluated, arguments)))


def check_signed(name: str, operands: list[str], result: str, width: int) -> None:
    assert {len(operand) for operand in operands} == {width}
    values = [int(bits_in(operand), 2) - (1 << width if operand[0] == "①" else 0) for operand in operands]
    wide = 2 * width if name == "multiply_signed" else width
    assert int(bits_in(result), 2) == SIGNED[name](*values) % (1 << wide)
    assert len(result) == wide


@pytest.mark.parametrize("level", LEVELS)
def test_every_golden_answer_is_true(level: int) -> None:
    for problem in problems(level, 300):
        call, _, result = problem.answer.partition(" = ")
        assert problem.key == call
        name, _, inside = call.removesuffix(")").partition("(")
        if name in SIGNED:
            width = 32 if level == 30 else level + 1
            assert problem.prompt == f"Compute: {name}({inside}, {width})"
            check_signed(name, inside.split(", "), result, width)
        else:
            assert problem.prompt == f"Compute: {call}"
            assert evaluated(call) == (int(result) if name == "todecimal" else natural(result))


@pytest.mark.parametrize("level", LEVELS)
def test_every_wording_asks_for_the_same_call_and_gives_the_same_result(level: int) -> None:
    rngs = [random.Random(level) for _ in TAGS]
    for _ in range(60):
        plain, *tagged = [SKILLS[tag].problem(level, rng) for tag, rng in zip(TAGS, rngs, strict=True)]
        result = plain.answer.rpartition(" = ")[2]
        for tag, problem in zip(TAGS[1:], tagged, strict=True):
            assert problem.prompt == plain.prompt.replace("Compute:", f"Compute [{tag}]:")
            assert (problem.key, problem.meta) == (plain.key, plain.meta)
        verify, work, trace = [problem.answer.split("\n") for problem in tagged]
        assert (verify[0], verify[1][:14], len(verify)) == (plain.answer, "Verification: ", 2)
        assert (work[0], work[-1], len(work) > 2) == (plain.key, f"Result: {result}", True)
        assert (trace[0], trace[1][:10], trace[-1]) == (plain.key, "Operands: ", f"Final: {result}")
        assert len(trace) > 3


@pytest.mark.parametrize("level", LEVELS)
def test_verifications_are_true(level: int) -> None:
    functions = {"min": min, "max": max, "sign": SIGNED["sign_of"]}
    for problem in problems(level, 100, "verify"):
        for equation in problem.answer.partition("Verification: ")[2].split(", "):
            # min(3, 1) is parted as well; its pieces are checked with the whole of the golden answers.
            if equation.count("(") != equation.count(")"):
                continue
            left, _, right = equation.rpartition(" is " if " is " in equation else " = ")
            python = re.sub(r"\|(-?\d+)\|", r"abs(\1)", left).replace(" = ", " == ")
            value = eval(python, {"__builtins__": {"abs": abs}}, functions)
            assert value == (right == "true" if right in ("true", "false") else eval(right))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("tag", TAGS)
def test_golden_scores_all_and_echo_and_silence_score_nothing(level: int, tag: str) -> None:
    for problem in problems(level, 50, tag):
        call = problem.prompt.partition(": ")[2]
        assert SKILL.judge(problem, problem.answer).correct
        assert SKILL.judge(problem, f"<think>\nwell\n</think>\n{problem.answer}\n").correct
        for reply in (problem.prompt, call, problem.key, f"{problem.key} =", "", " \n"):
            assert not SKILL.judge(problem, reply).correct


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("tag", TAGS)
def test_a_bare_result_is_right_without_a_tag_only(level: int, tag: str) -> None:
    for problem, plain in zip(problems(level, 50, tag), itertools.repeat(SKILLS[""])):
        result = SKILLS[tag].judge(problem, problem.answer).parsed
        assert plain.judge(problem, result).correct is (tag == "")


def changed_characters(text: str) -> Iterator[str]:
    """The text with one digit or letter of it changed, at every place."""
    for place, old in enumerate(text):
        if old.isalnum() or old == "_":
            new = {"⓪": "①", "①": "⓪"}.get(old) or (str(9 - int(old)) if old.isdecimal() else "z")
            yield text[:place] + new + text[place + 1 :]


def changed_lengths(text: str) -> Iterator[str]:
    """The text with one digit or letter left out, written twice, or followed by another, at every place."""
    for place, old in enumerate(text):
        if old.isalnum():
            yield text[:place] + text[place + 1 :]
            yield from (text[:place] + old + more + text[place + 1 :] for more in (old, "①", "0", "a"))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("tag", TAGS)
def test_one_changed_digit_or_letter_anywhere_is_wrong(level: int, tag: str) -> None:
    for problem in problems(level, 3 if tag else 25, tag):
        assert not any(SKILL.judge(problem, reply).correct for reply in changed_characters(problem.answer))


@pytest.mark.parametrize("level", LEVELS)
def test_digits_more_or_fewer_are_wrong(level: int) -> None:
    for problem in problems(level, 10):
        result = problem.answer.partition(" = ")[2]
        for golden in (problem.answer, result):
            assert not any(SKILL.judge(problem, reply).correct for reply in changed_lengths(golden))
    for problem in problems(level, 3, "verify"):
        assert not any(SKILL.judge(problem, reply).correct for reply in changed_lengths(problem.answer))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("tag", TAGS)
def test_replies_that_only_resemble_the_answer_are_wrong(level: int, tag: str) -> None:
    for problem, other in itertools.pairwise(problems(level, 30, tag)):
        if problem.key == other.key:
            continue
        lines = problem.answer.split("\n")
        for reply in (
            f"{problem.answer}①", f"{problem.answer} ①", f"{problem.answer}.", f"{problem.answer}\nDone.",
            f"The answer is {problem.answer}", f"{problem.prompt}\n{problem.answer}", f"{problem.answer}\n{problem.answer}",
            problem.answer.replace(problem.key, other.key, 1), other.answer, problem.answer.upper(),
        ):  # fmt: skip
            assert not SKILL.judge(problem, reply).correct
        for missing in range(len(lines)):
            assert not SKILL.judge(problem, "\n".join(lines[:missing] + lines[missing + 1 :])).correct
        for order in ([*lines[1:], lines[0]], lines[::-1]):
            assert SKILL.judge(problem, "\n".join(order)).correct is (order == lines)


def test_the_call_in_the_reply_has_no_width() -> None:
    (problem,) = [p for p in problems(11, 100) if p.meta["kind"] == "negate"][:1]
    with_width = problem.answer.replace(")", ", 12)")
    assert problem.prompt.endswith(", 12)")
    assert not SKILL.judge(problem, with_width).correct


def test_prompt_and_answer_read_as_documented() -> None:
    asked = next(p for p in problems(1, 1_000) if p.key == "add(①①, ①)")
    assert asked == Problem(
        prompt="Compute: add(①①, ①)",
        answer="add(①①, ①) = ①⓪⓪",
        key="add(①①, ①)",
        meta={"kind": "add", "first_level": 1},
    )


def test_evals_are_easy_and_lessons_mixed_by_default() -> None:
    rng = random.Random(0)
    asked = [SKILL.problem(level, rng).prompt.rpartition("\n")[2] for level in LEVELS for _ in range(20)]
    assert all(line.startswith("Compute: ") for line in asked)
    lessons = [SKILL.lesson(26, rng).prompt.rpartition("\n")[2].partition(":")[0] for _ in range(8_000)]
    computed = [line for line in lessons if line.startswith("Compute")]
    shares = [computed.count(kind) / len(computed) for kind in ("Compute", *(f"Compute [{tag}]" for tag in TAGS[1:]))]
    assert all(abs(share - wanted) < 0.03 for share, wanted in zip(shares, (0.15, 0.25, 0.35, 0.25), strict=True))


def test_the_same_seed_gives_the_same_problems() -> None:
    def lessons(level: int) -> list[Problem]:
        rng = random.Random(level)
        return [BinSkill().lesson(level, rng) for _ in range(20)]

    assert [lessons(level) for level in LEVELS] == [lessons(level) for level in LEVELS]


def test_the_skill_is_found_through_its_entry_point() -> None:
    skill = Manager.load().skill("bin")
    assert (skill.id, skill.max_level) == ("bin", 30)
