from __future__ import annotations

import pytest

from realm_bin.judge import judge
from realm_cli.skills import Verdict

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
        (VERIFIED, "5", "the bare result is less than what is asked for"),
        (WORKED, "①⓪⓪", "the bare result is less than what is asked for"),
        (TRACED, "①⓪⓪", "the bare result is less than what is asked for"),
        (VERIFIED, "todecimal(①⓪①) = 5", "the result is right, but the call or another line is not"),
        (WORKED, ANSWER, "no value stands where the result belongs"),
        (WORKED, "add(①①, ①)\nResult: ①⓪⓪", "the result is right, but the call or another line is not"),
        (WORKED, WORKED.replace("①①,", "①⓪,"), "the result is right, but the call or another line is not"),
        (WORKED, WORKED + "①", "the result is not ①⓪⓪"),
        (TRACED, TRACED.rpartition("\n")[0], "no value stands where the result belongs"),
        (TRACED, "", "the reply is empty"),
        (ANSWER, f"{ANSWER}\nVerification: 3 + 1 = 4", "the result is right, but the call around it is not"),
        (VERIFIED, "todecimal(①⓪①) = 5\nVerification: 41 = 5", "the result is right, but the call or another line is not"),
        (VERIFIED, "todecimal(①⓪①) = 5\nVerification: 4 + 1 = 5 5", "the result is right, but the call or another line is not"),
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
