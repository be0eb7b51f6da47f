"""Checks on the text of one row: leaked answers, degenerate replies, damaged characters, order of turns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from msgspec import UNSET

from realm_arena.rows import Message, Row

Finding = tuple[str, str]
"""Name of the check, message."""

LEAK_LENGTH = 8
"""A shorter answer (a number, a word) may well stand in the question by right."""
WORDS, WORD_GRAM = 24, 4
CHARACTERS, CHARACTER_GRAM = 80, 10
"""Shorter replies are not looked at for repetition."""
DOMINATION = 0.5
"""Share of a reply that one n-gram may cover; no list or table of ours came near it, loops are near 1."""
LOOKED_AT = 50_000
"""Characters of a reply that are looked at for repetition: a loop shows early."""

_AFTER: dict[str, frozenset[str]] = {
    "": frozenset({"system", "developer", "user"}),
    "system": frozenset({"user"}),
    "developer": frozenset({"user"}),
    "user": frozenset({"assistant"}),
    "assistant": frozenset({"user", "tool"}),
    "tool": frozenset({"tool", "assistant"}),
}
"""Which roles may follow a role."""

_UPPER_BYTES = bytes(range(0x80, 0xC0))
_CONTINUED = _UPPER_BYTES.decode("latin-1") + _UPPER_BYTES.decode("cp1252", "ignore")
"""What the second and later bytes of a UTF-8 character become when they are read as Latin-1 or Windows-1252."""
_LETTERS = re.sub("[\u2010-\u203a]", "", _CONTINUED)
"""Without dashes and quotation marks, which may follow a real `Â` or `Ã`."""
_DOUBLE_ENCODED = re.compile(f"[ÃÂ][{_LETTERS}]|(?:â[{_CONTINUED}]|ð[\x9fŸ]|ï»|ï¿)[{_CONTINUED}]")
"""The beginnings of accented letters, punctuation and symbols, emoji, byte-order mark, U+FFFD."""


def findings(row: Row) -> Iterator[Finding]:
    """What is wrong with one row."""
    texts, pairs = _texts(row), _answers(row)
    if any(_leaks(question, answer) for question, answer in pairs):
        yield "leakage", "the whole answer stands in the question"
    if any(is_degenerate(answer) for _, answer in pairs):
        yield "repetition", "one short piece of text fills most of the answer"
    if any("\ufffd" in text for text in texts):
        yield "mojibake", "U+FFFD: characters were lost when the text was decoded"
    damaged = next(filter(None, map(_DOUBLE_ENCODED.search, texts)), None)
    if damaged:
        yield "mojibake", f"'{damaged[0]}' looks like UTF-8 that was read in another encoding"
    if row.messages is not UNSET:
        problem = turn_problem(row.messages)
        if problem:
            yield "turns", problem


def turn_problem(messages: list[Message]) -> str:
    """What breaks the order of turns; empty when nothing does."""
    before = ""
    for number, message in enumerate(messages):
        if message.role not in _AFTER[before]:
            place = f"after {before}" if before else "first"
            return f"messages[{number}] is {message.role} {place}, expected {' or '.join(sorted(_AFTER[before]))}"
        before = message.role
    return "" if before == "assistant" else f"the last message is {before}, expected assistant"


def is_degenerate(text: str) -> bool:
    """Whether one n-gram of words, or of characters where there are few words, dominates a long text."""
    text = text[:LOOKED_AT]
    words = text.split()
    if len(words) >= WORDS:
        return _dominated(words, WORD_GRAM)
    return len(text) >= CHARACTERS and _dominated(text, CHARACTER_GRAM)


def _dominated(units: list[str] | str, size: int) -> bool:
    grams = Counter(zip(*(islice(units, start, None) for start in range(size)), strict=False))
    return grams.most_common(1)[0][1] * size >= DOMINATION * len(units)


def _leaks(question: str, answer: str) -> bool:
    return len(answer) >= LEAK_LENGTH and answer in question


def _texts(row: Row) -> list[str]:
    if row.messages is not UNSET:
        return [message.content for message in row.messages]
    return [text for text in (row.prompt, row.completion, row.text) if text is not UNSET]


def _answers(row: Row) -> list[tuple[str, str]]:
    """(what the user said up to there, answer) for every answer."""
    if row.messages is UNSET:
        return [] if row.completion is UNSET else [(str(row.prompt), row.completion.strip())]
    pairs, said = [], ""
    for message in row.messages:
        if message.role == "user":
            said += message.content + "\n"
        elif message.role == "assistant":
            pairs.append((said, message.content.strip()))
    return pairs
