"""Which processes of this machine belong to a realm: this one, its services, jobs, programs of Realm, and all that they started."""

from __future__ import annotations

import os
from pathlib import Path

from realm_cli import belonging
from realm_cli.process import is_running
from realm_cli.realm import Realm
from realm_cli.records import ServiceRecord

DEPTH = 64
"""Generations that are looked back."""


class Kinship:
    """The processes as they are at one moment."""

    def __init__(self, realm: Realm) -> None:
        self._heads = {os.getpid(), *_service_pids(realm)}
        self._known: dict[int, bool] = {}

    def is_ours(self, pid: int) -> bool:
        """Whether the process, or one that it descends from, is the realm's."""
        line: list[int] = []
        while pid > 1 and pid not in self._known and len(line) < DEPTH:
            line.append(pid)
            if pid in self._heads or is_realm_program(pid) or is_of_job(pid):
                break
            pid = parent_of(pid)
        else:
            return self._remember(line, self._known.get(pid, False))
        return self._remember(line, True)

    def _remember(self, line: list[int], ours: bool) -> bool:
        self._known.update(dict.fromkeys(line, ours))
        return ours


def _service_pids(realm: Realm) -> set[int]:
    """Of services that announced themselves; what the weaver started has the weaver as its ancestor."""
    found = set()
    for path in (realm.status / "services").glob("[!.]*.json"):
        record = belonging.read(realm, path, ServiceRecord)
        if record is not None and is_running(record.process):
            found.add(record.process.pid)
    return found


def parent_of(pid: int) -> int:
    """The process that started it, or took it in when that one ended; 0 when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    return int(stat.rpartition(b")")[2].split()[1])


def is_realm_program(pid: int) -> bool:
    """Whether it is `realm …` or `python -m realm_cli …`, of whatever realm: two battles must not yield to each other for ever."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:6]
    except OSError:
        return False
    names = [word.rpartition(b"/")[2] for word in words]
    if any(name.startswith(b"job_supervisor.py") for name in names):
        return True  # what it started descends from it
    by_module = any(pair == (b"-m", b"realm_cli") for pair in zip(words, words[1:], strict=False))
    return by_module or b"realm" in names[:2]


def is_of_job(pid: int) -> bool:
    """Whether a runner started it as a job, or a job did."""
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False  # another user's
    return any(word.startswith(b"REALM_JOB_TOKEN=") for word in words.split(b"\0"))
