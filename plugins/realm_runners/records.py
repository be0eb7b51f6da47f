"""The files of jobs that a realm keeps."""

from __future__ import annotations

from typing import ClassVar

from realm_cli.jobs import State
from realm_cli.records import Record


class JobRecord(Record, frozen=True, kw_only=True):
    """`status/jobs/<id>.json`: that the realm asked for a job, and where. Written before the place is asked."""

    kind: ClassVar[str] = "job"
    id: str
    place: str
    """`local`, `ssh:HOST`, `slurm`, `slurm:PARTITION`."""
    realm: str = ""
    """The folder of the realm that asked (`belonging.place_of`); a copy of it does not end the job."""
    name: str
    command: list[str]
    submitted_at: str


class JobOrder(Record, frozen=True, kw_only=True):
    """`order.json` in a job's folder, on the machine where it runs."""

    kind: ClassVar[str] = "job_order"
    id: str
    command: list[str]
    folder: str
    """Where it runs; empty = the folder that holds the folder of all jobs."""
    environment: dict[str, str]
    seconds: float | None
    grace: float
    submitted_at: str


class JobState(Record, frozen=True, kw_only=True):
    """`state.json` in a job's folder: what its supervisor knows of it."""

    kind: ClassVar[str] = "job_state"
    state: State
    boot: str
    """Which start of the machine it is."""
    token: str
    """In the environment of all that the job started, so that it is found again."""
    place: str = ""
    """The folder in which it runs; in a copy of it the processes are the original's."""
    supervisor: dict[str, int | str]
    """pid and start time."""
    command: dict[str, int | str]
    started_at: str
    ended_at: str
    code: int | None
    signal: int | None
    reason: str


class SlurmJob(Record, frozen=True, kw_only=True):
    """`slurm.json` in a job's folder: what Slurm calls it."""

    kind: ClassVar[str] = "job_slurm"
    number: str
    name: str
    """The name that it was submitted under, by which it is found before its number is on disk."""
