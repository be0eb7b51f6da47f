"""The places where the runners' tests run jobs: this machine, a real sshd, a real Slurm."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from helpers import wait_for
from realm_cli.founding import found
from realm_cli.jobs import ENDED, Job, JobStatus, Runner, open_runner
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_runners_cluster import Cluster, missing
from realm_vault_boxes import Box


class Place:
    """A runner, and what a test wants to do with it."""

    def __init__(self, realm: Realm, name: str, base: Path) -> None:
        self.realm = realm
        self.name = name
        self.base = base
        """Where jobs run that name no folder."""
        self.jobs = base / ".realm-jobs" if name.startswith("ssh") else realm.status / "jobs"
        self.runner: Runner = open_runner(realm, Manager.of(realm), name)
        self._count = 0

    def id(self) -> str:
        """One that no other job has."""
        self._count += 1
        return f"job-{self._count}-{time.monotonic_ns()}"

    def start(self, *command: str, **more: object) -> str:
        """Submit it; its id."""
        job = self.id()
        self.runner.submit(Job(id=job, command=command, **more))  # type: ignore[arg-type]
        return job

    def end(self, job: str) -> JobStatus:
        """How it ended."""

        def ended() -> JobStatus | None:
            seen = self.runner.poll(job)
            return seen if seen.state in ENDED else None

        status: JobStatus = wait_for(ended, f"the end of {job}: {self.runner.poll(job)}")
        return status

    def run(self, *command: str, **more: object) -> tuple[JobStatus, str]:
        """(how it ended, what it said)."""
        job = self.start(*command, **more)
        return self.end(job), self.said(job)

    def said(self, job: str) -> str:
        """All that it said."""
        data, offset = b"", 0
        while (piece := self.runner.logs(job, offset)).data:
            data, offset = data + piece.data, piece.offset
        return data.decode()

    def until_said(self, job: str, words: str) -> str:
        """What it said, once these words are in it."""
        text: str = wait_for(lambda: self.said(job) if words in self.said(job) else None, f"{words!r} of {job}")
        return text


def make_realm(folder: Path) -> Realm:
    """A realm."""
    return found(folder / "realm")[0]


def know_box(realm: Realm, box: Box, base: Path) -> None:
    """Write the box into `hosts.yaml`."""
    base.mkdir(parents=True, exist_ok=True)
    entry = {"host": "127.0.0.1", "role": "hybrid", "ssh_port": box.port, "ssh_user": getpass.getuser()}
    (realm.configs / "hosts.yaml").write_text(yaml.safe_dump({"hosts": {"box": {**entry, "base_dir": str(base)}}}))


def reach(patch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """Let this process reach a box or a cluster."""
    for key, value in environment.items():
        if os.environ.get(key) != value:
            patch.setenv(key, value)


def slurm(patch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster that this process belongs to."""
    if missing():
        assert os.environ.get("CI") != "true", f"this machine has no {missing()}, which the test needs"
        pytest.skip(f"no {missing()} here")
    cluster = Cluster()
    reach(patch, cluster.environment())
    yield cluster
    cluster.close()
