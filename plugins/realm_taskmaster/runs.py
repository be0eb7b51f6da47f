"""The life of a run on disk: asked for, claimed, started, ended. Every change is made under one lock, and each can be repeated.

Claimed first, started then: whoever finds a claim without a job starts the job, and a job's id is that of its run, so
that a run is never started twice and never forgotten.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Any

import msgspec

from realm_cli import store, task_records, verbs
from realm_cli.errors import LockedError, NotFoundError, RealmError, RefusedError
from realm_cli.events import emit
from realm_cli.jobs import ENDED, Job, JobStatus, Runner
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.task_records import TaskRun, folder, history_file, last_file, run_file
from realm_cli.tasks import Task

log = logging.getLogger("realm.taskmaster")
KEPT = 1000
"""Ended runs that stay in the history."""
SURPLUS = 200
"""It is cut when it has so many more."""
SAID = "task: "
"""Before the line that a task ends with."""
LONGEST = 500


def new_id(name: str) -> str:
    """An id that no other run has."""
    return f"{name}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"


def of_task(task: Task, priority: int, by: str, *, forced: bool = False) -> TaskRun:
    """A run of a task, not yet on disk."""
    return TaskRun(
        id=new_id(task.id), task=task.id, title=task.title, priority=priority, gpu=task.gpu, timeout_s=task.timeout_s,
        forced=forced, by=by, asked_at=now(),
    )  # fmt: skip


class Runs:
    """The runs of one realm."""

    def __init__(self, realm: Realm, manager: Manager, runner: Callable[[], Runner]) -> None:
        self.realm = realm
        self.manager = manager
        self._open = runner
        self._runner: Runner | None = None

    @property
    def runner(self) -> Runner:
        """Where jobs run; opened when it is needed."""
        if self._runner is None:
            self._runner = self._open()
        return self._runner

    def _locked(self) -> Any:
        store.make_folders([folder(self.realm) / name for name in ("queue", "running", "last")])
        return store.locked(folder(self.realm) / ".lock")

    # -- forward -----------------------------------------------------------------------------------------------------

    def ask(self, run: TaskRun) -> TaskRun:
        """Put it into the queue. Raises `RefusedError` where its task waits there already, or runs."""
        asked = msgspec.structs.replace(run, queued=True)
        with self._locked():
            for other in (*task_records.queued(self.realm), *task_records.running(self.realm)) if run.task else ():
                if other.task == run.task:
                    raise RefusedError(
                        f"{run.task} is asked for already, or runs: {other.id}", f"see: realm task log {other.id}"
                    )
            store.write_record(run_file(self.realm, "queue", run.id), asked, durable=True)
        return asked

    def claim(self, run: TaskRun, card: str = "") -> TaskRun | None:
        """Take it for running, out of the queue where it was. None when it was cancelled there, or its task runs already."""
        claimed = msgspec.structs.replace(run, card=card, claimed_at=now(), state="running")
        waiting = run_file(self.realm, "queue", run.id)
        with self._locked():
            if run.task and any(other.task == run.task for other in task_records.running(self.realm)):
                return None
            if run.queued and not waiting.exists():
                return None
            store.write_record(run_file(self.realm, "running", run.id), claimed, durable=True)
            store.delete(waiting, durable=True)
        return claimed

    def start(self, run: TaskRun) -> None:
        """Submit its job; one that is there already is left as it is."""
        store.delete(run_file(self.realm, "queue", run.id))  # a kill may have left it
        environment = {"CUDA_VISIBLE_DEVICES": run.card} if run.card and not self._is_far() else {}
        command = tuple(run.command or verbs.line_of(self.realm, "task", "exec", run.task))
        self.runner.submit(
            Job(id=run.id, command=command, name=run.title, seconds=run.timeout_s, environment=environment)
        )

    def _is_far(self) -> bool:
        from realm_cli.hosts import Hosts

        return Hosts.of(self.realm).inference() is not None

    # -- its end -----------------------------------------------------------------------------------------------------

    def settle(self, run: TaskRun) -> TaskRun | None:
        """The run when it has ended, filed as such. A claim whose job was never submitted is started now."""
        try:
            status = self.runner.poll(run.id)
        except NotFoundError:
            log.info("%s was claimed but not started; it is started now", run.id)
            self.start(run)
            return None
        return self._file(run, status) if status.state in ENDED else None

    def _file(self, run: TaskRun, status: JobStatus) -> TaskRun | None:
        said, error = self._words(run.id)
        is_done = status.state == "done"
        ended = msgspec.structs.replace(
            run, state=status.state, code=status.code, signal=status.signal, ended_at=status.ended_at or now(),
            said=said if is_done else "", reason="" if is_done else _reason(status, error),
        )  # fmt: skip
        return ended if self._end(ended) else None

    def _end(self, ended: TaskRun) -> bool:
        """File it: last run, history, then the claim goes. False when somebody else did."""
        places = [run_file(self.realm, "running", ended.id), run_file(self.realm, "queue", ended.id)]
        with self._locked():
            if not any(path.exists() for path in places):
                return False
            if ended.task:
                store.write_record(last_file(self.realm, ended.task), ended, durable=True)
            self._remember(ended)
            for path in places:
                store.delete(path, durable=True)
        emit(
            self.realm, self.manager, "task_done" if ended.state == "done" else "task_failed", run=ended.id,
            task=ended.name, state=ended.state, said=ended.said, reason=ended.reason,
        )  # fmt: skip
        return True

    def _remember(self, ended: TaskRun) -> None:
        path = history_file(self.realm)
        if any(one.id == ended.id for one in task_records.history(self.realm, 50)):
            return  # a kill came before the claim went
        store.append_line(path, ended.to_dict(), durable=True)
        lines = store.read_bytes(path).splitlines(keepends=True)
        if len(lines) > KEPT + SURPLUS:
            store.write_atomic(path, b"".join(lines[-KEPT:]), durable=True)

    def _words(self, job: str) -> tuple[str, str]:
        """(what the task said was done, its error or last words)."""
        data, offset = b"", 0
        while (piece := self.runner.logs(job, offset)).data:
            data, offset = (data + piece.data)[-65536:], piece.offset
        lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
        said = [line.removeprefix(SAID) for line in lines if line.startswith(SAID)]
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return (said or lines or [""])[-1][:LONGEST], (errors or lines or [""])[-1][:LONGEST]

    # -- people ------------------------------------------------------------------------------------------------------

    def cancel(self, run_id: str) -> TaskRun:
        """End a run with all that it started, or take it off the queue. Raises `NotFoundError`, or `RefusedError` when it has ended."""
        run = task_records.find(self.realm, run_id)
        if run.ended_at:
            raise RefusedError(f"{run.id} has ended already ({run.state})", "see: realm task status")
        if run.claimed_at:
            return self._cancel_job(run)
        ended = msgspec.structs.replace(run, state="cancelled", reason="cancelled", ended_at=now())
        if not self._end_waiting(ended):
            return self.cancel(run_id)  # it was claimed on this moment
        return ended

    def _end_waiting(self, ended: TaskRun) -> bool:
        """Take it off the queue; it never ran, so that no cooldown begins."""
        with self._locked():
            waiting = run_file(self.realm, "queue", ended.id)
            # A kill in the middle of a claim leaves both.
            if run_file(self.realm, "running", ended.id).exists() or not waiting.exists():
                return False
            self._remember(ended)
            store.delete(waiting, durable=True)
        return True

    def _cancel_job(self, run: TaskRun) -> TaskRun:
        try:
            status = self.runner.cancel(run.id)
        except NotFoundError:  # claimed, not yet started: let the claim become a job first
            self.start(run)
            status = self.runner.cancel(run.id)
        return (self._file(run, status) if status.state in ENDED else None) or task_records.find(self.realm, run.id)

    def force(self, run: TaskRun) -> TaskRun:
        """Claim and start a run that a person wants now. Raises `LockedError` when it, or another on the GPU, runs."""
        for other in task_records.running(self.realm):
            if self.settle(other) is not None:
                continue  # it has ended, and nobody had looked
            if other.task == run.task:
                raise LockedError(
                    f"{run.task} runs already: {other.id}", f"wait, or end it: realm task cancel {other.id}"
                )
            if run.gpu == other.gpu == "inference":
                hint = f"wait, or end it: realm task cancel {other.id}"
                raise LockedError(f"another task has the GPU: {other.id}", hint)
        claimed = self.claim(run)
        if claimed is None:
            raise LockedError(f"{run.task} was started on this moment", "see: realm task status")
        self.start(claimed)
        return claimed


MASTER = "the task master"
"""Who asks for a run when its turn came."""


def _reason(status: JobStatus, error: str) -> str:
    """Why it did not do what it should."""
    told = status.reason or (f"ended with {status.code}" if status.code is not None else str(status.state))
    return f"{told}: {error}"[:LONGEST] if error and error not in told else told[:LONGEST]


def problem_of(run: TaskRun) -> RealmError:
    """The error of a run that a person waited for."""
    return RealmError(f"{run.name} {run.state}: {run.reason}", f"what it said: realm task log {run.id}")
