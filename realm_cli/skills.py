"""The face of a skill: problems with machine-checked answers, and the split that keeps evals unseen.

A skill is any object with the methods of `Skill`. The `key` of a problem names it apart from its wording; the hash of
the key, and nothing else, decides whether it belongs to evals or to training, on every machine and with every seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    import random

Split = Literal["train", "eval"]

CLOSED_BELOW = 5_000
"""A level with fewer distinct keys is closed: small enough to be learned by heart, so both splits draw from all of it."""

EVAL_SHARE = 0.1
"""Share of the keys of an open level that belongs to evals."""


class Problem(msgspec.Struct, frozen=True):
    """One problem: what the hero is asked, the golden answer, and the key that names it."""

    prompt: str
    answer: str
    key: str
    meta: dict[str, Any] = {}
    """Free, but for `kind` and `form` (the sort of problem, and how it is asked where that is not the plain way; evals are
    broken down by both) and `first_level` (see `belongs`)."""


class Verdict(msgspec.Struct, frozen=True):
    """A judge's word on one reply."""

    correct: bool
    parsed: str
    """What the judge took for the answer's value; empty when it found none."""
    reason: str
    """One line: why right, why wrong."""


class Skill(Protocol):
    """What a skill plugin gives. Levels count from 1 to `max_level`."""

    id: str

    @property
    def max_level(self) -> int:
        """The highest level."""
        ...

    def problem(self, level: int, rng: random.Random) -> Problem:
        """A problem of that level, the same for the same state of `rng`, in bounded time."""
        ...

    # A skill may also have `lesson(level, rng)`, the same problems in the wording that training sees (tags, tricks of
    # format), and `configured(settings, where)`, itself with the `settings:` of its YAML; both are optional. One that is
    # asked for many problems at a time has `sample(level, count, seed, split)` and `stream(level, seed, split)`, which
    # `realm_cli.sampling` then uses. One that may turn out to be of no use has `trouble()`, which says why, in a moment
    # and from what is known already. `name` and `category` are what `realm skill new` writes into its YAML.

    def judge(self, problem: Problem, reply: str) -> Verdict:
        """Whether the reply is right; never raises, whatever the reply."""
        ...

    def space(self, level: int) -> int | None:
        """How many distinct keys the level has; None for endless."""
        ...


def is_closed(skill: Skill, level: int) -> bool:
    """Whether the level's whole table is small enough to be learned by heart."""
    space = skill.space(level)
    return space is not None and space < CLOSED_BELOW


def split_of(skill_id: str, key: str) -> Split:
    """The side of the split on which a key of an open level lies."""
    import hashlib

    digest = hashlib.sha256(f"{skill_id}\n{key}".encode()).digest()
    return "eval" if int.from_bytes(digest[:8], "big") < EVAL_SHARE * 2**64 else "train"


def belongs(skill: Skill, level: int, problem: Problem, split: Split) -> bool:
    """Whether a problem may be drawn for `split`; at a closed level every one may.

    Levels may contain the problems of lower ones, and closed levels are trained whole. A skill with such levels tells
    in `meta["first_level"]` where a problem first occurs; one that occurs at a closed level is known by heart and
    belongs to no eval of an open one.
    """
    if is_closed(skill, level):
        return True
    if split_of(skill.id, problem.key) != split:
        return False
    return split == "train" or not is_closed(skill, problem.meta.get("first_level", level))


def without_thinking(reply: str) -> str:
    """The reply after its leading `<think>…</think>` blocks. A block that never ends leaves nothing.

    Where a chat template opened the block in the prompt, the reply holds its end alone, on a line of its own.
    """
    start = 0
    while True:
        while start < len(reply) and reply[start].isspace():
            start += 1
        if not reply.startswith("<think>", start):
            return reply[start:].rpartition("\n</think>\n")[2]
        end = reply.find("</think>", start)
        if end < 0:
            return ""
        start = end + len("</think>")
