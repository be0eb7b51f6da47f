"""The four judges: strict about the value, lenient about what is around it, never by a part, and they never raise."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realm_http_skill.judges import JUDGES, judge

GOLDEN = {
    "exact": ("It is correct.", "forty two"),
    "number": ("42", "-0.5", "1,234,567", "1e3", "0"),
    "json": ('{"words": ["A", "B"], "n": 2}', "[1, 2.50, true, null]", '"x"'),
    "lines": ("one\ntwo words\nthree", "single"),
}
PAIRS = [(name, golden) for name, all_of_them in GOLDEN.items() for golden in all_of_them]


@pytest.mark.parametrize(("name", "golden"), PAIRS)
def test_the_golden_answer_is_right_whatever_stands_around_it(name: str, golden: str) -> None:
    around = [
        golden, f"  {golden}\n\n", f"```\n{golden}\n```", f"```json\n{golden}\n  ```", f"<think>{golden}x?</think>\n{golden}",
        f"so {golden}, or\n</think>\n\n{golden}", f"<think>a</think> <think>\nb\n</think>{golden}",
        f"<think>\nhm\n</think>\n\n```text\n{golden}\n```\n",
    ]  # fmt: skip

    assert [reply for reply in around if not judge(name, golden, reply).correct] == []


@pytest.mark.parametrize(("name", "golden"), PAIRS)
def test_a_part_more_or_less_is_wrong(name: str, golden: str) -> None:
    wrong = [
        "", " ", golden + "1", "1" + golden, f"{golden} or not", f"The answer is {golden}", f"{golden}\n{golden}",
        f"<think>{golden}", f"<think>{golden}</think>", f"`{golden}`", golden[:-1], f"```\n{golden}\n``` x",
    ]  # fmt: skip

    assert [reply for reply in wrong if judge(name, golden, reply).correct] == []


@pytest.mark.parametrize(
    ("name", "golden", "reply", "right"),
    [
        ("number", "1000", "1,000", True),
        ("number", "1000", "1,00", False),
        ("number", "1000", "+1000.0", True),
        ("number", "0.1", ".10", True),
        ("number", "-3", "\N{MINUS SIGN}3", True),
        ("number", "3", "3.0000000000000000000000000001", False),
        ("number", "1", "nan", False),
        ("number", "1", "1e99999999", False),
        ("number", "9007199254740993", "9007199254740992", False),
        ("number", "10", "\u0661\u0660", False),
        ("json", '{"a": 1, "b": 2}', '{"b": 2, "a": 1}', True),
        ("json", "[1, 2]", "[2, 1]", False),
        ("json", "1", "true", False),
        ("json", "[1]", "[true]", False),
        ("json", "1", "1.0", True),
        ("json", '{"a": 1}', '{"a": 2, "a": 1}', False),
        ("json", "1", "NaN", False),
        ("json", "1", "1e999999999999999999999", False),
        ("json", "[]", "[" * 100_000, False),
        ("json", '"A"', '"a"', False),
        ("exact", "a  b", "a\tb", True),
        ("exact", "A", "a", False),
        ("lines", "a\nb", "a\n\n  b  \n", True),
        ("lines", "a\nb", "b\na", False),
        ("lines", "a\nb", "a b", False),
    ],
)
def test_values_are_compared_not_texts(name: str, golden: str, reply: str, right: bool) -> None:
    assert judge(name, golden, reply).correct is right


def test_a_golden_answer_that_is_none_is_named() -> None:
    assert judge("number", "many", "many").reason == "the golden answer is no number"


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(JUDGES)), st.text(), st.text())
def test_no_judge_raises(name: str, answer: str, reply: str) -> None:
    verdict = judge(name, answer, reply)

    assert verdict.reason
    assert not (verdict.correct and not reply.strip())


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    )
)
def test_any_json_value_is_its_own_right_answer_only(value: object) -> None:
    text = json.dumps(value)

    assert judge("json", text, json.dumps(value, indent=2)).correct
    assert not judge("json", text, json.dumps([value, 1])).correct


def test_a_monstrous_reply_is_judged_at_once() -> None:
    monsters = [
        "<think></think>" * 60_000 + " " * 90_000 + "x",
        "<think>" * 140_000,
        "```\n" + " " * 900_000 + "x",
        "</think>" * 100_000,
        "9" * 900_000,
        "[" * 900_000,
        "a\n" * 400_000,
    ]

    assert not any(judge(name, "1", monster).correct for name in JUDGES for monster in monsters)
    assert "characters" in judge("exact", "1", "1" * 1_000_001).reason
