"""Cleans up after a drill: a program beside it that waits for its end, however it comes.

Every process of a drill, and whatever those start, carries the drill's mark in its environment.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

MARK = "REALM_DRILL"
WELL = b"the drill has cleaned up itself"
SECONDS = 60.0
"""A process in the middle of a call to a device may not even die at once."""


def begin(folder: Path) -> subprocess.Popen[bytes]:
    """Start it for the drill that plays in this folder; it acts when its standard input ends without `WELL`."""
    line = [sys.executable, "-m", __name__, str(folder)]
    return subprocess.Popen(
        line,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


def dismiss(janitor: subprocess.Popen[bytes]) -> None:
    """Let it go without having acted."""
    janitor.communicate(WELL)


def end_all(folder: Path) -> None:
    """Kill every process of the drill, also those that were started meanwhile."""
    import psutil

    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = 0
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                    process.kill()  # psutil compares its start time before it signals
                    found += 1
        if not found:
            return
        time.sleep(0.05)


def main() -> None:
    """Wait for the end of the drill."""
    folder = Path(sys.argv[1])
    if sys.stdin.buffer.read() != WELL:
        end_all(folder)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
