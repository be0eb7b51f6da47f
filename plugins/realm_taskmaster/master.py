"""One look of the task master: what ended, what runs next, why the others do not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from realm_cli import belonging, store, task_config, task_records
from realm_cli.errors import RealmError, nearest
from realm_cli.jobs import open_runner
from realm_cli.manager import Manager
from realm_cli.process import this_process
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.task_records import TaskMasterRecord, TaskRun
from realm_cli.tasks import Task
from realm_taskmaster.cards import Cards
from realm_taskmaster.picking import Candidate, Facts, Plan, plan
from realm_taskmaster.runs import MASTER, Runs, of_task

log = logging.getLogger("realm.taskmaster")


@contextmanager
def only_master(realm: Realm) -> Iterator[None]:
    """Be the one task master of a realm. Raises `LockedError`."""
    with store.locked(
        task_records.folder(realm) / ".master.lock", wait=False, owner="another task master of this realm"
    ):
        yield


def offered(manager: Manager) -> list[Task]:
    """Every task that the plugins offer; a broken one is named and left out."""
    found = []
    for name in sorted(manager.parts("realm_tasks")):
        try:
            found.append(manager.load_part("realm_tasks", name, "task"))
        except RealmError as error:
            log.warning("%s", error.message)
    return found


def task_of(manager: Manager, name: str) -> Task:
    """One task. Raises `NotFoundError` with the nearest one."""
    found: Task = manager.load_part("realm_tasks", name, "task")
    return found


class TaskMaster:
    """Looks at one realm."""

    def __init__(self, realm: Realm, manager: Manager, cards: Cards, config: task_config.TasksConfig) -> None:
        self.realm = realm
        self.manager = manager
        self.cards = cards
        self.config = config
        self.tasks = offered(manager)
        self.runs = Runs(realm, manager, lambda: open_runner(realm, manager))
        for name in config.tasks:
            if name not in manager.parts("realm_tasks"):
                hint = nearest(name, manager.parts("realm_tasks"))
                log.warning("%s: there is no task '%s'; %s", task_config.tasks_file(realm), name, hint)

    @classmethod
    def of(cls, realm: Realm, manager: Manager) -> TaskMaster:
        """With the configuration as it is now."""
        config = task_config.configured(realm)
        return cls(realm, manager, Cards(realm, config), config)

    # -- looking -----------------------------------------------------------------------------------------------------

    def candidates(self) -> list[Candidate]:
        """Every task with what is known of it."""
        return [self._candidate(task) for task in self.tasks]

    def _candidate(self, task: Task) -> Candidate:
        chosen, last = self.config.of(task.id), task_records.last(self.realm, task.id)
        enabled = task.enabled if chosen.enabled is None else chosen.enabled
        return Candidate(
            task=task, enabled=enabled,
            priority=task.priority if chosen.priority is None else chosen.priority,
            cooldown_s=task.cooldown_s if chosen.cooldown_s is None else chosen.cooldown_s,
            free_mb=self.config.free_mb if chosen.free_mb is None else chosen.free_mb,
            ended_at=last.ended_at if last else "", idle=self._idle(task) if enabled else "",
        )  # fmt: skip

    def _idle(self, task: Task) -> str:
        try:
            return task.idle(self.realm)
        except Exception as error:  # the edge of a plugin
            log.warning("task '%s' cannot tell whether there is something to do: %r", task.id, error)
            return f"it cannot tell whether there is something to do: {error}"

    def plan(self, seconds: float) -> Plan:
        """What a look comes to, when the next one is after so many seconds. Starts nothing."""
        facts = Facts(
            now=datetime.now(timezone.utc), next_look=_after(seconds), running=task_records.running(self.realm),
            queued=task_records.queued(self.realm), choose=self.cards.choose, free_mb=self.config.free_mb,
        )  # fmt: skip
        return plan(self.candidates(), facts)

    def needs_gpu(self) -> bool:
        """Whether anything that might run now needs a GPU."""
        pending = any(run.gpu == "inference" for run in task_records.queued(self.realm))
        return pending or any(one.enabled and one.task.gpu == "inference" and not one.idle for one in self.candidates())

    # -- doing -------------------------------------------------------------------------------------------------------

    def settle(self) -> list[TaskRun]:
        """File what has ended, start what was claimed only; returns the ended ones."""
        ended = []
        for run in task_records.running(self.realm):
            try:
                if (one := self.runs.settle(run)) is not None:
                    log.info("%s %s: %s", one.id, one.state, one.said or one.reason)
                    ended.append(one)
            except RealmError as error:
                log.warning("%s: %s", run.id, error.message)
        return ended

    def look(self, seconds: float) -> list[TaskRun]:
        """One look: start what may run and write down how everything stands; returns what was started."""
        found, started = self.plan(seconds), []
        for start in found.start:
            if start.run is not None:
                run = start.run
            else:
                assert start.candidate is not None
                run = of_task(start.candidate.task, start.candidate.priority, MASTER)
            claimed = self.runs.claim(run, start.card)
            if claimed is not None:
                self.runs.start(claimed)
                log.info("%s is started", claimed.id)
                started.append(claimed)
        self.write(found, seconds)
        return started

    def write(self, found: Plan, seconds: float) -> None:
        """How everything stands, for whoever looks."""
        record = TaskMasterRecord(
            process=this_process(), looked_at=now(), next_look=_after(seconds), host=self.cards.host,
            no_gpu=self.cards.no_gpu, gpus=self.cards.standings(), tasks=found.standings,
        )  # fmt: skip
        belonging.write(self.realm, task_records.master_file(self.realm), record)

    def close(self) -> None:
        """Drop connections; jobs go on."""
        self.cards.close()


def _after(seconds: float) -> str:
    moment = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds")
