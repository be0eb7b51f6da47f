"""Processes by pid and start time: a pid alone is reused."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

from realm_runners.supervisor.files import Data


def boot() -> str:
    """Which start of this machine it is."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()[:8]


def facts(pid: int) -> tuple[str, int] | None:
    """(boot and start time, parent) of a running process; None when it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].decode().split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else (f"{boot()}:{fields[19]}", int(fields[1]))


def mark(pid: int) -> Data:
    """What tells this process from a later one of the same number."""
    found = facts(pid)
    return {"pid": pid, "started": found[0] if found else ""}


def send(who: Data, number: int) -> bool:
    """Signal the very process of a mark; False when it is gone."""
    handle = None
    try:
        if hasattr(os, "pidfd_open"):
            handle = os.pidfd_open(who["pid"])  # opened first: then it is the process that is compared and signalled
        found = facts(who["pid"])
        if not who["started"] or found is None or found[0] != who["started"]:
            return False
        if handle is not None:
            signal.pidfd_send_signal(handle, number)
        else:
            os.kill(who["pid"], number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        if handle is not None:
            os.close(handle)
    return True


def is_alive(who: Data) -> bool:
    """Whether that very process runs."""
    found = facts(who["pid"])
    return bool(who["started"]) and found is not None and found[0] == who["started"]


def everyone() -> Iterator[tuple[Data, int]]:
    """(mark, parent) of every running process."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            found = facts(int(name))
            if found:
                yield {"pid": int(name), "started": found[0]}, found[1]


def below(heads: set[int]) -> list[Data]:
    """The marks of all that descend from these processes."""
    children: dict[int, list[Data]] = {}
    for who, parent in everyone():
        children.setdefault(parent, []).append(who)
    found: list[Data] = []
    line = list(heads)
    while line:
        for who in children.pop(line.pop(), []):
            found.append(who)
            line.append(who["pid"])
    return found


def carriers_of(token: str) -> list[Data]:
    """The marks of processes that have the job's token in their environment."""
    needle = f"REALM_JOB_TOKEN={token}".encode()
    found = []
    for who, _ in everyone():
        if who["pid"] == os.getpid():
            continue
        try:
            with open(f"/proc/{who['pid']}/environ", "rb") as file:
                if needle in file.read().split(b"\0"):
                    found.append(who)
        except OSError:
            continue  # gone, or somebody else's
    return found
