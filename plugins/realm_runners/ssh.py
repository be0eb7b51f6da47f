"""Jobs on another machine: its own supervisor keeps them, so that they go on when the connection ends."""

from __future__ import annotations

import hashlib
import io
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from realm_cli import store
from realm_cli.carriers import Ssh
from realm_cli.errors import NotFoundError, RealmError, UsageError
from realm_cli.hosts import Hosts, hosts_file
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_runners import supervisor
from realm_runners.foldered import FolderRunner
from realm_runners.records import JobOrder
from realm_runners.supervisor.job_supervisor import TOO_OLD
from realm_runners.supervisor.program import NOT_FOUND

KEPT = 100
"""Folders of ended jobs that stay on a host."""
ANSWER_SECONDS = 60.0
INSTALL = 'mkdir -p "$1" && cat > "$1/.$2.$$" && mv "$1/.$2.$$" "$1/$2"'
MOMENT = (2026, 1, 1, 0, 0, 0)
"""One for every file, as the archive's name is the hash of its bytes."""


@cache
def archive() -> bytes:
    """The supervisor as one zip file that Python runs."""
    folder = Path(supervisor.__file__).parent
    said = io.BytesIO()
    with zipfile.ZipFile(said, "w") as file:
        for path in sorted(folder.glob("*.py")):
            file.writestr(zipfile.ZipInfo(f"realm_runners/supervisor/{path.name}", MOMENT), path.read_bytes())
        file.writestr(zipfile.ZipInfo("realm_runners/__init__.py", MOMENT), b"")
        file.writestr(zipfile.ZipInfo("__main__.py", MOMENT), (folder / "job_supervisor.py").read_bytes())
    return said.getvalue()


class SshDesk:
    """The job folders of one host, asked through one kept connection."""

    def __init__(self, host: str, carrier: Ssh, base: str) -> None:
        self._host = host
        self._carrier = carrier
        self._root = f"{base.rstrip('/')}/.realm-jobs"
        self._name = f"job_supervisor.py-{hashlib.sha256(archive()).hexdigest()[:12]}.pyz"

    def submit(self, order: JobOrder) -> dict[str, Any] | None:
        """Start a job; old folders go."""
        return self._told("submit", order.id, str(KEPT), data=msgspec.json.encode(order.to_dict()))

    def poll(self, job: str) -> dict[str, Any] | None:
        """How it stands."""
        return self._told("poll", job)

    def cancel(self, job: str) -> dict[str, Any] | None:
        """End it."""
        return self._told("cancel", job, seconds=3600)

    def logs(self, job: str, offset: int) -> tuple[int, bytes] | None:
        """What it said."""
        said = self._ask("logs", job, str(offset))
        if said is None:
            return None
        place, _, data = said.partition(b"\n")
        return int(place), data

    def close(self) -> None:
        """Drop the connection."""
        self._carrier.close()

    def _told(self, *words: str, data: bytes = b"", seconds: float = ANSWER_SECONDS) -> dict[str, Any] | None:
        said = self._ask(*words, data=data, seconds=seconds)
        found: dict[str, Any] | None = None if said is None else store.parse_json(said, f"{self._host}: supervisor")
        return found

    def _ask(self, verb: str, *words: str, data: bytes = b"", seconds: float = ANSWER_SECONDS) -> bytes | None:
        """The supervisor's answer there; it is sent there first when it is missing."""
        program = f"{self._root}/.supervisor/{self._name}"
        line = ["python3", "-I", "-S", program, verb, self._root, *words]
        done = self._carrier.run(line, data, seconds)
        if done.returncode == 2 and b"can't open file" in done.stderr:
            self._install()
            done = self._carrier.run(line, data, seconds)
        if done.returncode == NOT_FOUND:
            return None
        if done.returncode == 0:
            return done.stdout
        if done.returncode in (126, 127, TOO_OLD):
            problem = "an older python3 than 3.8" if done.returncode == TOO_OLD else "no python3"
            raise RealmError(f"host {self._host} has {problem}, which jobs need there", "install python3 there")
        raise RealmError(f"host {self._host}: {_last(done.stderr)}", f"look into {self._root} there: disk, rights")

    def _install(self) -> None:
        line = ["sh", "-c", INSTALL, "sh", f"{self._root}/.supervisor", self._name]
        done = self._carrier.run(line, archive(), ANSWER_SECONDS)
        if done.returncode:
            hint = f"see to base_dir of host {self._host}: {self._root}"
            raise RealmError(f"host {self._host} does not take the jobs' supervisor: {_last(done.stderr)}", hint)


def _last(words: bytes) -> str:
    lines = words.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else "it says nothing"


def open_ssh(realm: Realm, manager: Manager, target: str) -> FolderRunner:
    """The runner `ssh:HOST`."""
    if not target:
        raise UsageError("ssh names no host", "ssh:HOST, with HOST from configs/hosts.yaml")
    host = Hosts.of(realm).get(target)
    if not host.base_dir.startswith("/"):
        hint = f"write an absolute base_dir for it into {hosts_file(realm)}"
        raise NotFoundError(f"host {target} has no folder for jobs", hint)
    carrier = Ssh(host.host, host.ssh_user, host.ssh_port)
    return FolderRunner(realm, f"ssh:{target}", SshDesk(target, carrier, host.base_dir))
