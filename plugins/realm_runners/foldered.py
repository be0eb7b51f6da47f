"""Jobs in folders: what a runner does whose jobs have a supervisor, whatever reaches it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import msgspec

from realm_cli import belonging, store
from realm_cli.errors import NotFoundError, RealmError, RefusedError, UsageError
from realm_cli.jobs import ENDED, Job, JobStatus, Output
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_runners.records import JobOrder, JobRecord
from realm_runners.supervisor.desk import ID

KEPT = 2000
"""Jobs of which the realm knows where they went."""
SURPLUS = 200


class Desk(Protocol):
    """Who answers for the job folders of one machine. None = it knows no such job."""

    def submit(self, order: JobOrder) -> dict[str, Any] | None:
        """Start a job."""

    def poll(self, job: str) -> dict[str, Any] | None:
        """How it stands."""

    def cancel(self, job: str) -> dict[str, Any] | None:
        """End it."""

    def logs(self, job: str, offset: int) -> tuple[int, bytes] | None:
        """(where the next piece begins, what it said)."""

    def close(self) -> None:
        """Drop the connection."""


class FolderRunner:
    """Jobs of one realm at one place."""

    def __init__(self, realm: Realm, place: str, desk: Desk) -> None:
        self._realm = realm
        self._place = place
        self._desk = desk

    def submit(self, job: Job) -> JobStatus:
        """Start it, detached; one of that id that is there already is left as it is."""
        check(job)
        enter(self._realm, self._place, job)
        return to_status(job.id, self._desk.submit(order_of(job)))

    def poll(self, job: str) -> JobStatus:
        """How it stands."""
        return to_status(known(job), self._desk.poll(job))

    def cancel(self, job: str) -> JobStatus:
        """End it with all that it started."""
        if is_of_original(self._realm, job):
            return ended_or_refused(self.poll(job))
        return to_status(known(job), self._desk.cancel(job))

    def logs(self, job: str, offset: int = 0) -> Output:
        """What it said from `offset` on."""
        said = self._desk.logs(known(job), offset)
        if said is None:
            raise unknown(job)
        return Output(said[1], said[0])

    def close(self) -> None:
        """Drop the connection."""
        self._desk.close()


def known(job: str) -> str:
    """The id when it can be one."""
    if not ID.match(job):
        raise UsageError(f"'{job[:100]}' cannot be a job's id", "use letters, digits, '.', '_' and '-'")
    return job


def unknown(job: str) -> NotFoundError:
    """Nobody submitted it."""
    return NotFoundError(f"there is no job '{job[:100]}'", "see: realm job list")


def check(job: Job) -> None:
    """Refuse what no program can be started with."""
    known(job.id)
    if not job.command or not job.command[0]:
        raise UsageError(f"job {job.id} has no command", "give it after --: realm job run -- COMMAND")
    for text in (*job.command, job.folder, *job.environment, *job.environment.values()):
        if "\0" in text:
            raise UsageError(f"job {job.id}: a zero byte in {text[:100]!r}", "leave it out")


def order_of(job: Job) -> JobOrder:
    """What its supervisor is told."""
    return JobOrder(
        id=job.id, command=list(job.command), folder=job.folder, environment=job.environment, seconds=job.seconds,
        grace=job.grace, submitted_at=now(),
    )  # fmt: skip


def jobs_folder(realm: Realm) -> Path:
    """Where a realm keeps its jobs."""
    return realm.status / "jobs"


def enter(realm: Realm, place: str, job: Job) -> None:
    """Write down where it goes, before it does. Raises `RefusedError` when a job of that id went elsewhere."""
    store.make_folders([jobs_folder(realm)])
    path = jobs_folder(realm) / f"{job.id}.json"
    record = JobRecord(
        id=job.id, place=place, realm=belonging.place_of(realm), name=job.name, command=list(job.command),
        submitted_at=now(),
    )  # fmt: skip
    if store.write_new(path, record):
        _forget_old(realm)
        return
    there = store.read_record(path, JobRecord)
    if there.place != place:
        raise RefusedError(f"job {job.id} went to {there.place} already", "choose another id")


def is_of_original(realm: Realm, job: str) -> bool:
    """Whether the realm that this one was copied from asked for the job."""
    record = store.read_or_set_aside(jobs_folder(realm) / f"{known(job)}.json", JobRecord)
    return record is not None and not belonging.is_here(realm, record.realm)


def ended_or_refused(status: JobStatus) -> JobStatus:
    """A job of the original as it ended. Raises `RefusedError` for one that runs: that is the original's to end."""
    if status.state in ENDED:
        return status
    raise RefusedError(
        f"job {status.id} was started by the realm that this one was copied from", "cancel it from that realm"
    )


def _forget_old(realm: Realm) -> None:
    paths = [path for path in jobs_folder(realm).glob("[!.]*.json") if path.is_file()]
    if len(paths) > KEPT + SURPLUS:
        for path in sorted(paths, key=lambda one: one.stat().st_mtime)[:-KEPT]:
            store.delete(path)


def to_status(job: str, found: dict[str, Any] | None) -> JobStatus:
    """The answer of a supervisor as the core knows it."""
    if found is None:
        raise unknown(job)
    given = {key: value for key, value in found.items() if value is not None}
    try:
        return msgspec.convert(given, JobStatus)
    except msgspec.ValidationError as error:
        raise RealmError(f"job {job}: its supervisor's answer makes no sense: {error}", "is it an older one?") from None
