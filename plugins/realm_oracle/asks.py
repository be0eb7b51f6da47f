"""What requests to the Oracle's own routes say. Unknown fields are refused."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from realm_cli.errors import UsageError
from realm_cli.generation import Message
from realm_cli.oracleclient import MAX_TOKENS
from realm_oracle.worker import Prompt

Step = Annotated[int, Meta(ge=0)]


class Turn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One message of a conversation."""

    role: str
    content: str


class LoadAsked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A checkpoint that is to be loaded, pinned or let go."""

    step: Step | None = None
    hero: str | None = None
    hash: str | None = None
    pin: bool | None = None


class UnloadAsked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A checkpoint that is to be forgotten."""

    step: Step | None = None
    hero: str | None = None


class ChatAsked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One message, one conversation or many, to one checkpoint."""

    step: Step | None = None
    hero: str | None = None
    hash: str | None = None
    message: str | None = None
    messages: list[Turn] | None = None
    conversations: list[list[Turn]] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] = MAX_TOKENS
    temperature: Annotated[float, Meta(ge=0, le=100)] = 0.0
    seed: int = 0
    profile: str | None = None
    """A data profile; without one that under which the checkpoint was trained."""
    stop: str | list[str] = []
    stream: bool = False

    def prompts(self) -> list[Prompt]:
        """The conversations. Raises `UsageError` unless exactly one way was used to say them."""
        given = [name for name in ("message", "messages", "conversations") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise UsageError(f"say message, messages or conversations; this has {found}", "keep one of them")
        if self.stream and self.conversations is not None:
            raise UsageError("conversations are not streamed", "leave stream out, or ask with messages")
        if self.conversations == []:
            raise UsageError("there are no conversations to answer", "send one or more")
        if self.message is not None:
            return [[Message("user", self.message)]]
        many = [self.messages] if self.messages is not None else self.conversations or []
        return [[Message(turn.role, turn.content) for turn in turns] for turns in many]


def step_of(step: int | None) -> int:
    """The step, which has to be said."""
    if step is None:
        raise UsageError("step is required: it says which checkpoint answers", "0 is the base model")
    return step


def stops(stop: str | list[str] | None) -> list[str]:
    """The stop texts."""
    found = [stop] if isinstance(stop, str) else stop or []
    if not all(found) or len(found) > 16:
        raise UsageError("stop takes up to 16 texts that are not empty", "leave it out")
    return found
