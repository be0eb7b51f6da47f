"""A battle's process from outside: how it was started, where it stands, how it is ended. Only the recorded process is ever signalled."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from realm_cli import services
from realm_cli.process import is_running
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark

GRACE_SECONDS = 30.0
"""Between SIGTERM and SIGKILL."""
STACKS_SECONDS = 3.0
KILLED_SECONDS = 60.0
"""A process in the middle of a call to a device may not even die at once."""
TURN_SECONDS = 0.1


def origin(realm: Realm, mark: ProcessMark) -> tuple[list[str], str]:
    """(its words behind `realm --realm DIR`, who starts it again by itself: weaver, play or nobody)."""
    words = _words(mark.pid)
    begins = [n for n in range(len(words) - 1) if words[n : n + 2] == ["battle", "start"]]
    command = words[begins[0] :] if begins else []
    kept = services.seen(realm).get("battle")
    if kept is not None and kept.process == mark:
        return command, "the weaver"
    parent = _words(_parent(mark.pid))
    return command, "realm play" if "play" in parent and any("realm" in word for word in parent) else ""


def _words(pid: int) -> list[str]:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return []
    return line.rstrip("\0").split("\0")  # a process that renamed itself leaves empty words behind the name


def _parent(pid: int) -> int:
    return int(_status(pid).get("PPid", "0"))


def _status(pid: int) -> dict[str, str]:
    """The lines of /proc/<pid>/status (see proc(5))."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return {}


def hold(mark: ProcessMark) -> Victim | None:
    """The process of a mark, if that very one runs: the mark is compared after the descriptor is open."""
    try:
        descriptor = os.pidfd_open(mark.pid)
    except (ProcessLookupError, PermissionError):
        return None
    if is_running(mark):
        return Victim(mark.pid, descriptor)
    os.close(descriptor)
    return None


class Victim:
    """A running process by its descriptor, which never means a later process of the same pid."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self._pid = pid
        self._descriptor = descriptor

    def __enter__(self) -> Victim:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        os.close(self._descriptor)

    def evidence(self, stacks: Path, beat: Callable[[], None]) -> str:
        """Where it stands: its state, what it waits for in the kernel; its stacks go to the file, if it can still write them."""
        facts = _status(self._pid)
        said = f"state {facts.get('State', 'unknown')}"
        with suppress(OSError):
            waits = Path(f"/proc/{self._pid}/wchan").read_text().strip("\0 \n")
            said += f", in the kernel at {waits}" if waits not in ("", "0") else ""
        if self._catches(signal.SIGUSR1, facts):
            before = _size(stacks)
            self.send(signal.SIGUSR1)
            deadline = time.monotonic() + STACKS_SECONDS
            while _size(stacks) == before and time.monotonic() < deadline and not self._ended(TURN_SECONDS):
                beat()
            said += f", its stacks are in {stacks.name}" if _size(stacks) > before else ", it wrote no stacks"
        return said

    def _catches(self, number: int, facts: dict[str, str]) -> bool:
        """Whether a signal would be answered instead of ending the process."""
        return bool(int(facts.get("SigCgt", "0"), 16) & 1 << number - 1)

    def end(self, beat: Callable[[], None]) -> str:
        """SIGTERM, and SIGKILL when that is of no use; how it ended."""
        if not _status(self._pid).get("State", "").startswith(("T", "t")):  # what was made to stand still hears nothing
            self.send(signal.SIGTERM)
            if self._wait(GRACE_SECONDS, beat):
                return "it ended after SIGTERM"
        self.send(signal.SIGKILL)
        return "it was killed" if self._wait(KILLED_SECONDS, beat) else "not even SIGKILL ends it"

    def _wait(self, seconds: float, beat: Callable[[], None]) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._ended(TURN_SECONDS):
                return True
            beat()
        return False

    def _ended(self, seconds: float) -> bool:
        return bool(select.select([self._descriptor], [], [], seconds)[0])

    def send(self, number: int) -> None:
        """Signal it, if it is still there."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
