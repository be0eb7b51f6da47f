"""The eight forms of replies: how a prompt asks for one, how it is written, and how it is read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Value = tuple[Any, ...]
"""What a reply says, apart from how it is written: strings in capital letters, numbers, and tuples of both."""
Solved = list[tuple[str, ...]]
"""The answers in the order of the clues, each as its tiles."""

_SMALL = {letter: letter - 32 for letter in range(ord("a"), ord("z") + 1)}
_ENTRY = re.compile(r"(\d{1,4})\.(.*)")


@dataclass(frozen=True)
class Format:
    """One form of replies."""

    asked: str
    """What the prompt says."""
    write: Callable[[Solved], str]
    read: Callable[[str], Value | None]
    """None for a text that is not of this form."""


def capitals(text: str) -> str:
    """The text without space around it, small ASCII letters made large: no other letter becomes one of an answer."""
    return text.strip().translate(_SMALL)


def _words(solved: Solved) -> list[str]:
    return ["".join(tiles).upper() for tiles in solved]


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _json(text: str) -> Any:
    """The value of a JSON document, None for anything else."""
    try:
        return json.loads(text, object_pairs_hook=_pairs)
    except (ValueError, RecursionError):
        return None


def _strings(values: Any) -> Value | None:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        return None
    return tuple(map(capitals, values))


def _read_array(text: str) -> Value | None:
    return _strings(_json(text))


def _read_lines(text: str) -> Value | None:
    return tuple(capitals(line) for line in text.splitlines() if line.strip())


def _read_commas(text: str) -> Value | None:
    return tuple(map(capitals, text.split(",")))


def _write_numbered(solved: Solved) -> str:
    return "\n".join(f"{number}. {word}" for number, word in enumerate(_words(solved), 1))


def _read_numbered(text: str) -> Value | None:
    found: list[str] = []
    for line in text.splitlines():
        if line.strip():
            entry = _ENTRY.fullmatch(line.strip())
            if entry is None or entry[1] != str(len(found) + 1):
                return None
            found.append(capitals(entry[2]))
    return tuple(found)


def _in_order(found: dict[str, Any]) -> Iterator[Any]:
    """The values of the keys 1, 2, …; raises `KeyError` when there are others."""
    return iter([found[str(number)] for number in range(1, len(found) + 1)])


def _read_object(text: str) -> Value | None:
    found = _json(text)
    if not isinstance(found, dict):
        return None
    try:
        return _strings(list(_in_order(found)))
    except KeyError:
        return None


def _write_table(solved: Solved) -> str:
    rows = [f"| {number} | {word} |" for number, word in enumerate(_words(solved), 1)]
    return "\n".join(["| # | Word |", "|---|------|", *rows])


def _read_table(text: str) -> Value | None:
    rows = []
    for line in filter(None, map(str.strip, text.splitlines())):
        cells = line.split("|")
        if len(cells) != 4 or cells[0] or cells[3]:
            return None
        rows.append((capitals(cells[1]), capitals(cells[2])))
    if len(rows) < 2 or rows[0] != ("#", "WORD") or not all(re.fullmatch(":?-+:?", cell) for cell in rows[1]):
        return None
    if [number for number, _ in rows[2:]] != [str(number) for number in range(1, len(rows) - 1)]:
        return None
    return tuple(word for _, word in rows[2:])


def _write_solutions(solved: Solved) -> str:
    entries = {
        str(number): {"word": word, "syllables": [tile.upper() for tile in tiles]}
        for number, (word, tiles) in enumerate(zip(_words(solved), solved, strict=True), 1)
    }
    return json.dumps({"solutions": entries})


def _read_solutions(text: str) -> Value | None:
    document = _json(text)
    found = document.get("solutions") if isinstance(document, dict) and len(document) == 1 else None
    if not isinstance(found, dict):
        return None
    entries = []
    try:
        for entry in _in_order(found):
            if not isinstance(entry, dict) or entry.keys() != {"word", "syllables"}:
                return None
            word, tiles = _strings([entry["word"]]), _strings(entry["syllables"])
            if word is None or tiles is None:
                return None
            entries.append((*word, tiles))
    except KeyError:
        return None
    return tuple(entries)


def _write_summary(solved: Solved) -> str:
    letters = "".join(word[0] for word in _words(solved))
    return json.dumps({"count": len(solved), "first_letters": letters, "total_syllables": sum(map(len, solved))})


def _read_summary(text: str) -> Value | None:
    found = _json(text)
    if not isinstance(found, dict) or found.keys() != {"count", "first_letters", "total_syllables"}:
        return None
    count, letters, total = found["count"], found["first_letters"], found["total_syllables"]
    if type(count) is not int or type(total) is not int or not isinstance(letters, str):
        return None
    return count, capitals(letters), total


FORMATS = {
    "array": Format(
        'a JSON array of the words in capital letters, in the order of the clues: ["FIRST", "SECOND", …]',
        lambda solved: json.dumps(_words(solved)),
        _read_array,
    ),
    "lines": Format(
        "the words in capital letters in the order of the clues, one a line and nothing else",
        lambda solved: "\n".join(_words(solved)),
        _read_lines,
    ),
    "commas": Format(
        "the words in capital letters in the order of the clues, on one line, parted by a comma and a blank",
        lambda solved: ", ".join(_words(solved)),
        _read_commas,
    ),
    "numbered": Format(
        "a numbered list of the words in capital letters, one a line, counted from 1 in the order of the clues: 1. FIRST",
        _write_numbered,
        _read_numbered,
    ),
    "object": Format(
        "a JSON object from the number of each clue, counted from 1, to its word in capital letters: "
        '{"1": "FIRST", "2": "SECOND", …}',
        lambda solved: json.dumps({str(number): word for number, word in enumerate(_words(solved), 1)}),
        _read_object,
    ),
    "table": Format(
        "a markdown table with the columns | # | Word |: the number of each clue, counted from 1, and its word in "
        "capital letters",
        _write_table,
        _read_table,
    ),
    "solutions": Format(
        "a JSON object with word and syllables by the number of each clue, counted from 1, in capital letters: "
        '{"solutions": {"1": {"word": "FIRST", "syllables": ["FIRST"]}, …}}',
        _write_solutions,
        _read_solutions,
    ),
    "summary": Format(
        'a JSON object that counts the words, {"count": N, "first_letters": "…", "total_syllables": N}: the first letter '
        "of each word in capital letters in the order of the clues, and the syllables of all words together",
        _write_summary,
        _read_summary,
    ),
}


def format_of(answer: str) -> str:
    """The form that a golden answer has."""
    if answer.startswith("["):
        return "array"
    if answer.startswith("|"):
        return "table"
    if answer.startswith("{"):
        return "solutions" if '"solutions"' in answer else "summary" if '"first_letters"' in answer else "object"
    if _ENTRY.match(answer):
        return "numbered"
    return "lines" if "\n" in answer else "commas"
