"""Processes of services: started, found again, signalled. Only what is certainly the recorded process is ever signalled."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from realm_cli.process import is_running, mark_of
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark

if TYPE_CHECKING:
    import psutil

TOKEN = "REALM_WEAVER_KEEPS"
"""In the environment of every process that the weaver starts: its service and realm."""


def token(realm: Realm, name: str) -> str:
    """How processes of a service are known whose mark was not written down before a kill."""
    return f"{name}@{realm.root}"


class Held:
    """A running process by its descriptor, which never means a later process of the same pid."""

    def __init__(self, mark: ProcessMark, descriptor: int, child: subprocess.Popen[bytes] | None = None) -> None:
        self.mark = mark
        self.descriptor = descriptor
        self._child = child

    def send(self, number: int) -> None:
        """Signal it, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.descriptor, number)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return bool(select.select([self.descriptor], [], [], 0)[0])

    @property
    def is_child(self) -> bool:
        """Whether this weaver started it; one that an earlier weaver started tells no exit status."""
        return self._child is not None

    def reap(self) -> int | None:
        """After its end: the exit status as `subprocess` gives it, None for one that is no child of ours."""
        os.close(self.descriptor)
        return self._child.wait() if self._child is not None else None

    def owns(self, pid: int) -> bool:
        """Whether a process is this one or one that it started in its session."""
        try:
            return pid == self.mark.pid or os.getsid(pid) == self.mark.pid
        except (ProcessLookupError, PermissionError):
            return False


def start(realm: Realm, name: str, line: Sequence[str], log: Path) -> Held:
    """Start a service in a session of its own, with its output appended to its log. Raises OSError."""
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, TOKEN: token(realm, name), "PYTHONUNBUFFERED": "1"}
    with open(log, "ab") as output:
        child = subprocess.Popen(
            list(line), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=realm.root, env=environment,
            start_new_session=True,
        )  # fmt: skip
    return Held(mark_of(child.pid), os.pidfd_open(child.pid), child)


def hold(mark: ProcessMark) -> Held | None:
    """The process of a mark, if that very one runs: the mark is compared after the descriptor is open."""
    if mark.pid <= 0:
        return None
    try:
        descriptor = os.pidfd_open(mark.pid)
    except (ProcessLookupError, PermissionError):
        return None
    if is_running(mark):
        return Held(mark, descriptor)
    os.close(descriptor)
    return None


def strays(realm: Realm, lines: Mapping[str, Sequence[str]]) -> dict[str, ProcessMark]:
    """Services that run although nobody wrote their mark down: the weaver was killed between start and note."""
    import psutil

    wanted = {token(realm, name): name for name in lines}
    found: dict[str, ProcessMark] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            name = wanted.get(_token_of(process))
            # A job that a service detached has its environment as well, but another command line.
            if name and os.getsid(process.pid) == process.pid and process.cmdline() == list(lines[name]):
                found.setdefault(name, mark_of(process.pid))
    return found


def _token_of(process: psutil.Process) -> str:
    return process.environ().get(TOKEN, "")


def sweep(realm: Realm, name: str, leader: int) -> None:
    """Kill what a service that ended has left in its session: it may hold the port. Detached jobs have sessions of their own."""
    import psutil

    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error, OSError):
            if pid != leader and os.getsid(pid) == leader:
                process = psutil.Process(pid)
                if _token_of(process) == token(realm, name):
                    process.kill()  # psutil compares its start time before it signals


def is_stopped(mark: ProcessMark) -> bool:
    """Whether a process was made to stand still (SIGSTOP)."""
    import psutil

    try:
        return str(psutil.Process(mark.pid).status()) in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    except psutil.Error:
        return False


def listens(held: Held, port: int) -> bool:
    """Whether the process, or one that it started, is who listens at a port of this machine."""
    import psutil

    try:
        leader = psutil.Process(held.mark.pid)
        for process in (leader, *leader.children(recursive=True)):
            for wire in process.net_connections("tcp"):
                if wire.status == psutil.CONN_LISTEN and wire.laddr.port == port:
                    return True
    except psutil.Error:
        pass
    return False


def memory(mark: ProcessMark) -> int | None:
    """Bytes of resident memory; None when it is gone."""
    import psutil

    if not is_running(mark):
        return None
    try:
        return int(psutil.Process(mark.pid).memory_info().rss)
    except psutil.Error:
        return None
