"""What the task master writes under `status/tasks/`: runs, and how every task stands. Where a run's file lies is its state.

queue/<id>.json: asked for, waits. running/<id>.json: claimed; its job has the same id, so that it is found again after any
kill. last/<task>.json and history.jsonl: ended.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Literal

import msgspec

from realm_cli import belonging, store
from realm_cli.errors import FormatError, NotFoundError
from realm_cli.gpus import Gpu
from realm_cli.jobs import State
from realm_cli.process import is_running
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark, ProcessRecord, Record

HISTORY_BYTES = 512 * 1024
"""How much of the history is looked at; about a thousand runs."""


class TaskRun(Record, frozen=True, kw_only=True):
    """One run of a task, or of a command that somebody submitted."""

    kind: ClassVar[str] = "task_run"

    id: str
    """Also that of its job."""
    task: str = ""
    """Empty for a command."""
    command: list[str] = msgspec.field(default_factory=list)
    title: str = ""
    priority: int = 0
    gpu: Literal["none", "inference"] = "none"
    timeout_s: float | None = None
    queued: bool = False
    """It went through the queue."""
    forced: bool = False
    """Started by a person: no idle check, no cooldown."""
    by: str = ""
    asked_at: str = ""
    card: str = ""
    """The GPU that it holds; empty = none, or whichever."""
    claimed_at: str = ""
    ended_at: str = ""
    state: State = "waiting"
    code: int | None = None
    signal: int | None = None
    reason: str = ""
    """Why it failed, was ended, is lost."""
    said: str = ""
    """What was done, in one line."""

    @property
    def name(self) -> str:
        """The task's id, or the command's first word."""
        return self.task or Path(self.command[0]).name


class TaskStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How a task stands."""

    id: str
    priority: int
    gpu: Literal["none", "inference"]
    enabled: bool
    next: str | None = None
    """When it is looked at next."""
    reason: str = ""
    """Why it does not run now; empty = it runs, or may."""


class GpuStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A card and its average."""

    card: Gpu
    state: Literal["idle", "in use", "busy", "unknown"]
    average: float | None = None
    """Percent over the window; None while that is not known."""


class TaskMasterRecord(ProcessRecord, frozen=True, kw_only=True):
    """The last look of the task master (`status/tasks/master.json`)."""

    kind: ClassVar[str] = "task_master"

    process: ProcessMark
    looked_at: str
    next_look: str
    host: str = ""
    """The machine whose GPUs count; empty = this one."""
    no_gpu: str = ""
    """Why there is no GPU, or why it cannot be looked at."""
    gpus: list[GpuStanding] = msgspec.field(default_factory=list)
    tasks: list[TaskStanding] = msgspec.field(default_factory=list)


def folder(realm: Realm) -> Path:
    """Where all of it lies."""
    return realm.status / "tasks"


def master_file(realm: Realm) -> Path:
    """How the task master saw things last."""
    return folder(realm) / "master.json"


def run_file(realm: Realm, state: Literal["queue", "running"], run: str) -> Path:
    """Where a run that has not ended lies."""
    return folder(realm) / state / f"{run}.json"


def last_file(realm: Realm, task: str) -> Path:
    """Where the last run of a task lies."""
    return folder(realm) / "last" / f"{task}.json"


def history_file(realm: Realm) -> Path:
    """Ended runs, a line each, the newest last."""
    return folder(realm) / "history.jsonl"


def master(realm: Realm) -> TaskMasterRecord | None:
    """The last look of the task master that runs; None when none does."""
    found = belonging.read(realm, master_file(realm), TaskMasterRecord)
    return found if found is not None and is_running(found.process) else None


_read: dict[Path, dict[str, tuple[tuple[int, int], TaskRun]]] = {}
"""By folder and file: (time and inode of the file, its run), for a process that looks at a long queue again and again."""


def _runs(realm: Realm, state: Literal["queue", "running"]) -> list[TaskRun]:
    place = folder(realm) / state
    before, found = _read.get(place, {}), {}
    for name in queue_names(realm, state):
        path = place / name
        try:
            facts = path.stat()
        except FileNotFoundError:
            continue  # it went on this moment
        mark, known = (facts.st_mtime_ns, facts.st_ino), before.get(name)
        if known is not None and known[0] == mark:
            found[name] = known
        elif (run := store.read_or_set_aside(path, TaskRun)) is not None:
            found[name] = mark, run
    _read[place] = found
    return [run for _, run in found.values()]


def queue_names(realm: Realm, state: Literal["queue", "running"] = "queue") -> list[str]:
    """The files of a folder of runs, sorted; reads names only."""
    try:
        names = os.listdir(folder(realm) / state)
    except FileNotFoundError:
        return []
    return sorted(name for name in names if name.endswith(".json") and not name.startswith("."))


def queued(realm: Realm) -> list[TaskRun]:
    """What was asked for and waits: by priority, then as it came."""
    return sorted(_runs(realm, "queue"), key=lambda run: (-run.priority, run.asked_at, run.id))


def running(realm: Realm) -> list[TaskRun]:
    """What was claimed and has not ended."""
    return _runs(realm, "running")


def last(realm: Realm, task: str) -> TaskRun | None:
    """The last run of a task that ended."""
    return store.read_or_set_aside(last_file(realm, task), TaskRun)


def history(realm: Realm, count: int) -> list[TaskRun]:
    """The last ended runs, newest first."""
    found = []
    for data in store.read_tail(history_file(realm), HISTORY_BYTES)[-count:]:
        try:
            found.append(TaskRun.from_dict(data, str(history_file(realm))))
        except FormatError:
            continue  # a newer task master's
    return list(reversed(found))


def find(realm: Realm, run: str) -> TaskRun:
    """One run, wherever it is. Raises `NotFoundError`."""
    # Runs go from the queue to those that run and into the history: looked at in this order, none is missed on its way.
    waiting, at_work = queued(realm), running(realm)
    for one in (*at_work, *waiting, *history(realm, 10**6)):
        if one.id == run:
            return one
    raise NotFoundError(f"there is no run '{run[:100]}'", "see: realm task status")
