"""What is left of a battle that died: its log, its stacks, the kernel's words."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from realm_cli.realm import Realm
from realm_cli.records import TrainingStatus
from realm_sentinels.crash import Traces

TAIL_BYTES = 32 * 1024
KERNEL_RECORD_BYTES = 8192


def stacks_file(realm: Realm) -> Path:
    """Where a battle writes its stacks: when it is asked (SIGUSR1), and when it breaks."""
    return realm.logs / "battle.stacks"


def output_file(realm: Realm) -> Path:
    """What a battle says that the guardian started."""
    return realm.logs / "guardian-battle.log"


def tail(path: Path, size: int = TAIL_BYTES) -> str:
    """The end of a text file; nothing when there is none."""
    try:
        with open(path, "rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - size))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def of_battle(realm: Realm, training: TrainingStatus, *, code: int | None = None, hung: str = "") -> Traces:
    """The traces of the battle that wrote this status last.

    What it logged of troubles that it overcame is no trace: only its stacks and its own last word are.
    """
    said = _own_stacks(realm, training) + (f"\n{training.reason}\n" if training.state == "failed" else "")
    return Traces(code=code, said=said, kernel=killed_by_kernel(training.process.pid), hung=hung)


def _own_stacks(realm: Realm, training: TrainingStatus) -> str:
    """Those of this very battle: what an earlier one left is older than its start."""
    path = stacks_file(realm)
    try:
        written = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
        is_own = written >= datetime.fromisoformat(training.started_at)
    except (OSError, ValueError):
        return ""
    return tail(path) if is_own else ""


def killed_by_kernel(pid: int) -> str:
    """The kernel's line about a process that it killed for lack of memory; empty without, or where it may not be read."""
    pattern = re.compile(rf"(?:Killed|Kill) process {pid}\b|oom-kill:.*\bpid={pid}\b|task_memcg=.*\bpid={pid}\b")
    return next((line for line in reversed(kernel_lines()) if pattern.search(line)), "")[:300]


def kernel_lines() -> list[str]:
    """The kernel's messages (see dmesg(1)); none where this user may not read them."""
    try:
        descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    found = []
    try:
        while True:
            try:
                record = os.read(descriptor, KERNEL_RECORD_BYTES)
            except BrokenPipeError:
                continue  # the oldest were overwritten while we read
            if not record:
                break
            found.append(record.decode("utf-8", "replace").partition(";")[2].split("\n", 1)[0])
    except OSError:
        pass  # BlockingIOError: there are no more
    finally:
        with suppress(OSError):
            os.close(descriptor)
    return found
