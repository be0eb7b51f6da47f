"""How replies to a server's problems are judged here: by their whole value, never by a part of it.

White space, think blocks before the answer and a code fence around it do not count. No judge raises, whatever the reply.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from realm_cli.skills import Verdict

_FENCE = "```"
_THOUGHTS = re.compile(r"(?:\s*<think>.*?</think>)*", re.DOTALL)
_NUMBER = re.compile(r"([+-]?)((?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,4}))?")
_MINUS = str.maketrans({"\N{MINUS SIGN}": "-"})
LONGEST = 1_000_000
"""Characters of a reply; a longer one is wrong."""
LONGEST_NUMBER = 5_000
_NOTHING = object()
Parse = Callable[[str], Any]


def value_of(reply: str) -> str:
    """The reply without think blocks before the answer and without the code fence around it."""
    text = reply.strip()
    thoughts = _THOUGHTS.match(text)
    text = text[thoughts.end() if thoughts else 0 :].strip()
    text = text.rpartition("\n</think>\n")[2].strip()  # where the prompt had opened the block
    if text.startswith("<think>"):
        return ""  # it never came to an answer
    head, line, rest = text.partition("\n")
    if line and head.startswith(_FENCE) and "`" not in head[3:] and rest.endswith(_FENCE):
        return rest[:-3].strip()
    return text


def _exact(text: str) -> Any:
    return " ".join(text.split()) or _NOTHING


def _lines(text: str) -> Any:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()] or _NOTHING


def _number(text: str) -> Any:
    match = _NUMBER.fullmatch(text.translate(_MINUS).strip()) if len(text) <= LONGEST_NUMBER else None
    if match is None:
        return _NOTHING
    sign, digits, exponent = match.groups()
    return Decimal(f"{sign}{digits.replace(',', '')}e{exponent or 0}")


def _json(text: str) -> Any:
    try:
        return _typed(json.loads(text, parse_constant=_refuse, parse_float=Decimal, object_pairs_hook=_object))
    except (ValueError, ArithmeticError, RecursionError):
        return _NOTHING


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name is given twice")
    return dict(pairs)


def _typed(value: Any) -> Any:
    """The same with truth values told from numbers: in Python `True == 1`."""
    if isinstance(value, bool):
        return ("truth", value)
    if isinstance(value, list):
        return [_typed(each) for each in value]
    if isinstance(value, dict):
        return {name: _typed(each) for name, each in value.items()}
    return value


JUDGES: dict[str, tuple[Parse, str]] = {
    "exact": (_exact, "text"), "number": (_number, "number"), "json": (_json, "JSON value"), "lines": (_lines, "lines"),
}  # fmt: skip


def judge(name: str, answer: str, reply: str) -> Verdict:
    """Whether the reply's value is the answer's."""
    parse, noun = JUDGES[name]
    if len(reply) > LONGEST:
        return Verdict(False, "", f"the reply has more than {LONGEST:,} characters")
    text = value_of(reply)
    wanted, found = parse(answer.strip()), parse(text)
    if wanted is _NOTHING:
        return Verdict(False, "", f"the golden answer is no {noun}")
    if found is _NOTHING:
        return Verdict(False, "", f"the reply is no {noun}" if text else "the reply is empty")
    try:
        same = bool(found == wanted)
    except RecursionError:
        return Verdict(False, "", "the reply is nested too deeply")
    return Verdict(same, text, f"the {noun} is right" if same else f"another {noun}")
