"""The answers of skill servers as problems: three shapes, checked item by item."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from typing import Any

import msgspec

from realm_cli.skills import Problem

LISTS = ("samples", "puzzles", "items", "problems")
"""The names under which a server may give its list."""
PROMPTS = ("user_prompt", "prompt")
ANSWERS = ("assistant_response", "solution", "answer")
LONGEST = 200_000
"""Characters of a prompt or an answer."""
LONGEST_KEY = 200
LONGEST_META = 10_000
"""Bytes as JSON."""


class ShapeError(Exception):
    """The answer holds no problems; the message says why."""


def problems(said: Any) -> list[Problem]:
    """The problems of an answer: `{samples}`, `{puzzles}` or a list of items. Raises `ShapeError`."""
    if isinstance(said, dict):
        said = next((said[name] for name in LISTS if name in said), None)
    if not isinstance(said, list):
        raise ShapeError(f"there is no list under {', '.join(LISTS)}")
    return [_problem(item, number) for number, item in enumerate(said, 1)]


def _problem(item: Any, number: int) -> Problem:
    if not isinstance(item, dict):
        raise ShapeError(f"item {number} is no object")
    prompt, answer = _text(item, PROMPTS, number), _text(item, ANSWERS, number)
    key = item.get("key", item.get("problem_key"))
    if not isinstance(key, str) or not key.strip() or not _is_text(key):
        key = normalised(prompt)
    return Problem(prompt, answer, short(key), _meta(item.get("meta")))


def _meta(said: Any) -> dict[str, Any]:
    """What else the server tells of a problem, where it can be kept with it."""
    try:
        return said if isinstance(said, dict) and len(msgspec.json.encode(said)) <= LONGEST_META else {}
    except (OverflowError, ValueError, RecursionError):
        return {}


def _text(item: dict[str, Any], names: tuple[str, ...], number: int) -> str:
    value = next((item[name] for name in names if item.get(name) is not None), None)
    if value is None:
        raise ShapeError(f"item {number} has none of {', '.join(names)}")
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if not text.strip() or not _is_text(text):
        raise ShapeError(f"item {number} has no text in {' or '.join(names)}")
    if len(text) > LONGEST:
        raise ShapeError(f"item {number} is longer than {LONGEST:,} characters")
    return text


def _is_text(text: str) -> bool:
    """Whether it can be written to a file."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def normalised(prompt: str) -> str:
    """What names a problem whose server gives no key: its prompt, whatever its white space and case."""
    return " ".join(unicodedata.normalize("NFC", prompt).split()).casefold()


def short(key: str) -> str:
    """A key as it is, or its hash where it is long."""
    return key if len(key) <= LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()
