from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from realm_bin.judge import judge
from realm_bin.levels import bits_of
from realm_bin.operations import OPERATIONS
from realm_bin.skill import BinSkill
from realm_cli.skills import Problem, Verdict

ANSWER = "add(①①, ①) = ①⓪⓪"
ORIGINAL = Path(__file__).parents[3] / "shared" / "data" / "original"


@pytest.mark.parametrize(
    "reply",
    [
        ANSWER,
        f"\n  {ANSWER}\t\n",
        "add(①①,①)=①⓪⓪",
        "add ( ①① ,  ① )  =\n①⓪⓪",
        f"<think>\n11 + 1\n</think>\n\n{ANSWER}",
        f"<think></think>{ANSWER}",
        f" <think>add(①, ①) = ①⓪</think> <think>or</think> {ANSWER}",
        "①⓪⓪",
        "<think>three and one</think> ①⓪⓪\n",
    ],
)
def test_white_space_and_thinking_before_the_answer_are_forgiven(reply: str) -> None:
    assert judge(ANSWER, reply).correct
    assert judge(ANSWER, reply).parsed == "①⓪⓪"


@pytest.mark.parametrize(
    "reply",
    [
        f"{ANSWER}①",
        f"{ANSWER}.",
        f"{ANSWER}\n{ANSWER}",
        f"①{ANSWER}",
        f"The answer: {ANSWER}",
        f"{ANSWER}\nadd(①①, ①) = ①⓪①",
        "add(①①, ①) = ① ⓪⓪",
        "add(①①, ①) = ⓪①⓪⓪",
        "add(①①, ①) = 100",
        "add(①①, ①) = 4",
        "add(11, 1) = 100",
        "add(①, ①①) = ①⓪⓪",
        "Add(①①, ①) = ①⓪⓪",
        "add(①① ①) = ①⓪⓪",
        "add(①①, ①) ①⓪⓪",
        "= ①⓪⓪",
        "①⓪⓪ ①⓪⓪",
        "x = ①⓪⓪",
        f"{ANSWER}<think>so</think>",
        f"<think>{ANSWER}</think>",
        f"<think>{ANSWER}",
        f"```\n{ANSWER}\n```",
    ],
)
def test_whatever_else_the_reply_says_makes_it_wrong(reply: str) -> None:
    assert not judge(ANSWER, reply).correct


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (ANSWER, Verdict(True, "①⓪⓪", "call and result are right")),
        ("①⓪⓪", Verdict(True, "①⓪⓪", "the bare result is right")),
        ("add(①①, ①) = ①①", Verdict(False, "①①", "the result is not ①⓪⓪")),
        ("①①", Verdict(False, "①①", "the result is not ①⓪⓪")),
        ("add(①, ①) = ①⓪⓪", Verdict(False, "①⓪⓪", "the result stands after something else than the call add(①①,①)")),
        ("I do not know", Verdict(False, "", "the reply does not end with a value")),
        ("<think>hm</think>", Verdict(False, "", "the reply is empty")),
    ],
)
def test_a_verdict_tells_the_value_and_the_reason(reply: str, verdict: Verdict) -> None:
    assert judge(ANSWER, reply) == verdict


@pytest.mark.parametrize(
    "reply",
    [
        "\x00\ufffd\ud800\u202e⓪①",
        "⓪①②③➀❶⓵",
        "\U0001d7d9\U0001d7d8\U0001d7d8 = ①⓪⓪",
        "=" * 1_000_000,
        " " * 1_000_000,
        ("(" * 100 + " ") * 10_000,
        "① " * 500_000,
        "①" * 1_000_000,
        "<think>" * 200_000,
        "<think></think>" * 100_000,
        "</think>" * 200_000,
        ANSWER * 50_000,
    ],
    ids=range(12),
)
def test_garbage_and_very_long_replies_are_wrong_at_once(reply: str) -> None:
    verdict = judge(ANSWER, reply)
    assert not verdict.correct
    assert len(verdict.parsed) <= 64


@pytest.mark.parametrize("answer", ["", "=", "①", "add(①①, ①)"])
def test_a_malformed_golden_answer_never_makes_silence_right(answer: str) -> None:
    assert not judge(answer, "").correct
    assert not judge(answer, "I do not know").correct


def originals(pattern: str) -> Iterator[Path]:
    if not ORIGINAL.is_dir():
        pytest.skip(f"{ORIGINAL} is absent")
    found = sorted(ORIGINAL.glob(pattern))
    assert found, f"no {pattern} in {ORIGINAL}"
    yield from found


@pytest.mark.reference
def test_the_originals_answers_are_right_and_their_echoes_and_changed_bits_wrong() -> None:
    heads = tuple(f"Compute: {operation.name}(" for operation in OPERATIONS)
    skill, seen = BinSkill(), 0
    for path in originals("bin/level_*.json"):
        for item in json.loads(path.read_text("utf-8"))["problems"]:
            if not item["prompt"].startswith(heads):
                continue
            seen += 1
            problem = Problem(item["prompt"], item["expected"], item["prompt"].removeprefix("Compute: "))
            assert skill.judge(problem, problem.answer).correct
            assert not skill.judge(problem, problem.prompt).correct
            for place, digit in enumerate(problem.answer):
                if digit in "⓪①":
                    changed = problem.answer[:place] + "⓪①"[digit == "⓪"] + problem.answer[place + 1 :]
                    assert not skill.judge(problem, changed).correct
            assert not skill.judge(problem, problem.answer + "①").correct
    assert seen >= 5


@pytest.mark.reference
def test_real_degenerate_output_is_wrong_and_raises_nothing() -> None:
    for path in originals("preview_history/*.json"):
        for result in json.loads(path.read_text("utf-8"))["results"]:
            assert not judge(ANSWER, result["generated"]).correct
            assert not judge(ANSWER, result["prompt"]).correct


@pytest.mark.reference
def test_levels_are_as_wide_as_the_originals() -> None:
    for path in originals("bin/level_*.json"):
        facts = json.loads(path.read_text("utf-8"))
        assert bits_of(facts["level"]) == facts["bits"]
