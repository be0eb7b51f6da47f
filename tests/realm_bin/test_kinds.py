from __future__ import annotations

import random
import re

import pytest

from realm_bin.calls import Call
from realm_bin.kinds import fill_the_blank, find_the_error, misprinted, true_or_false
from realm_bin.operations import OPERATIONS, SOLVABLE
from realm_bin_forms import LEVELS, Form, problems

FORMS = {kind: Form("", kind, False) for kind in ("find-the-error", "fill-the-blank", "true-or-false")}
PLAIN = Form("", "", False)


def call(name: str, *operands: int, bits: int = 3) -> Call:
    return Call(OPERATIONS[name], operands, bits)


def asked_of(prompt: str, head: str) -> str:
    """The call of a prompt as replies write it, and what stands behind the equals sign."""
    asked = prompt.removeprefix(f"{head}: ")
    assert asked != prompt
    return re.sub(r", \d+\)(?= = )", ")", asked) if "signed(" in asked or re.match("negate|abs|sign", asked) else asked


def test_the_kinds_read_as_documented() -> None:
    rng = random.Random(0)
    found = {find_the_error(call("add", 3, 1), rng) for _ in range(50)}
    assert found == {
        ("Find the error: add(①①, ①) = ①⓪①", "add(①①, ①) = ①⓪⓪\nPosition: 0"),
        ("Find the error: add(①①, ①) = ①①⓪", "add(①①, ①) = ①⓪⓪\nPosition: 1"),
    }
    filled = {fill_the_blank(call("add", 3, 1), rng) for _ in range(50)}
    assert filled == {
        ("Fill the blank: add(___, ①) = ①⓪⓪", "add(①①, ①) = ①⓪⓪\nBlank: ①①"),
        ("Fill the blank: add(①①, ___) = ①⓪⓪", "add(①①, ①) = ①⓪⓪\nBlank: ①"),
        ("Fill the blank: add(①①, ①) = ___", "add(①①, ①) = ①⓪⓪\nBlank: ①⓪⓪"),
    }
    assert {fill_the_blank(call("minimum", 3, 1), rng)[0] for _ in range(50)} == {
        "Fill the blank: minimum(①①, ①) = ___"
    }
    doubted = {true_or_false(call("negate", 3), rng) for _ in range(200)}
    assert doubted == {
        (
            f"True or false: negate(⓪①①, 3) = {told}",
            f"negate(⓪①①) = ①⓪①\nVerdict: {'true' if told == '①⓪①' else 'false'}",
        )
        for told in ("①⓪①", "①⓪⓪", "①①①", "⓪⓪①")
    }


@pytest.mark.parametrize("level", LEVELS)
def test_exactly_one_digit_is_wrong_and_the_position_is_its(level: int) -> None:
    for problem in problems(FORMS["find-the-error"], level, 60):
        equation, position = problem.answer.split("\nPosition: ")
        wrong = asked_of(problem.prompt, "Find the error")
        assert len(wrong) == len(equation)
        different = [place for place, pair in enumerate(zip(wrong, equation, strict=True)) if pair[0] != pair[1]]
        assert different == [len(equation) - 1 - int(position)]
        result = wrong.rpartition(" = ")[2]
        assert re.fullmatch("[⓪①]+" if "⓪" in result or "①" in result else "[0-9]+", result)


@pytest.mark.parametrize("level", LEVELS)
def test_the_blank_has_one_solution(level: int) -> None:
    for problem in problems(FORMS["fill-the-blank"], level, 60):
        equation, value = problem.answer.split("\nBlank: ")
        assert problem.prompt.count("___") == 1
        assert asked_of(problem.prompt, "Fill the blank").replace("___", value) == equation


@pytest.mark.parametrize("name", SOLVABLE)
def test_no_other_operand_solves_what_is_blanked(name: str) -> None:
    operation, bits = OPERATIONS[name], 4
    values = range(-8, 8) if operation.signed else range(16)
    calls = [(a, b) for a in values for b in values] if operation.arity == 2 else [(a,) for a in values]
    allowed = {operands for operands in calls if operation.fit(operands) == operands}
    seen: dict[tuple[int, str], tuple[int, ...]] = {}
    for operands in sorted(allowed):
        one = Call(operation, operands, bits)
        for place in range(operation.arity):
            texts = [*one.texts(), one.result()]
            question = (place, " ".join([*texts[:place], "___", *texts[place + 1 :]]))
            assert seen.setdefault(question, operands) == operands


@pytest.mark.parametrize("level", LEVELS)
def test_the_verdict_is_true_every_other_time_and_right(level: int) -> None:
    verdicts = []
    for problem in problems(FORMS["true-or-false"], level, 100):
        equation, verdict = problem.answer.split("\nVerdict: ")
        assert (asked_of(problem.prompt, "True or false") == equation) is (verdict == "true")
        verdicts.append(verdict)
    assert 25 <= verdicts.count("true") <= 75
    assert set(verdicts) == {"true", "false"}


@pytest.mark.parametrize("level", LEVELS)
def test_the_right_equation_is_that_of_the_call(level: int) -> None:
    plain = [problem.answer for problem in problems(PLAIN, level, 60)]
    for form in FORMS.values():
        assert [problem.answer.partition("\n")[0] for problem in problems(form, level, 60)] == plain


def test_a_leading_zero_never_gives_the_error_away() -> None:
    rng = random.Random(0)
    for one in (call("add", 5, 6), call("multiply_by_2", 7), call("todecimal", 1000)):
        results = {misprinted(one, rng)[0] for _ in range(500)}
        assert {result[0] for result in results} == {one.result()[0]}
        assert len(results) >= len(one.result()) - 1
    signed = {misprinted(call("negate", 3), rng)[0] for _ in range(200)}
    assert {result[0] for result in signed} == {"⓪", "①"}
    assert {misprinted(call("equals", 1, 1), rng)[0] for _ in range(20)} == {"⓪"}
    assert {misprinted(call("todecimal", 5), rng)[0] for _ in range(500)} == set("012346789")
