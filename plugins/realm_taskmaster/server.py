"""The GPU Task Scheduler API: submit, queue, one job, cancel, GPU statistics, metrics, kinds of tasks."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from flask import Flask, request

from realm_cli import __version__, task_records
from realm_cli.errors import RefusedError, UsageError
from realm_cli.manager import Manager
from realm_cli.openapi import Answer, Route, document
from realm_cli.pages import data
from realm_cli.process import user_name
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.task_records import TaskRun
from realm_cli.web import Door, make_app, service_of
from realm_taskmaster import faces
from realm_taskmaster.daemon import Daemon
from realm_taskmaster.master import task_of
from realm_taskmaster.runs import new_id, of_task
from realm_taskmaster.service import NAME

SHOWN = 100
ALL = 10**6


def make_server(realm: Realm, manager: Manager, daemon: Daemon, door: Door) -> Flask:
    """The app; its description is at `/api/openapi.json`."""
    app = make_app(__name__, NAME, realm, door)
    views = _Views(realm, manager, daemon, app)
    for route in views.routes():
        app.add_url_rule(route.path, route.view.__name__, route.view, methods=[route.method], strict_slashes=True)
    described = document("Realm: GPU Task Scheduler", __version__, views.routes(), faces.PARAMETERS)
    app.add_url_rule("/api/openapi.json", "openapi", lambda: described)
    service_of(app).gauges = views.gauges
    return app


class _Views:
    """One method for each operation."""

    def __init__(self, realm: Realm, manager: Manager, daemon: Daemon, app: Flask) -> None:
        self.realm = realm
        self.manager = manager
        self.daemon = daemon
        self._safety = service_of(app).safety

    def routes(self) -> list[Route]:
        """The table that routes and description are made from."""
        return [
            Route("POST", "/api/jobs", self.submit, faces.JobFace, faces.SubmitAsked, refuses=(404, 409)),
            Route("GET", "/api/jobs", self.jobs, faces.JobsFace),
            Route("GET", "/api/jobs/<job>", self.job, faces.JobFace),
            Route("POST", "/api/jobs/<job>/cancel", self.cancel, faces.JobFace, refuses=(409,)),
            Route("GET", "/api/gpus", self.gpus, faces.GpusFace),
            Route("GET", "/api/metrics", self.counts, faces.MetricsFace),
            Route("GET", "/api/tasks", self.tasks, faces.TypesFace),
        ]

    # -- doing -------------------------------------------------------------------------------------------------------

    def submit(self) -> Answer:
        """Queue a task, whatever its cooldown says, or a command. It runs when its turn comes and its GPU is idle."""
        _no_arguments()
        asked = data(faces.SubmitAsked)
        if bool(asked.task) == bool(asked.command):
            raise UsageError(
                "a job is a task or a command, one of both", 'send {"task": ID} or {"command": [PROGRAM, …]}'
            )
        run = self.daemon.master.runs.ask(self._command(asked) if asked.command else self._task(asked))
        self.daemon.call()
        return _plain(faces.JobFace.of(run))

    def _task(self, asked: faces.SubmitAsked) -> TaskRun:
        task = task_of(self.manager, asked.task)
        if asked.gpu != "none" or asked.seconds is not None:
            raise UsageError("gpu and seconds are a task's own", "leave them out")
        return of_task(task, task.priority if asked.priority is None else asked.priority, f"{user_name()} by HTTP")

    def _command(self, asked: faces.SubmitAsked) -> TaskRun:
        """Whoever may run programs as this user has to show the token, on the loopback interface too."""
        if not self._safety.knows(_headers(), ""):
            raise RefusedError("a command is taken only with the token", "send Authorization: Bearer, status/web.token")
        return TaskRun(
            id=new_id("command"), command=asked.command, title=" ".join(asked.command)[:100], gpu=asked.gpu,
            priority=asked.priority or 0, timeout_s=asked.seconds, by=f"{user_name()} by HTTP", asked_at=now(),
        )  # fmt: skip

    def cancel(self, job: str) -> Answer:
        """End a job with all that it started, or take it off the queue."""
        _no_arguments()
        return _plain(faces.JobFace.of(self.daemon.master.runs.cancel(job)))

    # -- looking -----------------------------------------------------------------------------------------------------

    def jobs(self) -> Answer:
        """What runs, what waits, and what ended last."""
        _no_arguments()
        lists = (
            task_records.running(self.realm),
            task_records.queued(self.realm),
            task_records.history(self.realm, SHOWN),
        )
        return _plain(faces.JobsFace(*([faces.JobFace.of(run) for run in runs] for runs in lists)))

    def job(self, job: str) -> Answer:
        """One job, wherever it is."""
        _no_arguments()
        return _plain(faces.JobFace.of(task_records.find(self.realm, job)))

    def gpus(self) -> Answer:
        """The cards of the machine that inference runs on, with averages over the window."""
        _no_arguments()
        master = self.daemon.master
        config, cards = master.config, master.cards
        return _plain(
            faces.GpusFace(
                cards.host, cards.no_gpu, config.idle_percent, config.busy_percent, config.window_s, cards.standings()
            )
        )

    def counts(self) -> Answer:
        """How many jobs wait, run and ended, and how many cards are idle. `/metrics` says it for Prometheus."""
        _no_arguments()
        ended = Counter(run.state for run in task_records.history(self.realm, ALL))
        cards = self.daemon.master.cards.standings()
        return _plain(
            faces.MetricsFace(
                waiting=len(task_records.queued(self.realm)), running=len(task_records.running(self.realm)),
                done=ended["done"], failed=ended["failed"], cancelled=ended["cancelled"], lost=ended["lost"],
                gpus=len(cards), idle_gpus=sum(card.state == "idle" for card in cards),
            )
        )  # fmt: skip

    def gauges(self) -> dict[str, float]:
        """For `/metrics`."""
        found: dict[str, float] = {"jobs_waiting": len(task_records.queued(self.realm))}
        found["jobs_running"] = len(task_records.running(self.realm))
        for one in self.daemon.master.cards.standings():
            name = f"gpu{one.card.index}"
            found[f"{name}_memory_used_bytes"] = one.card.memory_used
            for word, value in (("utilisation_percent", one.average), ("temperature_celsius", one.card.temperature)):
                if value is not None:
                    found[f"{name}_{word}"] = value
        return found

    def tasks(self) -> Answer:
        """The kinds of tasks, and why each does not run now."""
        _no_arguments()
        master = self.daemon.master
        kinds = {one.task.id: one for one in master.candidates()}
        found = []
        for one in master.plan(self.daemon.interval).standings:
            task = kinds[one.id].task
            found.append(
                faces.TypeFace(
                    one.id, task.title, one.priority, one.gpu, one.enabled, task.estimate_s, kinds[one.id].cooldown_s,
                    task.timeout_s, one.next, one.reason,
                )
            )  # fmt: skip
        return _plain(faces.TypesFace(found))


def _headers() -> dict[str, str]:
    return {name.title(): value for name, value in request.headers.items()}


def _no_arguments() -> None:
    for name in request.args:
        raise UsageError(f"unknown argument '{name[:50]}'", "known: none")


def _plain(face: msgspec.Struct) -> Answer:
    found: dict[str, Any] = msgspec.to_builtins(face)
    return found
