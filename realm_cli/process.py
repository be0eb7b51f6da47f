"""Process identity: a pid alone is reused, a pid with its boot and start time is not."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from realm_cli.records import ProcessMark


@cache
def _boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip()[:8] if path.exists() else ""


def _started(pid: int) -> str | None:
    """Boot id and start ticks of a running process; None when it is gone or a zombie (see proc(5), stat)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()  # the name in it may be any bytes
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(b")")[2].decode().split()
    return None if fields[0] in "ZX" else f"{_boot_id()}:{fields[19]}"


def user_name() -> str:
    """Who runs this process; the number of a user whom the system does not know (a container, say)."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def this_process() -> ProcessMark:
    """The mark of the calling process."""
    return mark_of(os.getpid())


def mark_of(pid: int) -> ProcessMark:
    """The mark of the running process `pid`; its `started` is empty when it is gone."""
    return ProcessMark(pid=pid, started=_started(pid) or "", host=os.uname().nodename)


def is_running(mark: ProcessMark) -> bool:
    """Whether that very process still runs on this host."""
    return bool(mark.started) and mark.host == os.uname().nodename and _started(mark.pid) == mark.started
