from __future__ import annotations

import pytest

from realm_bin.calls import Call
from realm_bin.operations import OPERATIONS
from realm_bin.wording import TAGS, answer_of, prompt_of


def call(name: str, *operands: int, bits: int = 3) -> Call:
    return Call(OPERATIONS[name], operands, bits)


@pytest.mark.parametrize(
    ("asked", "prompt", "answer", "verification"),
    [
        (call("add", 3, 1), "add(①①, ①)", "add(①①, ①) = ①⓪⓪", "3 + 1 = 4"),
        (call("subtract", 4, 3), "subtract(①⓪⓪, ①①)", "subtract(①⓪⓪, ①①) = ①", "4 - 3 = 1"),
        (call("multiply", 3, 5), "multiply(①①, ①⓪①)", "multiply(①①, ①⓪①) = ①①①①", "3 * 5 = 15"),
        (call("increment", 3), "increment(①①)", "increment(①①) = ①⓪⓪", "3 + 1 = 4"),
        (call("decrement", 4), "decrement(①⓪⓪)", "decrement(①⓪⓪) = ①①", "4 - 1 = 3"),
        (call("multiply_by_2", 3), "multiply_by_2(①①)", "multiply_by_2(①①) = ①①⓪", "3 * 2 = 6"),
        (call("divide_by_2", 7), "divide_by_2(①①①)", "divide_by_2(①①①) = ①①", "7 = 2 * 3 + 1"),
        (call("tobinary", 5), "tobinary(5)", "tobinary(5) = ①⓪①", "4 + 1 = 5"),
        (call("tobinary", 0), "tobinary(0)", "tobinary(0) = ⓪", "0 = 0"),
        (call("todecimal", 5), "todecimal(①⓪①)", "todecimal(①⓪①) = 5", "4 + 1 = 5"),
        (call("equals", 3, 3), "equals(①①, ①①)", "equals(①①, ①①) = ①", "3 = 3 is true"),
        (call("lessthan", 3, 1), "lessthan(①①, ①)", "lessthan(①①, ①) = ⓪", "3 < 1 is false"),
        (call("greaterthan", 3, 1), "greaterthan(①①, ①)", "greaterthan(①①, ①) = ①", "3 > 1 is true"),
        (call("minimum", 3, 1), "minimum(①①, ①)", "minimum(①①, ①) = ①", "min(3, 1) = 1"),
        (call("maximum", 3, 1), "maximum(①①, ①)", "maximum(①①, ①) = ①①", "max(3, 1) = 3"),
        (call("add_signed", 1, -2), "add_signed(⓪⓪①, ①①⓪, 3)", "add_signed(⓪⓪①, ①①⓪) = ①①①", "1 + -2 = -1"),
        (
            call("add_signed", 3, 3), "add_signed(⓪①①, ⓪①①, 3)", "add_signed(⓪①①, ⓪①①) = ①①⓪",
            "3 + 3 = 6, 6 - 8 = -2",
        ),
        (
            call("subtract_signed", -4, 3), "subtract_signed(①⓪⓪, ⓪①①, 3)", "subtract_signed(①⓪⓪, ⓪①①) = ⓪⓪①",
            "-4 - 3 = -7, -7 + 8 = 1",
        ),
        (
            call("multiply_signed", -4, -4), "multiply_signed(①⓪⓪, ①⓪⓪, 3)",
            "multiply_signed(①⓪⓪, ①⓪⓪) = ⓪①⓪⓪⓪⓪", "-4 * -4 = 16",
        ),
        (call("negate", 3), "negate(⓪①①, 3)", "negate(⓪①①) = ①⓪①", "0 - 3 = -3"),
        (call("negate", -4), "negate(①⓪⓪, 3)", "negate(①⓪⓪) = ①⓪⓪", "0 - -4 = 4, 4 - 8 = -4"),
        (call("absolute_value", -3), "absolute_value(①⓪①, 3)", "absolute_value(①⓪①) = ⓪①①", "|-3| = 3"),
        (
            call("absolute_value", -4), "absolute_value(①⓪⓪, 3)", "absolute_value(①⓪⓪) = ①⓪⓪",
            "|-4| = 4, 4 - 8 = -4",
        ),
        (call("sign_of", -3), "sign_of(①⓪①, 3)", "sign_of(①⓪①) = ①①①", "sign(-3) = -1"),
        (call("sign_of", 0), "sign_of(⓪⓪⓪, 3)", "sign_of(⓪⓪⓪) = ⓪⓪⓪", "sign(0) = 0"),
        (
            Call(OPERATIONS["add"], (6, 1), 2, call("multiply_by_2", 3), 0), "add(multiply_by_2(①①), ①)",
            "add(multiply_by_2(①①), ①) = ①①①", "3 * 2 = 6, 6 + 1 = 7",
        ),
        (
            Call(OPERATIONS["maximum"], (1, 4), 2, call("add", 3, 1), 1), "maximum(①, add(①①, ①))",
            "maximum(①, add(①①, ①)) = ①⓪⓪", "3 + 1 = 4, max(1, 4) = 4",
        ),
    ],
)  # fmt: skip
def test_calls_and_their_verification_read_as_documented(
    asked: Call, prompt: str, answer: str, verification: str
) -> None:
    assert prompt_of(asked, "") == f"Compute: {prompt}"
    assert answer_of(asked, "") == answer
    assert prompt_of(asked, "verify") == f"Compute [verify]: {prompt}"
    assert answer_of(asked, "verify") == f"{answer}\nVerification: {verification}"


@pytest.mark.parametrize(
    ("asked", "steps"),
    [
        (call("add", 3, 1), ["Carries: ①①⓪"]),
        (call("increment", 3), ["Carries: ①①⓪"]),
        (call("subtract", 4, 3), ["Borrows: ①①⓪"]),
        (call("decrement", 4), ["Borrows: ①①⓪"]),
        (call("multiply", 3, 5), ["Parts: ①① + ①①⓪⓪"]),
        (call("multiply", 3, 0), ["Parts: ⓪"]),
        (call("multiply_by_2", 3), ["Appended: ⓪"]),
        (call("divide_by_2", 7), ["Dropped: ①"]),
        (call("tobinary", 5), ["Powers: 4 + 1"]),
        (call("todecimal", 0), ["Powers: 0"]),
        (call("equals", 3, 3), ["No difference"]),
        (call("lessthan", 5, 7), ["Difference at 1: ⓪, ①"]),
        (call("add_signed", 3, -1), ["Carries: ①①⓪"]),
        (call("subtract_signed", 0, 1), ["Borrows: ①①⓪"]),
        (call("multiply_signed", 3, -1), ["Parts: ①①①①⓪①"]),
        (call("multiply_signed", -3, -2), ["Parts: ⓪⓪⓪①①⓪"]),
        (call("multiply_signed", 1, 3), ["Parts: ⓪⓪⓪⓪⓪① + ⓪⓪⓪⓪①⓪"]),
        (call("multiply_signed", -3, 0), ["Parts: ⓪⓪⓪⓪⓪⓪"]),
        (call("negate", 3), ["Inverted: ①⓪⓪"]),
        (call("absolute_value", -3), ["Sign: ①", "Inverted: ⓪①⓪"]),
        (call("absolute_value", 3), ["Sign: ⓪"]),
        (call("sign_of", -1), ["Sign: ①"]),
        (
            Call(OPERATIONS["add"], (6, 1), 2, call("multiply_by_2", 3), 0),
            ["multiply_by_2(①①) = ①①⓪", "add(①①⓪, ①) = ①①①"],
        ),
    ],
)
def test_show_work_lists_the_call_its_key_steps_and_the_result(asked: Call, steps: list[str]) -> None:
    assert answer_of(asked, "show-work").split("\n") == [asked.text(), *steps, f"Result: {asked.result()}"]


@pytest.mark.parametrize(
    ("asked", "operands", "steps"),
    [
        (call("add", 3, 1), "①①, ①", ["0: ① + ① + ⓪ = ①⓪", "1: ① + ⓪ + ① = ①⓪"]),
        (call("increment", 2), "①⓪", ["0: ⓪ + ① + ⓪ = ⓪①", "1: ① + ⓪ + ⓪ = ⓪①"]),
        (call("subtract", 2, 1), "①⓪, ①", ["0: ⓪ - ① - ⓪ = ①, borrow ①", "1: ① - ⓪ - ① = ⓪, borrow ⓪"]),
        (call("decrement", 1), "①", ["0: ① - ① - ⓪ = ⓪, borrow ⓪"]),
        (
            call("multiply", 3, 5), "①①, ①⓪①",
            ["0: ① * ①① = ①①, sum ①①", "1: ⓪ * ①① = ⓪, sum ①①", "2: ① * ①① = ①①⓪⓪, sum ①①①①"],
        ),
        (call("multiply_by_2", 2), "①⓪", ["0: ⓪", "1: ⓪", "2: ①"]),
        (call("divide_by_2", 1), "①", ["0: ⓪"]),
        (call("tobinary", 2), "2", ["0: 2 = 2 * 1 + 0", "1: 1 = 2 * 0 + 1"]),
        (call("todecimal", 5), "①⓪①", ["0: ① * 1, sum 1", "1: ⓪ * 2, sum 1", "2: ① * 4, sum 5"]),
        (call("minimum", 7, 5), "①①①, ①⓪①", ["2: ①, ①", "1: ①, ⓪"]),
        (call("equals", 0, 0), "⓪, ⓪", ["0: ⓪, ⓪"]),
        (call("add_signed", 1, -1, bits=2), "⓪①, ①①", ["0: ① + ① + ⓪ = ①⓪", "1: ⓪ + ① + ① = ①⓪"]),
        (
            call("subtract_signed", 1, 1, bits=2), "⓪①, ⓪①",
            ["Inverted: ①⓪", "0: ① + ⓪ + ① = ①⓪", "1: ⓪ + ① + ① = ①⓪"],
        ),
        (call("negate", 1, bits=2), "⓪①", ["Inverted: ①⓪", "0: ⓪ + ⓪ + ① = ⓪①", "1: ① + ⓪ + ⓪ = ⓪①"]),
        (call("absolute_value", 1, bits=2), "⓪①", ["0: ①", "1: ⓪"]),
        (call("absolute_value", -1, bits=2), "①①", ["Inverted: ⓪⓪", "0: ⓪ + ⓪ + ① = ⓪①", "1: ⓪ + ⓪ + ⓪ = ⓪⓪"]),
        (call("sign_of", -1), "①①①", ["2: ①"]),
        (call("sign_of", 2), "⓪①⓪", ["2: ⓪", "1: ①"]),
        (call("sign_of", 0), "⓪⓪⓪", ["2: ⓪", "1: ⓪", "0: ⓪"]),
        (call("multiply_signed", 1, -1, bits=2), "⓪①, ①①", ["0: ① * ⓪① = ①①①①, sum ①①①①"]),
        (
            call("multiply_signed", -2, 1, bits=2), "①⓪, ⓪①",
            ["0: ① * ①⓪ = ①①①⓪, sum ①①①⓪", "1: ⓪ * ①⓪ = ⓪⓪⓪⓪, sum ①①①⓪"],
        ),
        (
            Call(OPERATIONS["increment"], (2,), 1, call("increment", 1), 0), "①",
            [
                "0: ① + ① + ⓪ = ①⓪", "increment(①) = ①⓪",
                "0: ⓪ + ① + ⓪ = ⓪①", "1: ① + ⓪ + ⓪ = ⓪①",
            ],
        ),
    ],
)  # fmt: skip
def test_trace_lists_the_operands_every_position_and_the_final_result(
    asked: Call, operands: str, steps: list[str]
) -> None:
    lines = [asked.text(), f"Operands: {operands}", *steps, f"Final: {asked.result()}"]
    assert answer_of(asked, "trace").split("\n") == lines


def test_tags_are_in_the_order_of_their_difficulty() -> None:
    assert TAGS == ("", "verify", "show-work", "trace")
