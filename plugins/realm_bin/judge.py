"""The judge: strict about every letter and digit, lenient about white space and thinking before the answer."""

from __future__ import annotations

from realm_bin.digits import is_circled
from realm_cli.skills import Verdict

LONGEST_VALUE = 64
"""Digits of the widest result: 32 bits times 32 bits. A longer row of digits is no value."""


def judge(answer: str, reply: str) -> Verdict:
    """Whether `reply` says what the golden `answer` (`call = result`) says, or is the bare result and nothing else."""
    golden = _compact(answer)
    call, _, result = golden.rpartition("=")
    text = _compact(_without_thinking(reply))
    parsed = _value_in(text)
    if not text:
        return Verdict(False, parsed, "the reply is empty")
    if text == golden:
        return Verdict(True, parsed, "call and result are right")
    if text == result:
        return Verdict(True, parsed, "the bare result is right")
    if parsed == result:
        return Verdict(False, parsed, f"the result stands after something else than the call {call}")
    if parsed:
        return Verdict(False, parsed, f"the result is not {result}")
    return Verdict(False, parsed, "the reply does not end with a value")


def _without_thinking(reply: str) -> str:
    """The reply after its leading `<think>…</think>` blocks. A block that never ends leaves nothing."""
    start = 0
    while True:
        while start < len(reply) and reply[start].isspace():
            start += 1
        if not reply.startswith("<think>", start):
            return reply[start:]
        end = reply.find("</think>", start)
        if end < 0:
            return ""
        start = end + len("</think>")


def _compact(text: str) -> str:
    """The text without white space at its ends and around marks. Splitting keeps this linear for any reply."""
    for mark in "=,()":
        text = mark.join([piece.strip() for piece in text.split(mark)])
    return text.strip()


def _value_in(text: str) -> str:
    """What the reply gives as its value: all that follows the last `=` if that is circled digits, else nothing."""
    tail = text[text.rfind("=") + 1 :]
    return tail if len(tail) <= LONGEST_VALUE and is_circled(tail) else ""
