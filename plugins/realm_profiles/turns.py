"""Which user's text a reply belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from realm_cli.conversation import Message


class Turn(NamedTuple):
    """A question with its reply."""

    number: int
    """Counted from 0 within the conversation."""
    user: int
    """Which message asks."""
    assistant: int | None
    """Which message replies; None for the question that waits."""


def turns(messages: Sequence[Message]) -> Iterator[Turn]:
    """Every question: the last user's text before each reply, and the one after all replies. A reply without one has none."""
    number, asked = 0, None
    for index, message in enumerate(messages):
        if message.role == "user":
            asked = index
        elif message.role == "assistant" and asked is not None:
            yield Turn(number, asked, index)
            number, asked = number + 1, None
    if asked is not None:
        yield Turn(number, asked, None)
