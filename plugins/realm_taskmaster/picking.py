"""What runs next, and why the others do not: a pure function from facts to a plan."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from realm_cli.task_records import TaskRun, TaskStanding
from realm_cli.tasks import Task
from realm_taskmaster.cards import Chosen


@dataclass(frozen=True)
class Candidate:
    """A task as it is configured, with what is known of it."""

    task: Task
    enabled: bool
    priority: int
    cooldown_s: float
    free_mb: int
    ended_at: str = ""
    """The end of its last run."""
    idle: str = ""
    """Why there is nothing to do for it."""


@dataclass(frozen=True)
class Facts:
    """Everything else that counts."""

    now: datetime
    next_look: str
    running: Sequence[TaskRun]
    queued: Sequence[TaskRun] = ()
    choose: Callable[[int, frozenset[str]], Chosen] = lambda free_mb, taken: Chosen()
    free_mb: int = 0


@dataclass(frozen=True)
class Start:
    """What is to be started, on which card (empty = none)."""

    run: TaskRun | None
    """A run that was asked for; None = the task's turn came."""
    candidate: Candidate | None
    card: str

    @property
    def name(self) -> str:
        """The task's id, or the command's first word."""
        return self.run.name if self.run is not None else self.candidate.task.id if self.candidate is not None else ""


@dataclass
class Plan:
    """What a look came to."""

    start: list[Start] = field(default_factory=list)
    standings: list[TaskStanding] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    """Why what was asked for waits, by run."""


def on_cpu(gpu: Literal["none", "inference"], card: str) -> bool:
    """Whether a run takes the place that is for one run beside the GPU's."""
    return gpu == "none" or card == ""


class Slots:
    """Who holds what: one run on the CPU, one on each card."""

    def __init__(self, running: Sequence[TaskRun]) -> None:
        # What a person forced runs beside the others.
        self._cpu = next((run.name for run in running if not run.forced and on_cpu(run.gpu, run.card)), "")
        self._cards = {run.card for run in running if run.gpu == "inference"}

    def take(self, gpu: Literal["none", "inference"], name: str, choose: Callable[[frozenset[str]], Chosen]) -> Chosen:
        """A place, or why there is none."""
        if gpu == "none":
            return self._take_cpu(name)
        chosen = choose(frozenset(self._cards))
        if chosen.reason:
            return chosen
        if not chosen.card:
            return self._take_cpu(name)  # inference without a GPU
        self._cards.add(chosen.card)
        return chosen

    def _take_cpu(self, name: str) -> Chosen:
        if self._cpu:
            return Chosen(reason=f"after {self._cpu}: one task runs at a time")
        self._cpu = name
        return Chosen()


def plan(candidates: Sequence[Candidate], facts: Facts) -> Plan:
    """By priority; among equals what was asked for first, then the task that has waited longest."""
    slots, found = Slots(facts.running), Plan()
    free_mb = {candidate.task.id: candidate.free_mb for candidate in candidates}
    claims: list[tuple[tuple[int, int, str, str], TaskRun | Candidate]] = []
    claims += [((-run.priority, 0, run.asked_at, run.id), run) for run in facts.queued]
    claims += [((-one.priority, 1, one.ended_at, one.task.id), one) for one in candidates]
    for _, claim in sorted(claims, key=lambda item: item[0]):
        if isinstance(claim, TaskRun):
            need = free_mb.get(claim.task, facts.free_mb)
            chosen = slots.take(claim.gpu, claim.name, functools.partial(facts.choose, need))
            if chosen.reason:
                found.waiting[claim.id] = chosen.reason
            else:
                found.start.append(Start(claim, None, chosen.card))
            continue
        reason, moment = _held(claim, facts)
        if not reason:
            chosen = slots.take(claim.task.gpu, claim.task.id, functools.partial(facts.choose, claim.free_mb))
            reason = chosen.reason
            if not reason:
                found.start.append(Start(None, claim, chosen.card))
        found.standings.append(_standing(claim, reason, moment))
    found.standings.sort(key=lambda one: (-one.priority, one.id))
    return found


def _held(one: Candidate, facts: Facts) -> tuple[str, str | None]:
    """(why this task does not run whatever else is free, when it is looked at next)."""
    if not one.enabled:
        return f"disabled: tasks.{one.task.id}.enabled in configs/tasks.yaml", None
    run = next((run for run in facts.running if run.task == one.task.id), None)
    if run is not None:
        return f"it runs: {run.id}", facts.next_look
    if any(run.task == one.task.id for run in facts.queued):
        return "it was asked for and waits in the queue", facts.next_look
    over = cooled_at(one.ended_at, one.cooldown_s)
    if over is not None and datetime.fromisoformat(one.ended_at) <= facts.now < over:
        return f"cooldown: it ended {one.ended_at[11:16]} UTC, {one.cooldown_s:g} s lie between runs", _text(over)
    return one.idle, facts.next_look


def cooled_at(ended_at: str, cooldown_s: float) -> datetime | None:
    """When a cooldown is over; None when the task never ran. A run that ended in the future (a clock jumped) holds nothing."""
    return datetime.fromisoformat(ended_at) + timedelta(seconds=cooldown_s) if ended_at else None


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _standing(one: Candidate, reason: str, moment: str | None) -> TaskStanding:
    return TaskStanding(
        id=one.task.id, priority=one.priority, gpu=one.task.gpu, enabled=one.enabled, next=moment, reason=reason
    )
