"""What stands around a battle: services, tasks, GPUs, disk, health, transfers; read from what each of them wrote last.

Files only: nothing is asked over the network and no driver is woken, so that looking stays cheap. What has never been
there is not even imported.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from realm_cli import belonging, leases, store
from realm_cli.process import is_running
from realm_cli.realm import Realm
from realm_cli.records import ServiceRecord

if TYPE_CHECKING:
    from realm_cli.manager import Manager


class ServiceView(msgspec.Struct, frozen=True, kw_only=True):
    """One service, as the weaver keeps it, or as it announced itself."""

    name: str
    state: str
    up: bool
    """Whether it runs and answers."""
    reason: str = ""
    url: str = ""
    since: str = ""
    restarts: int = 0
    failures: int = 0


class TaskView(msgspec.Struct, frozen=True, kw_only=True):
    """One background task of a running task master."""

    id: str
    enabled: bool
    running: bool
    next: str | None
    reason: str
    last_state: str = ""
    last_at: str = ""
    last_said: str = ""


class GpuView(msgspec.Struct, frozen=True, kw_only=True):
    """A card, as the task master saw it last."""

    index: int
    name: str
    state: str
    memory_used: int
    memory_total: int
    utilisation: float | None = None
    """Percent: the average over the window, else of the last moment."""
    temperature: int | None = None


class DiskView(msgspec.Struct, frozen=True):
    """The disk that holds the realm, in bytes."""

    free: int
    total: int


class DoctorView(msgspec.Struct, frozen=True, kw_only=True):
    """The last examination."""

    at: str
    grades: dict[str, int]
    """How many findings of each grade."""
    troubles: list[str]
    """Messages of the errors, then of the warnings."""


class TransferView(msgspec.Struct, frozen=True, kw_only=True):
    """An asset on its way, or waiting for its zone."""

    asset: str
    zone: str
    state: str
    reason: str = ""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """All of it at one moment."""

    services: list[ServiceView]
    tasks: list[TaskView]
    gpus: list[GpuView]
    disk: DiskView
    doctor: DoctorView | None
    transfers: list[TransferView]
    """Those that have not ended."""
    oracle: list[str]
    """Checkpoints that are loaded for answers, as assets."""


def look(realm: Realm, manager: Manager) -> Surroundings:
    """Look at all of it once. `manager` names the services that may be there."""
    usage = os.statvfs(realm.root)
    tasks, gpus = _tasks(realm)
    return Surroundings(
        services=_services(realm, manager), tasks=tasks, gpus=gpus,
        disk=DiskView(usage.f_bavail * usage.f_frsize, usage.f_blocks * usage.f_frsize), doctor=_doctor(realm),
        transfers=_transfers(realm),
        oracle=sorted(leases.held_for(realm, leases.ORACLE)),
    )  # fmt: skip


def _services(realm: Realm, manager: Manager) -> list[ServiceView]:
    """What the weaver keeps, then what runs without it."""
    found: dict[str, ServiceView] = {}
    if (realm.status / "weaver").is_dir():
        from realm_cli import services

        for name, state in services.seen(realm).items():
            found[name] = ServiceView(
                name=name, state=state.state, up=state.state == "ready", reason=state.reason, url=state.url,
                since=state.since, restarts=state.restarts, failures=state.failures,
            )  # fmt: skip
    announced = realm.status / "services"
    if announced.is_dir():
        for name in manager.parts("realm_services"):
            record = belonging.read(realm, announced / f"{name}.json", ServiceRecord)
            if record is None or not is_running(record.process):
                continue
            if name not in found or found[name].state in ("stopped", "ended", "foreign"):
                found[name] = ServiceView(name=name, state="running", up=True, url=record.url, since=record.started_at)
    return [found[name] for name in sorted(found)]


def _tasks(realm: Realm) -> tuple[list[TaskView], list[GpuView]]:
    """Tasks and GPUs, when the task master runs."""
    if not (realm.status / "tasks" / "master.json").is_file():
        return [], []
    from realm_cli import task_records

    master = task_records.master(realm)
    if master is None:
        return [], []
    running = {run.task for run in task_records.running(realm)}
    tasks = []
    for one in master.tasks:
        last = task_records.last(realm, one.id)
        ended = (
            {"last_state": last.state, "last_at": last.ended_at, "last_said": last.said or last.reason} if last else {}
        )
        tasks.append(
            TaskView(
                id=one.id, enabled=one.enabled, running=one.id in running, next=one.next, reason=one.reason, **ended
            )
        )
    gpus = [
        GpuView(
            index=one.card.index, name=one.card.name, state=one.state, memory_used=one.card.memory_used,
            memory_total=one.card.memory_total, temperature=one.card.temperature,
            utilisation=one.card.utilisation if one.average is None else one.average,
        )
        for one in master.gpus
    ]  # fmt: skip
    return tasks, gpus


def _doctor(realm: Realm) -> DoctorView | None:
    if not (realm.status / "doctor.json").is_file():
        return None
    from realm_cli import checks

    found = checks.last_findings(realm)
    if found is None:
        return None
    grades: dict[str, int] = {}
    for one in found.findings:
        grades[one.grade] = grades.get(one.grade, 0) + 1
    troubles = [one.message for grade in ("error", "warning") for one in found.findings if one.grade == grade]
    return DoctorView(at=found.at, grades=grades, troubles=troubles)


class _Transfer(msgspec.Struct):
    """What is shown of a transfer's record."""

    asset: str
    zone: str
    state: str
    asked_at: str = ""
    reason: str = ""
    ended_at: str = ""


_known: dict[Path, tuple[int, int, _Transfer]] = {}
"""(time, inode, record) of transfers that were read: ended ones stay as they are."""


def _transfers(realm: Realm) -> list[TransferView]:
    folder = realm.status / "vault" / "transfers"
    if not folder.is_dir():
        return []
    found = []
    for path in folder.glob("*.json"):
        try:
            facts = path.stat()
            known = _known.get(path)
            if known is None or known[:2] != (facts.st_mtime_ns, facts.st_ino):
                record = msgspec.json.decode(path.read_bytes(), type=_Transfer)
                _known[path] = known = (facts.st_mtime_ns, facts.st_ino, record)
        except (*store.DAMAGED, OSError):
            continue  # gone this moment, or damaged, which the vault reports
        found.append(known[2])
    waiting = sorted((one for one in found if not one.ended_at), key=lambda one: one.asked_at)
    return [TransferView(asset=one.asset, zone=one.zone, state=one.state, reason=one.reason) for one in waiting]
