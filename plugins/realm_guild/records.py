"""Files that the guild writes for itself: eval sets, requests for evals, results."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from realm_cli.records import Record


class SetProblem(msgspec.Struct, frozen=True):
    """One problem of an eval set."""

    prompt: str
    answer: str
    key: str
    meta: dict[str, Any] = {}


class EvalSet(Record, frozen=True, kw_only=True):
    """The problems of every eval of one level (`data/validation/<skill>/level_NN.json`)."""

    kind: ClassVar[str] = "eval_set"

    skill: str
    level: int
    seed: int
    size: int
    """As it was set when the set was made; a level with fewer problems has them all."""
    closed: bool
    """Whether the problems are trained as well, because the level's whole table is small."""
    problems: list[SetProblem]


class EvalRequest(Record, frozen=True, kw_only=True):
    """An eval that is to be made (`status/evals/pending/<hero>-<step>-<skill>-<level>.json`)."""

    kind: ClassVar[str] = "eval_request"

    hero: str
    step: int
    skill: str
    level: int
    why: str
    """training, ahead, replay, level_up, or request."""
    requested_at: str
    reason: str = ""
    """Why it could not be made when that was tried last."""


class EvalItem(msgspec.Struct, frozen=True):
    """One problem, the hero's reply to it, and the verdict."""

    prompt: str
    expected: str
    reply: str
    """The whole reply."""
    correct: bool
    parsed: str
    reason: str
    finish: str
    answer: str | None = None
    """What a data profile took out of the reply for the judge; None where it is the reply itself, or where there was none."""
    kind: str = ""
    """The sort of problem, where the skill tells one."""
    form: str = ""
    """How it was asked, where the skill tells that and it was not the plain way."""


class EvalResult(Record, frozen=True, kw_only=True):
    """One eval of one checkpoint (`status/evals/<hero>/<step>/<skill>-<level>.json`)."""

    kind: ClassVar[str] = "eval"

    hero: str
    step: int
    checkpoint: str
    """Canonical name; `base` at step 0."""
    weights_sha256: str
    skill: str
    level: int
    state: str
    """ok; invalid: it ran, but what came out cannot count; error: it could not run to its end."""
    reason: str = ""
    set_sha256: str
    profile: str = "none"
    """Stamp of the data profile under which the hero was asked."""
    closed: bool
    size: int
    correct: int
    items: list[EvalItem]
    seconds: float
    at: str
    flagged: str = ""
    """Why the accuracy contradicts the loss; empty when it does not."""

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return self.correct / self.size if self.size else 0.0
