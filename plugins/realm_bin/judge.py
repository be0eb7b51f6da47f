"""The judge: strict about every letter and digit, lenient about white space and thinking before the answer."""

from __future__ import annotations

from realm_bin.digits import DIGITS
from realm_cli.skills import Verdict, without_thinking

LONGEST_VALUE = 64
"""Digits of the widest result: 32 bits times 32 bits. A longer row of digits is no value."""
RESULT_LINES = ("Result:", "Final:", "Position:", "Blank:", "Verdict:")
"""What stands before the result in the replies that end with it."""
TRUTHS = ("true", "false")


def judge(answer: str, reply: str) -> Verdict:
    """Whether `reply` says what the golden `answer` says, line by line.

    Where that is no more than `call = result`, the bare result and nothing else is right as well. A problem in symbols
    is answered in its symbols.
    """
    golden = _compact(answer)
    text = _compact(without_thinking(reply))
    result, parsed = _value_in(golden, golden), _value_in(text, golden)
    plain = "\n" not in answer.strip()
    if not text:
        return Verdict(False, parsed, "the reply is empty")
    if text == golden:
        return Verdict(True, parsed, "call and result are right" if plain else "call, result and all lines are right")
    if not parsed:
        return Verdict(False, parsed, "no value stands where the result belongs")
    if parsed != result:
        return Verdict(False, parsed, f"the result is not {result}")
    if text == result:
        return Verdict(plain, parsed, "the bare result is " + ("right" if plain else "less than what is asked for"))
    what = "the call around it" if plain else "the call or another line"
    return Verdict(False, parsed, f"the result is right, but {what} is not")


def _compact(text: str) -> str:
    """The text without white space, but for one blank between two letters or digits that it keeps apart."""
    pieces: list[str] = []
    for piece in text.split():
        if pieces and _is_letter(pieces[-1][-1]) and _is_letter(piece[0]):
            pieces.append(" ")
        pieces.append(piece)
    return "".join(pieces)


def _is_letter(character: str) -> bool:
    """Symbols count as letters, so that white space does not melt two values into one."""
    return character.isalnum() or character == "_" or not character.isascii()


def _value_in(text: str, golden: str) -> str:
    """What a compact text gives as its result, where the compact golden answer has it; nothing if that is no value."""
    line = next((mark for mark in RESULT_LINES if mark in golden), None)
    tail = text.rpartition(line)[2] if line else text.partition(" Verification:")[0].rpartition("=")[2]
    if len(tail) > LONGEST_VALUE or not tail:
        return ""
    if tail in TRUTHS or (tail.isascii() and tail.isdecimal()):
        return tail
    digits = DIGITS.union([character for character in set(golden) if not character.isascii()])
    return tail if digits.issuperset(tail) else ""
