"""Jobs on a Slurm cluster: the same supervisor, under `srun`, in a folder that all nodes see.

Slurm says why a job waits and when a node took it away; how it ended stands in its folder, also when Slurm has forgotten it.
"""

from __future__ import annotations

import math
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from realm_cli import store
from realm_cli.jobs import ENDED, Job, JobStatus, Output
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_runners import slurmcalls, supervisor
from realm_runners.foldered import (
    check,
    ended_or_refused,
    enter,
    is_of_original,
    jobs_folder,
    known,
    order_of,
    to_status,
    unknown,
)
from realm_runners.records import SlurmJob
from realm_runners.supervisor import desk, files

KEPT = 300
"""Folders of ended jobs that stay."""
PATIENCE = 60.0
"""A cancelled job that has not ended so long after its grace is told as it is."""
WORDS = {
    "Resources": "no node is free",
    "Priority": "others come first",
    "PartitionDown": "its partition is switched off",
    "ReqNodeNotAvail": "the node it needs is not available",
    "None": "it was not looked at yet",
}
"""What Slurm's most frequent reasons mean."""


class SlurmRunner:
    """Jobs of one realm on the cluster that this machine belongs to."""

    def __init__(self, realm: Realm, partition: str) -> None:
        self._realm = realm
        self._partition = partition
        self._place = f"slurm:{partition}" if partition else "slurm"
        self._root = jobs_folder(realm)

    def submit(self, job: Job) -> JobStatus:
        """Give it to Slurm; one of that id that is there already is left as it is."""
        check(job)
        enter(self._realm, self._place, job)
        order = order_of(job)
        if not order.folder:
            order = msgspec.structs.replace(order, folder=str(self._realm.root))
        folder = self._root / job.id
        store.make_folders([folder])
        folder.chmod(0o700)
        with store.locked(self._root / ".slurm.lock"):
            files.write(str(folder / "order.json"), order.to_dict(), new=True)
            if self._number(job.id) is None and not (folder / "state.json").exists():
                self._give(job, folder)
        desk.tidy(str(self._root), KEPT)
        return self.poll(job.id)

    def _give(self, job: Job, folder: Path) -> None:
        program = Path(supervisor.__file__).parent / "job_supervisor.py"
        line = [sys.executable, "-I", "-S", str(program), "supervise", str(self._root), job.id]
        script = f"#!/bin/sh\nexec srun --ntasks=1 {shlex.join(line)}\n"
        store.write_atomic(folder / "job.sh", script.encode())
        limit = [] if job.seconds is None else ["--time", str(math.ceil((job.seconds + job.grace) / 60) + 1)]
        number = slurmcalls.sbatch(
            "--job-name", slurmcalls.name_of(self._realm, job.id), "--output", str(folder / "slurm.txt"), "--no-requeue",
            "--ntasks", "1", *(["--partition", self._partition] if self._partition else []), *limit,
            *([f"--gres=gpu:{job.gpus}"] if job.gpus else []), str(folder / "job.sh"),
        )  # fmt: skip
        self._note(job.id, number)

    def _note(self, job: str, number: str) -> None:
        record = SlurmJob(number=number, name=slurmcalls.name_of(self._realm, job))
        store.write_record(self._root / job / "slurm.json", record, durable=True)

    def _number(self, job: str) -> str | None:
        """Slurm's number of a job; who was killed before it was on disk has it found by the job's name."""
        record = store.read_or_set_aside(self._root / job / "slurm.json", SlurmJob)
        if record is not None:
            return record.number
        number = slurmcalls.number_of(slurmcalls.name_of(self._realm, job))
        if number is not None:
            self._note(job, number)
        return number

    # -- looking -----------------------------------------------------------------------------------------------------

    def poll(self, job: str) -> JobStatus:
        """How it stands: by its folder when it has ended, else by Slurm."""
        folder = self._root / known(job)
        order = files.read(str(folder / "order.json"))
        if order is None:
            raise unknown(job)
        state = self._state(job)
        if state is None or state["state"] not in ENDED:
            number = self._number(job)
            if number is None and state is None:
                raise unknown(job)
            state = self._seen(job, slurmcalls.look(number) if number else None)
        return to_status(job, desk.status(job, order, state))

    def _state(self, job: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = files.read(str(self._root / job / "state.json"))
        return found

    def _seen(self, job: str, seen: slurmcalls.Seen | None) -> dict[str, Any]:
        state = self._state(job)  # read after Slurm was asked: an end is written before Slurm knows of it
        if state is not None and (state["state"] in ENDED or (seen is not None and seen.runs)):
            return state
        if seen is not None and seen.waits:
            words = f" ({WORDS[seen.reason]})" if seen.reason in WORDS else ""
            return {"state": "waiting", "reason": f"Slurm: {seen.reason}{words}"}
        if seen is not None and seen.runs:
            return {"state": "waiting", "reason": "a node has it and starts it"}
        return self._bury(job, state, seen)

    def _bury(self, job: str, state: dict[str, Any] | None, seen: slurmcalls.Seen | None) -> dict[str, Any]:
        """Write the end of a job that has none of its own."""
        if seen is None:
            end, reason = "lost", "Slurm has forgotten it, and it left no end"
        elif seen.state == "CANCELLED" or (self._root / job / "cancel").exists():
            end, reason = "cancelled", "cancelled"
        elif seen.was_limited or state is None:
            end, reason = "failed", f"Slurm: {seen.state}{self._last_words(job)}"
        else:
            end, reason = "lost", f"Slurm: {seen.state}; its supervisor was ended and left no end"
        fresh = {
            "kind": "job_state", "version": 1, "boot": "", "token": "", "supervisor": {}, "command": {}, "started_at": "",
            "code": None, "signal": None,
        }  # fmt: skip
        buried = {**fresh, **(state or {}), "state": end, "reason": reason, "ended_at": files.now()}
        files.write(str(self._root / job / "state.json"), buried)
        return buried

    def _last_words(self, job: str) -> str:
        try:
            lines = store.read_bytes(self._root / job / "slurm.txt").decode("utf-8", "replace").strip().splitlines()
        except FileNotFoundError:
            return ""
        return f": {lines[-1][:200]}" if lines else ""

    # -- ending ------------------------------------------------------------------------------------------------------

    def cancel(self, job: str) -> JobStatus:
        """End it: SIGTERM by way of its supervisor, which gives it its grace; what Slurm has not started is taken back."""
        status = self.poll(job)
        if status.state in ENDED or is_of_original(self._realm, job):
            return ended_or_refused(status)
        folder = self._root / job
        files.write(str(folder / "cancel"), {"at": files.now()})
        number = self._number(job)
        grace = time.monotonic() + files.read(str(folder / "order.json"))["grace"] + PATIENCE / 4
        limit = grace + PATIENCE
        while status.state not in ENDED and number is not None and time.monotonic() < limit:
            seen = slurmcalls.look(number)
            if seen is not None and (seen.waits or time.monotonic() > grace):
                slurmcalls.scancel(number)
            time.sleep(0.2)
            status = self.poll(job)
        return status

    def logs(self, job: str, offset: int = 0) -> Output:
        """What it said from `offset` on."""
        said = desk.logs(str(self._root), known(job), offset)
        if said is None:
            raise unknown(job)
        return Output(said[1], said[0])

    def close(self) -> None:
        """Nothing is open."""


def open_slurm(realm: Realm, manager: Manager, target: str) -> SlurmRunner:
    """The runner `slurm`, or `slurm:PARTITION`."""
    return SlurmRunner(realm, target)
