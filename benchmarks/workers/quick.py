"""QUICK inspection of a file, on request, with the seconds and the memory that it took."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.workers.channel import Channel
from realm_arena import quick
from realm_cli import datafiles
from realm_cli.inspection import Report, Subject
from realm_cli.realm import Realm


def peak_memory() -> int:
    """Most bytes that this process ever held (getrusage would count its parent's as well)."""
    facts = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(fact.split()[1] for fact in facts if fact.startswith("VmHWM")))


def main(root: Path, file: Path) -> None:
    channel = Channel()
    subject = Subject(realm=Realm(root), hero="", path=file, sha256="", quest="")

    def inspect() -> dict[str, Any]:
        report, begun = Report("quick"), time.process_time()
        quick.inspect(subject, report)
        busy = time.process_time() - begun
        return {"cpu": busy, "samples": report.samples, "errors": report.errors, "peak": peak_memory()}

    def lines() -> dict[str, Any]:
        begun = time.process_time()
        count = sum(1 for _ in datafiles.read_lines(file))
        return {"cpu": time.process_time() - begun, "samples": count}

    channel.serve(inspect=inspect, lines=lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
