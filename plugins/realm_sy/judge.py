"""The judge: strict about every word, syllable, number and their order, lenient about space, case and a code fence."""

from __future__ import annotations

from realm_cli.skills import Verdict, without_thinking
from realm_sy.formats import FORMATS, Value, format_of

LONGEST = 20_000
"""Characters of a reply after its thinking; no answer is nearly as long."""


def judge(answer: str, reply: str) -> Verdict:
    """Whether `reply` says in the same form what the golden `answer` says."""
    text = without_thinking(reply).strip()
    if not text:
        return Verdict(False, "", "the reply is empty")
    if len(text) > LONGEST:
        return Verdict(False, "", "the reply is far too long")
    text = _without_fence(text)
    form = format_of(answer.strip())
    read = FORMATS[form].read
    golden, found = read(answer.strip()), read(text)
    if not golden:
        return Verdict(False, "", "the golden answer has none of the eight forms")
    if found is None:
        return Verdict(False, "", f"the reply has not the form that was asked for ({form})")
    return _compare(golden, found)


def _compare(golden: Value, found: Value) -> Verdict:
    parsed = _whole(", ".join(map(_said, found))[:1000])
    if found == golden:
        return Verdict(True, parsed, "all of it is right")
    if len(found) != len(golden):
        return Verdict(False, parsed, f"{len(found)} answers instead of {len(golden)}")
    wrong = [str(number) for number, pair in enumerate(zip(golden, found, strict=True), 1) if pair[0] != pair[1]]
    return Verdict(False, parsed, f"wrong: {', '.join(wrong)}")


def _whole(text: str) -> str:
    """The text with a question mark for each half of a surrogate pair: JSON can name one, and no file can hold it."""
    return text.encode(errors="replace").decode()


def _said(value: object) -> str:
    return f"{value[0]} ({'-'.join(value[1])})" if isinstance(value, tuple) else str(value)


def _without_fence(text: str) -> str:
    """What one code fence around all of the text holds, or the text."""
    first, _, rest = text.partition("\n")
    inside, mark, after = rest.rpartition("```")
    fenced = first.startswith("```") and "`" not in first[3:] and mark and not after.strip() and "```" not in inside
    return inside.strip() if fenced else text
