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
LONGEST_KEY = 10_000
"""Characters of a key that a server gives: the split is that of the skill itself only where the key is whole."""
LONGEST_PROMPT_KEY = 200
LONGEST_META = 10_000
"""Bytes as JSON."""


class ShapeError(Exception):
    """The answer holds no problems; the message says why."""


def problems(said: Any, level: int) -> list[Problem]:
    """The problems of an answer: `{samples}`, `{puzzles}` or a list of items. Raises `ShapeError`."""
    if isinstance(said, dict):
        _check_level(said.get("level_info"), level)
        said = next((said[name] for name in LISTS if name in said), None)
    if not isinstance(said, list):
        raise ShapeError(f"there is no list under {', '.join(LISTS)}")
    found = [_problem(item, number) for number, item in enumerate(said, 1)]
    _check_keys(found)
    return found


def _check_level(told: Any, level: int) -> None:
    """An eval's level is that of its problems, so a server has to give those that were asked for."""
    if isinstance(told, dict) and str(told.get("level", level)) != str(level):
        raise ShapeError(f"`level_info` tells level {str(told['level'])[:20]}, but level {level} was asked for")


def _check_keys(found: list[Problem]) -> None:
    """One problem with two keys could be on both sides of the split."""
    keys: dict[str, str] = {}
    for number, problem in enumerate(found, 1):
        if keys.setdefault(problem.prompt, problem.key) != problem.key:
            raise ShapeError(f"item {number} has another key than an earlier one with the same prompt")


def _problem(item: Any, number: int) -> Problem:
    if not isinstance(item, dict):
        raise ShapeError(f"item {number} is no object")
    prompt, answer = _text(item, PROMPTS, number), _text(item, ANSWERS, number)
    key = item.get("key", item.get("problem_key"))
    if not isinstance(key, str) or not key.strip() or not _is_text(key):
        key, longest = normalised(prompt), LONGEST_PROMPT_KEY
    else:
        longest = LONGEST_KEY
    return Problem(prompt, answer, short(key, longest), _meta(item.get("meta")))


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


def short(key: str, longest: int) -> str:
    """A key as it is, or its hash where it is long."""
    return key if len(key) <= longest else hashlib.sha256(key.encode()).hexdigest()
