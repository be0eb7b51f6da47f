"""Rows under a data profile. Chats alone are dressed: a prompt with its completion, and a text, have no turns."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from realm_arena.rows import Message as RowMessage
from realm_arena.rows import Row
from realm_cli.conversation import Message
from realm_cli.profiles import NONE, Profile


def row(raw: Row, profile: Profile, index: int) -> Row:
    """The row as it is trained; `index` counts the rows of its file. Raises `FormatError` as the profile does."""
    if raw.messages is UNSET or profile.stamp == NONE:
        return raw
    dressed = profile.lesson([Message(one.role, one.content) for one in raw.messages], index)
    return msgspec.structs.replace(raw, messages=as_turns(dressed))


def as_turns(messages: Sequence[Message]) -> list[RowMessage]:
    """Messages as the tokenizer takes them."""
    return [RowMessage(one.role, one.content) for one in messages]  # type: ignore[arg-type]
