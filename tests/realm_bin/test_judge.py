from __future__ import annotations

import json
from pathlib import Path

import pytest

from realm_bin.calls import Call
from realm_bin.judge import judge
from realm_bin.levels import bits_of
from realm_bin.operations import OPERATIONS
from realm_bin.skill import BinSkill
from realm_bin.wording import answer_of, prompt_of
from realm_cli.skills import Problem, Verdict

ANSWER = "add(①①, ①) = ①⓪⓪"


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
        ("add(①, ①) = ①⓪⓪", Verdict(False, "①⓪⓪", "the result is right, but the call around it is not")),
        ("I do not know", Verdict(False, "", "no value stands where the result belongs")),
        ("<think>hm</think>", Verdict(False, "", "the reply is empty")),
    ],
)
def test_a_verdict_tells_the_value_and_the_reason(reply: str, verdict: Verdict) -> None:
    assert judge(ANSWER, reply) == verdict


VERIFIED = "todecimal(①⓪①) = 5\nVerification: 4 + 1 = 5"
WORKED = "add(①①, ①)\nCarries: ①①⓪\nResult: ①⓪⓪"
TRACED = "add(①①, ①)\nOperands: ①①, ①\n0: ① + ① + ⓪ = ①⓪\n1: ① + ⓪ + ① = ①⓪\nFinal: ①⓪⓪"


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (VERIFIED, "todecimal( ①⓪① )=5  Verification:4+1 =5\n"),
        (VERIFIED, f"<think>\nfour and one\n</think>{VERIFIED}"),
        (WORKED, "\r\n add(①①,①)\r\n\r\nCarries : ①①⓪\tResult: ①⓪⓪"),
        (TRACED, TRACED.replace("\n", "\n\n").replace(" + ", "+")),
    ],
)
def test_white_space_and_thinking_are_forgiven_with_tags_too(answer: str, reply: str) -> None:
    assert judge(answer, answer).correct
    assert judge(answer, reply).correct
    assert judge(answer, reply).parsed == ("5" if answer == VERIFIED else "①⓪⓪")


@pytest.mark.parametrize(
    ("answer", "reply", "reason"),
    [
        (VERIFIED, "5", "the bare result is less than the tag asks for"),
        (WORKED, "①⓪⓪", "the bare result is less than the tag asks for"),
        (TRACED, "①⓪⓪", "the bare result is less than the tag asks for"),
        (VERIFIED, "todecimal(①⓪①) = 5", "the result is right, but the call or a line that the tag asks for is not"),
        (WORKED, ANSWER, "no value stands where the result belongs"),
        (WORKED, "add(①①, ①)\nResult: ①⓪⓪", "the result is right, but the call or a line that the tag asks for is not"),
        (WORKED, WORKED.replace("①①,", "①⓪,"), "the result is right, but the call or a line that the tag asks for is not"),
        (WORKED, WORKED + "①", "the result is not ①⓪⓪"),
        (TRACED, TRACED.rpartition("\n")[0], "no value stands where the result belongs"),
        (TRACED, "", "the reply is empty"),
        (ANSWER, f"{ANSWER}\nVerification: 3 + 1 = 4", "the result is right, but the call around it is not"),
        (VERIFIED, "todecimal(①⓪①) = 5\nVerification: 41 = 5", "the result is right, but the call or a line that the tag asks for is not"),
        (VERIFIED, "todecimal(①⓪①) = 5\nVerification: 4 + 1 = 5 5", "the result is right, but the call or a line that the tag asks for is not"),
    ],
)  # fmt: skip
def test_a_tag_asks_for_every_line(answer: str, reply: str, reason: str) -> None:
    verdict = judge(answer, reply)
    assert (verdict.correct, verdict.reason) == (False, reason)


def test_white_space_keeps_values_apart() -> None:
    assert not judge("todecimal(①①①①) = 15", "todecimal(①①①①) = 1 5").correct
    assert not judge("tobinary(15) = ①①①①", "tobinary(1 5) = ①①①①").correct


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
    for answer in (ANSWER, TRACED):
        verdict = judge(answer, reply)
        assert not verdict.correct
        assert len(verdict.parsed) <= 64


@pytest.mark.parametrize("answer", ["", "=", "①", "add(①①, ①)"])
def test_a_malformed_golden_answer_never_makes_silence_right(answer: str) -> None:
    assert not judge(answer, "").correct
    assert not judge(answer, "I do not know").correct


@pytest.mark.reference
def test_the_originals_answers_are_right_and_their_echoes_and_changed_bits_wrong(original: Path) -> None:
    skill, seen = BinSkill(), 0
    for path in files(original, "bin/level_*.json"):
        for item in json.loads(path.read_text("utf-8"))["problems"]:
            if "symbol-language" in item["metadata"]["tags"]:
                continue
            seen += 1
            problem = Problem(item["prompt"], item["expected"], item["prompt"].removeprefix("Compute: "))
            assert skill.judge(problem, problem.answer).correct
            assert not skill.judge(problem, problem.prompt).correct
            for place, old in enumerate(problem.answer):
                if old.isalnum():
                    changed = problem.answer[:place] + ("①" if old == "⓪" else "⓪") + problem.answer[place + 1 :]
                    assert not skill.judge(problem, changed).correct
            assert not skill.judge(problem, problem.answer + "①").correct
    assert seen == 32


@pytest.mark.reference
def test_we_ask_and_answer_like_the_original(original: Path) -> None:
    for path in files(original, "bin/level_*.json"):
        for item in json.loads(path.read_text("utf-8"))["problems"]:
            if "symbol-language" not in item["metadata"]["tags"]:
                call = read(item["prompt"].removeprefix("Compute: "))
                assert (prompt_of(call, ""), answer_of(call, "")) == (item["prompt"], item["expected"])


def read(text: str) -> Call:
    """The unsigned call that a prompt writes."""
    name, _, rest = text.removesuffix(")").partition("(")
    digits = rest.replace("⓪", "0").replace("①", "1").split(", ")
    return Call(OPERATIONS[name], tuple(int(value, 10 if name == "tobinary" else 2) for value in digits), 32)


@pytest.mark.reference
def test_real_degenerate_output_is_wrong_and_raises_nothing(original: Path) -> None:
    for path in files(original, "preview_history/*.json"):
        for result in json.loads(path.read_text("utf-8"))["results"]:
            for answer in (ANSWER, VERIFIED, WORKED, TRACED):
                assert not judge(answer, result["generated"]).correct
                assert not judge(answer, result["prompt"]).correct


@pytest.mark.reference
def test_levels_are_as_wide_as_the_originals(original: Path) -> None:
    for path in files(original, "bin/level_*.json"):
        facts = json.loads(path.read_text("utf-8"))
        assert bits_of(facts["level"]) == facts["bits"]


def files(original: Path, pattern: str) -> list[Path]:
    found = sorted(original.glob(pattern))
    assert found, f"no {pattern} in {original}"
    return found
