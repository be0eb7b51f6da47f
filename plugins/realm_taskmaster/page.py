"""The page `/tasks`: background tasks with their reasons, GPUs, the weaver's services, the doctor's findings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from flask import Blueprint

from realm_cli import checks, services, task_records
from realm_cli.errors import NotFoundError
from realm_cli.gpus import LocalGpus
from realm_cli.jobs import open_runner
from realm_cli.manager import Manager
from realm_cli.pages import Page, fragment, render
from realm_cli.realm import Realm
from realm_cli.task_records import GpuStanding
from realm_cli.terminal import human_bytes, human_seconds
from realm_taskmaster import page_orders, page_services
from realm_taskmaster.master import offered
from realm_taskmaster.runs import Runs
from realm_taskmaster.standing import standings

PARTS = ("tasks", "gpus", "services", "findings")
SHOWN = 15
"""Ended runs on the page."""
LOG_BYTES = 64 * 1024
"""How much of the end of a log is shown."""
GRADES = ("error", "warning", "unknown", "ok")


def make(realm: Realm, manager: Manager) -> Blueprint:
    """The routes."""
    routes = Blueprint("tasks", __name__, template_folder="templates")
    views = _Views(realm, manager)
    routes.add_url_rule("/tasks", view_func=views.tasks)
    routes.add_url_rule("/tasks/run/<run>", view_func=views.run)
    routes.add_url_rule("/tasks/service/<name>", view_func=views.service)
    routes.add_url_rule("/api/tasks", view_func=views.api_tasks)
    routes.add_url_rule("/api/services", view_func=views.api_services)
    routes.add_url_rule("/api/services/<name>", view_func=views.api_service)
    routes.add_url_rule("/api/doctor", view_func=views.api_doctor)
    page_orders.add_routes(routes, realm, manager, views.runs)
    return routes


class _Views:
    """One method for each page and its data."""

    def __init__(self, realm: Realm, manager: Manager) -> None:
        self.realm = realm
        self.manager = manager
        self.runs = Runs(realm, manager, lambda: open_runner(realm, manager))
        self._gpus = LocalGpus()

    def tasks(self) -> str:
        """The page, or a part of it."""
        part = fragment()
        if part not in ("", *PARTS):
            raise NotFoundError(f"the page has no part '{part[:40]}'", f"known: {', '.join(PARTS)}")
        looks = {"tasks": self._tasks, "gpus": self._cards, "services": self._services, "findings": self._findings}
        facts = {name: value for one in ([part] if part else PARTS) for name, value in looks[one]().items()}
        return render(f"tasks/{part or 'page'}.html", bytes=human_bytes, seconds=human_seconds, **facts)

    def api_tasks(self) -> dict[str, Any]:
        """Tasks, runs and GPUs for programs."""
        return {**self._tasks(), **self._cards()}

    def api_services(self) -> dict[str, Any]:
        """The services for programs."""
        return self._services()

    def api_doctor(self) -> dict[str, Any]:
        """The last examination for programs."""
        return self._findings()

    # -- tasks and GPUs --------------------------------------------------------------------------------------------

    def _tasks(self) -> dict[str, Any]:
        master = task_records.master(self.realm)
        if master is None:  # nobody else files the ends of what a person ran
            for run in task_records.running(self.realm):
                self.runs.settle(run)
        parts = {task.id: task for task in offered(self.manager)}
        rows = []
        for one in standings(self.realm, self.manager):
            task, last = parts.get(one.id), task_records.last(self.realm, one.id)
            rows.append({
                **msgspec.to_builtins(one), "title": task.title if task else one.id,
                "estimate_s": task.estimate_s if task else None, "cooldown_s": task.cooldown_s if task else None,
                "last": msgspec.to_builtins(last) if last else None,
            })  # fmt: skip
        return {
            "task_rows": rows,
            "master": {"looked_at": master.looked_at, "next_look": master.next_look} if master else None,
            "running": msgspec.to_builtins([*task_records.running(self.realm), *task_records.queued(self.realm)]),
            "ended": msgspec.to_builtins(task_records.history(self.realm, SHOWN)),
        }

    def _cards(self) -> dict[str, Any]:
        master = task_records.master(self.realm)
        if master is not None:
            return {"cards": msgspec.to_builtins(master.gpus), "no_gpu": master.no_gpu, "gpu_host": master.host}
        reading = self._gpus.read()
        cards = [GpuStanding(card=card, state="unknown") for card in reading.gpus]
        return {"cards": msgspec.to_builtins(cards), "no_gpu": reading.reason, "gpu_host": ""}

    def run(self, run: str) -> str:
        """One run with what it said."""
        found = msgspec.to_builtins(task_records.find(self.realm, run))
        return render("tasks/run.html", run=found, log=self._said(run))

    def _said(self, run: str) -> str:
        """The end of what a run said; empty where its job is not there (yet)."""
        try:
            return self.runs.runner.logs(run).data[-LOG_BYTES:].decode("utf-8", "replace")
        except NotFoundError:
            return ""

    # -- services --------------------------------------------------------------------------------------------------

    def _services(self) -> dict[str, Any]:
        return page_services.overview(self.realm, self.manager)

    def service(self, name: str) -> str:
        """One service: how it is, its ends, its log."""
        return render("tasks/service.html", seconds=human_seconds, **self._service(name))

    def api_service(self, name: str) -> dict[str, Any]:
        """The same for programs."""
        return self._service(name)

    def _service(self, name: str) -> dict[str, Any]:
        return page_services.detail(self.realm, self.manager, name, LOG_BYTES)

    # -- the doctor --------------------------------------------------------------------------------------------------

    def _findings(self) -> dict[str, Any]:
        record = checks.last_findings(self.realm)
        found = sorted(record.findings if record else [], key=lambda one: GRADES.index(one.grade))
        return {
            "examined_at": record.at if record else None,
            "findings": msgspec.to_builtins([one for one in found if one.grade != "ok"]),
            "well": msgspec.to_builtins([one for one in found if one.grade == "ok"]),
            "can_mend": any(one.fix for one in found),
        }


def _watched(realm: Realm) -> Iterable[Path]:
    tasks, weaver = task_records.folder(realm), services.weaver_folder(realm)
    folders = [tasks, *(tasks / name for name in ("queue", "running", "last")), weaver, weaver / "services"]
    return [*folders, realm.status / "services", checks.findings_file(realm)]


PAGE = Page(
    name="tasks", title="Task master", plain="Tasks and services", icon="tasks", order=48, path="/tasks", make=make,
    watches=_watched,
)  # fmt: skip
