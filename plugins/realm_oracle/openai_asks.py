"""Requests in OpenAI's language. What clients send by default and means nothing here is taken when it says nothing else.

A field that is not known, or that asks for what the Oracle does not do, is refused with its name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from flask import request
from msgspec import Meta

from realm_cli.errors import UsageError, nearest
from realm_cli.generation import Message
from realm_cli.oracleclient import MAX_TOKENS
from realm_cli.webbody import decoded

COMPLETION_TOKENS = 16
"""What OpenAI's own completions give when nothing is said."""


class Part(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A piece of a message's content."""

    type: Literal["text"]
    text: str


class Turn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One message."""

    role: str
    content: str | list[Part]

    def message(self) -> Message:
        """As the generation face takes it."""
        content = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return Message(self.role, content)


class StreamOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a stream brings beside the text."""

    include_usage: bool = False


class ResponseFormat(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Text alone is made here."""

    type: Literal["text"]


class _Asked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What both kinds of requests say."""

    model: str
    temperature: Annotated[float, Meta(ge=0, le=100)] | None = None
    """Without one, the reply is greedy."""
    seed: int | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    n: Literal[1] | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the counts."""
        return self.stream_options is not None and self.stream_options.include_usage


class ChatAsked(_Asked, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/chat/completions`."""

    messages: list[Turn]
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    logprobs: Literal[False] | None = None
    store: Literal[False] | None = None
    response_format: ResponseFormat | None = None

    @property
    def limit(self) -> int:
        """Most tokens of the reply."""
        return self.max_completion_tokens or self.max_tokens or MAX_TOKENS


class CompletionAsked(_Asked, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/completions`."""

    prompt: str | list[str]
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    best_of: Literal[1] | None = None
    echo: Literal[False] | None = None
    suffix: Literal[""] | None = None
    logprobs: Literal[0] | None = None

    @property
    def limit(self) -> int:
        """Most tokens of the reply."""
        return self.max_tokens or COMPLETION_TOKENS


class FieldError(UsageError):
    """A request that is refused for one of its fields."""

    def __init__(self, field: str, problem: str, hint: str) -> None:
        super().__init__(problem, hint)
        self.field = field


_NEUTRAL = {"top_p": 1, "frequency_penalty": 0, "presence_penalty": 0, "logit_bias": {}}


def read(schema: type[Any]) -> Any:
    """The body as `schema`. Raises `FieldError` or `UsageError`."""
    given = decoded(request.get_data())
    if not isinstance(given, dict):
        raise UsageError("the body is no JSON object", "send one JSON object")
    known = [field.name for field in msgspec.structs.fields(schema)]
    for name, value in given.items():
        if name not in known:
            raise FieldError(name, f"unknown field '{name[:100]}'", nearest(name, known))
        if name in _NEUTRAL and value not in (None, _NEUTRAL[name]):
            raise FieldError(name, f"{name} is not offered here", f"leave it out, or send {_NEUTRAL[name]}")
    try:
        return msgspec.convert(given, schema)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UsageError(f"the request is not right: {error}", f"fields: {', '.join(known)}") from None
