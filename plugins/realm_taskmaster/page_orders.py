"""What people do on the page `/tasks`: run a task, end a run, start and stop services, examine the realm."""

from __future__ import annotations

import logging
import threading
import time
from typing import Annotated, Literal

import msgspec
from flask import Blueprint
from flask.typing import ResponseReturnValue
from msgspec import Meta

from realm_cli import task_config, task_records, verbs
from realm_cli.errors import RealmError, RefusedError
from realm_cli.manager import Manager
from realm_cli.pages import data, done
from realm_cli.process import user_name
from realm_cli.realm import Realm
from realm_cli.task_records import TaskRun
from realm_taskmaster.master import task_of
from realm_taskmaster.runs import Runs, of_task

Words = Annotated[str, Meta(min_length=1, max_length=200)]
log = logging.getLogger("realm.taskmaster")
SETTLE_SECONDS = 0.5
WEAVER_SECONDS = 90.0
DOCTOR_SECONDS = 180.0
OWN = "tavern"
"""The service that shows this page: it cannot answer that it was stopped."""


class _Task(msgspec.Struct, forbid_unknown_fields=True):
    task: Words


class _Run(msgspec.Struct, forbid_unknown_fields=True):
    run: Words


class _Service(msgspec.Struct, forbid_unknown_fields=True):
    service: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]
    verb: Literal["start", "stop", "restart"]


class _Examine(msgspec.Struct, forbid_unknown_fields=True):
    fix: bool = False


def add_routes(routes: Blueprint, realm: Realm, manager: Manager, runs: Runs) -> None:
    """All that can be ordered."""
    orders = _Orders(realm, manager, runs)
    routes.add_url_rule("/api/tasks/run", "task_run", orders.run, methods=["POST"])
    routes.add_url_rule("/api/tasks/cancel", "task_cancel", orders.cancel, methods=["POST"])
    routes.add_url_rule("/api/services", "service_order", orders.service, methods=["POST"])
    routes.add_url_rule("/api/doctor", "examine", orders.examine, methods=["POST"])


class _Orders:
    """One method for each order."""

    def __init__(self, realm: Realm, manager: Manager, runs: Runs) -> None:
        self.realm = realm
        self.manager = manager
        self._runs = runs

    def run(self) -> ResponseReturnValue:
        """Run a task now, whatever the GPU does."""
        task = task_of(self.manager, data(_Task).task)
        chosen = task_config.configured(self.realm).of(task.id)
        priority = task.priority if chosen.priority is None else chosen.priority
        run = self._runs.force(of_task(task, priority, user_name(), forced=True))
        threading.Thread(target=self._see_off, args=(run,), name=run.id, daemon=True).start()
        return done({"run": run.id, "state": run.state}, f"{task.id} runs", f"/tasks/run/{run.id}")

    def _see_off(self, run: TaskRun) -> None:
        """File its end when that comes, so that the page shows it; where this fails, the next look does it."""
        try:
            while self._runs.settle(run) is None and any(one.id == run.id for one in task_records.running(self.realm)):
                time.sleep(SETTLE_SECONDS)
        except RealmError as error:
            log.warning("%s", error.message)

    def cancel(self) -> ResponseReturnValue:
        """End a run with all that it started."""
        run = self._runs.cancel(data(_Run).run)
        words = f"{run.name} is {run.state}" if run.ended_at else f"{run.name} is asked to end"
        return done({"run": run.id, "state": run.state}, words, "/tasks")

    def service(self) -> ResponseReturnValue:
        """Start, stop or restart a service through the weaver."""
        given = data(_Service)
        if given.service == OWN and given.verb != "start":
            raise RefusedError("this page is that service", "in a terminal: realm weaver down tavern")
        for verb in {"start": ["up"], "stop": ["down"], "restart": ["down", "up"]}[given.verb]:
            verbs.call(self.realm, "weaver", verb, given.service, seconds=WEAVER_SECONDS)
        words = {"start": "runs", "stop": "is stopped", "restart": "runs again"}[given.verb]
        back = f"/tasks/service/{given.service}"
        return done({"service": given.service}, f"{given.service} {words}", back)

    def examine(self) -> ResponseReturnValue:
        """Let the doctor look at everything, and mend what it can."""
        fix = ["--fix"] if data(_Examine).fix else []
        verbs.call(self.realm, "doctor", "--json", *fix, seconds=DOCTOR_SECONDS, fine=(0, 1))
        return done({"fixed": bool(fix)}, "the realm was examined", "/tasks")
