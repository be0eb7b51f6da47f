"""What the two processes say to each other, and the limits of it."""

from __future__ import annotations

import msgspec

ITEM_SECONDS = 20.0
"""Of processor time, that making one item or scoring one reply may take."""
LEVELS_SECONDS = 60.0


class RefusedGoldenError(Exception):
    """A task has no golden answer, or its scorer does not give that the full score."""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for; `do` is tasks, levels, item, score or forget."""

    do: str
    seconds: float = ITEM_SECONDS
    """Of processor time; the kernel ends the process then."""
    task: str = ""
    level: int = 1
    seed: int = 0
    index: int = 0
    prompt: str = ""
    answer: str = ""
    reply: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came out; `trouble` tells why nothing did."""

    trouble: str = ""
    refused: bool = False
    """Whether the trouble is with the golden answer."""
    died: bool = False
    """Whether the request ended the process, by taking too long or otherwise."""
    seconds: float = 0.0
    """Of processor time."""
    tasks: list[str] = []
    category: str = ""
    levels: int = 0
    ends: str = ""
    """Why there are no higher levels, where the library means it to have some."""
    prompt: str = ""
    answer: str = ""
    score: float | None = None
    """None where the library does not give the problem that was named."""
