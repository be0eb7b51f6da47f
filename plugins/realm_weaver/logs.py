"""Logs of services: bounded while they are written, read from their end, followed.

A service appends to its log itself, so that it can go on when the weaver is killed. The weaver copies a log that is full
beside it and cuts it: what is said between copy and cut is lost, and nothing else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from realm_cli import store
from realm_cli.services import last_error

OWN = "weaver"
"""The weaver's own log among those of the services."""
MEGABYTE = 1_000_000
LOOK_SECONDS = 0.25
"""How often the logs' sizes are looked at; a log that grows fast is looked at sooner."""
SOONEST_SECONDS = 0.02
TAIL_BYTES = 8192
FOLLOW_SECONDS = 0.2
_PIECE = 1 << 20


def size_of(path: Path) -> int:
    """Bytes of a log; 0 for none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def next_look(limit: int, growth: int, seconds: float) -> float:
    """After how many seconds a log that grew by so many bytes in `seconds` is looked at again: before it is half full."""
    if growth <= 0 or seconds <= 0:
        return LOOK_SECONDS
    return min(LOOK_SECONDS, max(SOONEST_SECONDS, seconds * limit / growth / 2))


def earlier(path: Path, number: int) -> Path:
    """`tavern.log.1` is the one before `tavern.log`."""
    return path.with_name(f"{path.name}.{number}")


def rotate(path: Path, limit: int, keep: int) -> None:
    """Set the last `limit` bytes of a log aside as number 1, the others one further, and cut it. Raises OSError."""
    for number in range(keep - 1, 0, -1):
        if earlier(path, number).exists():
            os.replace(earlier(path, number), earlier(path, number + 1))
    try:
        if keep:
            _copy_end(path, earlier(path, 1), limit)
    finally:
        os.truncate(path, 0)  # on a full disk, too: there is nothing that would free it sooner


def _copy_end(path: Path, target: Path, limit: int) -> None:
    with open(path, "rb") as source, open(target, "wb") as copy:
        source.seek(max(0, size_of(path) - limit))
        left = limit
        while left > 0 and (piece := source.read(min(left, _PIECE))):
            copy.write(piece)
            left -= len(piece)


def tail(path: Path, start: int = 0, size: int = TAIL_BYTES) -> str:
    """The end of a log, nothing before `start`; a log that is shorter than that was cut since."""
    try:
        with open(path, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(start if start <= end else 0, end - size))
            return file.read(size).decode("utf-8", "replace")
    except OSError:
        return ""


def last_words(path: Path, start: int) -> str:
    """Why a service ended, from what it said since `start`."""
    return last_error(tail(path, start))


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a log and, where it was just cut, of the one before."""
    lines: list[str] = []
    for file in (path, earlier(path, 1)):
        if len(lines) < count and file.exists():
            lines = [*store.read_bytes(file).decode("utf-8", "replace").splitlines(), *lines]
    return lines[-count:] if count else []


def new_lines(path: Path) -> Iterator[str]:
    """Lines as they come; a log that was cut is followed from its new beginning."""
    inode, offset, rest = 0, 0, b""
    if path.exists():
        facts = path.stat()
        inode, offset = facts.st_ino, facts.st_size
    while True:
        found, start, content = store.read_from(path, inode, offset)
        if start != offset or found != inode:
            rest = b""
        inode, offset = found, start + len(content)
        *whole, rest = (rest + content).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in whole)
        time.sleep(FOLLOW_SECONDS)
