"""The flight recorder: which step was being computed when a battle died. A write of a few bytes a step, never fsynced."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

WIDTH = 64


class BlackBox:
    """A small file that always tells the step in progress; empty between steps."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.leave()

    def enter(self, quest: str, samples: int) -> None:
        """A step begins, `samples` samples into the quest."""
        self._write(f"{quest} {samples}")

    def leave(self) -> None:
        """The step is done."""
        self._write("")

    def _write(self, text: str) -> None:
        # A recorder that cannot write must not end the flight; what the disk refuses shows at the next save.
        with suppress(OSError):
            os.pwrite(self._descriptor, text.ljust(WIDTH).encode(), 0)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


def read(path: Path) -> tuple[str, int] | None:
    """(quest, samples) of the step that was never finished; None when none was."""
    try:
        words = path.read_text(encoding="ascii", errors="replace").split()
    except FileNotFoundError:
        return None
    return (words[0], int(words[1])) if len(words) == 2 and words[1].isdigit() else None
