"""Rows of a quest: the three shapes, decoded fast, refused with a message that names the key.

`decode` is the fast path and only tells right from wrong; `explain` looks at a wrong line again and says why.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec
from msgspec import UNSET, UnsetType

from realm_cli.errors import FormatError

Role = Literal["system", "user", "assistant", "tool", "developer"]
ROLES: tuple[str, ...] = get_args(Role)
SHAPES = "a row is one of: messages; prompt and completion; text"
_KINDS = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}


class Message(msgspec.Struct, gc=False):
    """One turn of a chat."""

    role: Role
    content: str


class Row(msgspec.Struct, gc=False):
    """One sample: `messages`, or `prompt` with `completion`, or `text`. Other keys are the giver's and not read."""

    messages: list[Message] | UnsetType = UNSET
    prompt: str | UnsetType = UNSET
    completion: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    # Anything may stand under these names in a foreign file; what has another type is put back to "not given".
    problem_key: Any = None
    """A string, or None: the key of the problem that the row is made from."""
    skill: Any = ""
    """A string; empty when not given."""
    level: Any = 0
    """A whole number; 0 when not given."""


class RowError(FormatError):
    """A line that is no row. Its problem is only worked out by `explain`."""

    def __init__(self) -> None:
        super().__init__("row", "not a row of a quest")


_decoder = msgspec.json.Decoder(Row)


def decode(line: bytes) -> Row:
    """The row in one line, with or without its line end. Raises `RowError`."""
    try:
        if not line.isascii():
            # The decoder passes over what stands under foreign keys without a look.
            line.decode()
        row = _decoder.decode(line)
    except (ValueError, RecursionError):  # all of msgspec's and Unicode's complaints are ValueErrors
        raise RowError from None
    if row.messages is not UNSET:
        if (
            row.text is not UNSET
            or row.prompt is not UNSET
            or row.completion is not UNSET
            or not _answered(row.messages)
        ):
            raise RowError
    elif row.text is not UNSET:
        if row.prompt is not UNSET or row.completion is not UNSET or not row.text or row.text.isspace():
            raise RowError
    elif row.prompt is UNSET or row.completion is UNSET or not row.completion or row.completion.isspace():
        raise RowError
    if type(row.problem_key) is not str:
        row.problem_key = None
    if type(row.skill) is not str:
        row.skill = ""
    if type(row.level) is not int:
        row.level = 0
    return row


def _answered(messages: list[Message]) -> bool:
    """Whether an assistant says anything; mostly the last message tells, so the walk is from the end."""
    for message in reversed(messages):  # a loop: `any` over a generator costs a third of all decoding
        if message.role == "assistant" and message.content and not message.content.isspace():
            return True
    return False


def explain(line: bytes) -> str:
    """Why `decode` refuses a line, with the path of the key at fault."""
    problem = _bytes_problem(line)
    if problem:
        return problem
    try:
        data = msgspec.json.decode(line)
    except RecursionError:
        return "nested too deeply"
    except msgspec.DecodeError as error:
        return f"not valid JSON ({_json_problem(line) or error})"
    if not isinstance(data, dict):
        return f"the row is {_kind(data)}, expected an object; {SHAPES}"
    return _shape_problem(data)


def _bytes_problem(line: bytes) -> str:
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "the text is UTF-16; save the file as UTF-8"
    if line.startswith(b"\xef\xbb\xbf"):
        return "saved with a byte-order mark; save as UTF-8 without BOM"
    if b"\0" in line:
        return f"binary content (a zero byte at byte {line.index(0) + 1} of the line); a quest is UTF-8 text"
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8: byte {error.start + 1} of the line is 0x{line[error.start]:02x}"
    return ""


def _json_problem(line: bytes) -> str:
    """The standard library's words, which name the column; msgspec's for what it alone refuses."""
    import json

    try:
        json.loads(line)
    except ValueError as error:
        return str(error).replace("line 1 ", "")
    return "half of a surrogate pair (\\ud800 to \\udfff), or a number out of range"


def _shape_problem(data: dict[str, Any]) -> str:
    given = [key for key in ("messages", "prompt", "completion", "text") if key in data]
    if "messages" in given:
        if len(given) > 1:
            return f"has {' and '.join(given)}; {SHAPES}"
        return _messages_problem(data["messages"])
    if "text" in given:
        if len(given) > 1:
            return f"has {' and '.join(given)}; {SHAPES}"
        return _text_problem(data, "text")
    if not given:
        keys = ", ".join(list(data)[:8]) or "none"
        return f"unrecognised row shape (keys: {keys}); {SHAPES}"
    missing = {"prompt", "completion"}.difference(given)
    if missing:
        return f"{given[0]} without {missing.pop()}; {SHAPES}"
    return _string_problem(data["prompt"], "prompt") or _text_problem(data, "completion")


def _messages_problem(messages: Any) -> str:
    if not isinstance(messages, list):
        return f"messages is {_kind(messages)}, expected a list"
    if not messages:
        return "messages is an empty list"
    for number, message in enumerate(messages):
        place = f"messages[{number}]"
        if not isinstance(message, dict):
            return f"{place} is {_kind(message)}, expected an object"
        for key in ("role", "content"):
            if key not in message:
                return f"{place}.{key} is missing"
            problem = _string_problem(message[key], f"{place}.{key}")
            if problem:
                return problem
        if message["role"] not in ROLES:
            return f"{place}.role is '{message['role'][:40]}', expected one of {', '.join(ROLES)}"
    return "no assistant message has any text"


def _string_problem(value: Any, path: str) -> str:
    return "" if isinstance(value, str) else f"{path} is {_kind(value)}, expected a string"


def _text_problem(data: dict[str, Any], key: str) -> str:
    return _string_problem(data[key], key) or f"{key} is empty"


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a string")
