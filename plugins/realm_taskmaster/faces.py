"""What the GPU Task Scheduler API answers and is asked: the shapes of its JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from realm_cli.task_records import GpuStanding, TaskRun

PARAMETERS: dict[str, dict[str, Any]] = {"job": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"}}
"""What stands in paths."""
Word = Annotated[str, Meta(min_length=1, max_length=4096, pattern="^[^\\x00]+$")]


class SubmitAsked(msgspec.Struct, forbid_unknown_fields=True):
    """A task by its id, or a command."""

    task: Annotated[str, Meta(max_length=100)] = ""
    command: Annotated[list[Word], Meta(max_length=100)] = []
    """A program with its arguments; asked for only with the token."""
    gpu: Literal["none", "inference"] = "none"
    """Of a command: whether it waits for an idle GPU. A task knows it itself."""
    priority: Annotated[int, Meta(ge=-1000, le=1000)] | None = None
    seconds: Annotated[float, Meta(gt=0, le=86_400 * 30)] | None = None
    """Of a command: it is ended after so long."""


class JobFace(msgspec.Struct):
    """One job: a run of a task, or a command."""

    id: str
    task: str
    command: list[str]
    title: str
    priority: int
    gpu: str
    state: str
    by: str
    asked_at: str
    claimed_at: str
    ended_at: str
    card: str
    code: int | None
    signal: int | None
    reason: str
    said: str

    @classmethod
    def of(cls, run: TaskRun) -> JobFace:
        """A run as the API shows it."""
        return cls(**{name: getattr(run, name) for name in cls.__struct_fields__})


class JobsFace(msgspec.Struct):
    """What runs, what waits in its order, what ended last."""

    running: list[JobFace]
    queue: list[JobFace]
    ended: list[JobFace]


class TypeFace(msgspec.Struct):
    """A kind of task."""

    id: str
    title: str
    priority: int
    gpu: str
    enabled: bool
    estimate_s: float
    cooldown_s: float
    timeout_s: float
    next: str | None
    reason: str


class TypesFace(msgspec.Struct):
    """All kinds of tasks, the highest priority first."""

    tasks: list[TypeFace]


class GpusFace(msgspec.Struct):
    """The cards that count."""

    host: str
    """Empty = the machine of the task master."""
    reason: str
    """Why there is none."""
    idle_percent: float
    busy_percent: float
    window_s: float
    gpus: list[GpuStanding]


class MetricsFace(msgspec.Struct):
    """Counts since the history begins."""

    waiting: int
    running: int
    done: int
    failed: int
    cancelled: int
    lost: int
    gpus: int
    idle_gpus: int
