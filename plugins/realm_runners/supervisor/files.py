"""The files of a job's folder: read and written as one step, its lock, its output."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
from datetime import datetime, timezone
from typing import Any, Dict  # noqa: UP035

PIECE = 1000000
"""Bytes of one piece of output: the first one and the last two stay."""
ENDED = ("done", "failed", "cancelled", "lost")
Data = Dict[str, Any]  # noqa: UP006


def now() -> str:
    """The present moment, UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def read(path: str) -> Any:
    """The JSON object of a file; None when it is not there."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def write(path: str, data: Any, *, new: bool = False) -> bool:
    """Write a file as one step, private to its user; with `new` only when there is none yet."""
    draft = f"{path}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(data, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        if new:
            os.link(draft, path)
        else:
            os.replace(draft, path)
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
    return True


def take(folder: str, *, wait: bool) -> int | None:
    """The folder's lock as a descriptor; None when somebody holds it."""
    descriptor = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def place_of(folder: str) -> str:
    """Which folder this is, under whatever name: a moved one stays the same, a copied one is another."""
    found = os.stat(folder)
    return f"{found.st_dev}:{found.st_ino}"


def pieces(folder: str) -> list[int]:
    """Where the pieces of output begin that are kept."""
    return sorted(int(name[7:]) for name in os.listdir(folder) if re.match(r"output-\d+\Z", name))


class Log:
    """What a job says, in pieces, the middle of a flood left out."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._place = 0
        self._room = PIECE
        self._file = self._open()

    def _open(self) -> Any:
        name = os.path.join(self._folder, f"output-{self._place}")
        return open(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb", buffering=0)

    def write(self, data: bytes) -> None:
        """Add to it. A full disk takes words from it, not the job."""
        while data:
            part, data = data[: self._room], data[self._room :]
            with contextlib.suppress(OSError):
                self._file.write(part)
            self._place += len(part)
            self._room -= len(part)
            if not self._room:
                self._turn()

    def _turn(self) -> None:
        self._file.close()
        for old in pieces(self._folder)[1:-1]:
            os.unlink(os.path.join(self._folder, f"output-{old}"))
        self._room = PIECE
        try:
            self._file = self._open()
        except OSError:
            self._file = open(os.devnull, "wb", buffering=0)  # noqa: SIM115
