"""How the tasks stand, for whoever looks from outside: as the task master wrote it, or as it would be without one."""

from __future__ import annotations

from datetime import datetime, timezone

import msgspec

from realm_cli import task_records
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.task_records import TaskStanding
from realm_taskmaster.cards import Chosen
from realm_taskmaster.master import TaskMaster
from realm_taskmaster.picking import Candidate, Facts, plan

NO_MASTER = "no task master runs: realm task daemon, or realm task once"


def standings(realm: Realm, manager: Manager) -> list[TaskStanding]:
    """Every task with why it does not run now."""
    found = task_records.master(realm)
    if found is not None:
        return found.tasks
    master = TaskMaster.of(realm, manager)
    try:
        return [_without_master(one) for one in _alone(master, master.candidates())]
    finally:
        master.close()


def _alone(master: TaskMaster, candidates: list[Candidate]) -> list[TaskStanding]:
    """The tasks without a look over time at the GPU: only whether there is one is known."""
    if not master.cards.host:
        master.cards.look()

    def choose(_free_mb: int, _taken: frozenset[str]) -> Chosen:
        return Chosen() if master.cards.host or master.config.cpu_inference else Chosen(reason=master.cards.no_gpu)

    found = []
    for one in candidates:  # each for itself: which comes first is not the question
        facts = Facts(datetime.now(timezone.utc), "", task_records.running(master.realm), (), choose)
        found += plan([one], facts).standings
    return sorted(found, key=lambda one: (-one.priority, one.id))


def _without_master(one: TaskStanding) -> TaskStanding:
    return msgspec.structs.replace(one, reason=one.reason or NO_MASTER, next=one.next or None)


def available(master: TaskMaster) -> list[Candidate]:
    """The tasks that would run now if each were the only one."""
    known = task_records.master(master.realm)
    candidates = sorted(master.candidates(), key=lambda one: (-one.priority, one.task.id))
    if known is not None:
        ready = {one.id for one in known.tasks if not one.reason or one.reason.startswith("after ")}
        return [one for one in candidates if one.task.id in ready]
    if master.needs_gpu():
        master.cards.settle()
    found = []
    for one in candidates:
        facts = Facts(datetime.now(timezone.utc), "", task_records.running(master.realm), (), master.cards.choose)
        if plan([one], facts).start:
            found.append(one)
    return found
