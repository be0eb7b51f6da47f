"""Bodies and answers of a skill server; the description of its API is made from them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from realm_cli.skills import Problem

MOST = 1_000
"""Most problems of one answer."""
LONGEST = 200_000
Seed = Annotated[int, Meta(gt=-(2**53), lt=2**53)]
Text = Annotated[str, Meta(max_length=LONGEST)]


class GenerateAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Problems of the training split; without a seed others at every call."""

    level: int
    count: Annotated[int, Meta(ge=1, le=MOST)] = 1
    seed: Seed | None = None


class JudgeAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A problem as `/generate` gives it, and the reply to it."""

    prompt: Text
    answer: Text
    reply: Text
    key: Text = ""
    level: int = 0
    meta: dict[str, Any] = {}


class SampleFace(msgspec.Struct, frozen=True):
    """One problem."""

    user_prompt: str
    assistant_response: str
    key: str
    """Names the problem apart from its wording; its hash decides between evals and training."""
    meta: dict[str, Any]

    @classmethod
    def of(cls, problem: Problem) -> SampleFace:
        """A problem as it goes over the wire."""
        return cls(problem.prompt, problem.answer, problem.key, problem.meta)


class LevelFace(msgspec.Struct, frozen=True):
    """One level."""

    level: int
    name: str
    eval_samples: int
    pass_threshold: float
    params: dict[str, Any]
    space: int | None
    """How many distinct problems it has; null = endless."""


class SamplesFace(msgspec.Struct, frozen=True):
    """Problems of one level."""

    samples: list[SampleFace]
    level_info: LevelFace
    seed: int
    """The same level, count and seed give the same problems."""


class InfoFace(msgspec.Struct, frozen=True):
    """The skill and its server."""

    skill: str
    name: str
    version: str
    category: str
    tags: list[str]
    levels: int
    api_version: int
    most: int
    """Most problems of one answer."""


class VerdictFace(msgspec.Struct, frozen=True):
    """The judge's word."""

    correct: bool
    parsed: str
    reason: str


class LevelsFace(msgspec.Struct, frozen=True):
    """Every level; on the wire the list alone."""

    levels: list[LevelFace]
