"""Judging of JSON lines: one problem with one reply each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from realm_cli.datafiles import LINE_LIMIT
from realm_cli.errors import UsageError
from realm_cli.skills import Problem, Skill, Verdict

_HINT = "each line is one JSON object: {prompt, answer, reply}, as `realm skill sample --json` gives them, with a reply"


class JudgeLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line: a problem as `skill sample` prints it, and the reply to it."""

    prompt: str
    answer: str
    reply: str
    key: str = ""
    level: int = 0
    meta: dict[str, Any] = {}


def verdicts(skill: Skill, lines: BinaryIO) -> Iterator[Verdict]:
    """A verdict for every line as it comes, blank ones passed over. A bad line raises `UsageError` with its number."""
    decoder = msgspec.json.Decoder(JudgeLine)
    number = 0
    while text := lines.readline(LINE_LIMIT + 1):
        number += 1
        if len(text) > LINE_LIMIT:
            raise UsageError(f"line {number} is longer than {LINE_LIMIT // 2**20} MiB", _HINT)
        if not text.strip():
            continue
        try:
            line = decoder.decode(text)
        except msgspec.ValidationError as error:
            raise UsageError(f"line {number}: {_lower(error)}", _HINT) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"line {number} is not valid JSON ({_lower(error)})", _HINT) from None
        yield skill.judge(Problem(line.prompt, line.answer, line.key, line.meta), line.reply)


def _lower(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]
