"""The events as one herald reads them: from where it was, each once, also when the file was replaced or cut."""

from __future__ import annotations

from pathlib import Path

from realm_cli.eventtail import EventTail
from realm_cli.records import EventRecord
from realm_herald.records import HeraldRecord
from realm_herald.rules import event_id

BACKLOG_BYTES = 16 * 1024 * 1024
"""Of more than this that was written while no herald ran, the end is read."""
RECENT = 200
"""Events that are known again when they come a second time."""


class Follower:
    """Reads on behind `record`; without one it begins at the end of the file."""

    def __init__(self, path: Path, record: HeraldRecord | None) -> None:
        self._path = path
        self._recent = list(record.recent) if record else []
        self._time = record.time if record else ""
        self._replaced = False
        self._tail = self._opened(record)

    def _opened(self, record: HeraldRecord | None) -> EventTail:
        if record is None:
            return EventTail(self._path, history=0, at=_size(self._path))
        if _continues(self._path, record):
            return EventTail(self._path, BACKLOG_BYTES, at=record.place)
        self._replaced = True
        return EventTail(self._path, BACKLOG_BYTES)

    @property
    def inode(self) -> int:
        """The file that is read."""
        return self._tail.inode

    @property
    def place(self) -> int:
        """Where the next line begins."""
        return self._tail.place

    @property
    def time(self) -> str:
        """When the last event happened that was read."""
        return self._time

    @property
    def recent(self) -> list[str]:
        """The last events by id."""
        return self._recent

    def read(self) -> list[tuple[str, EventRecord]]:
        """(id, event) of what is new."""
        inode, place = self._tail.inode, self._tail.place
        events = self._tail.read()
        if inode and (self._tail.inode != inode or self._tail.place < place):
            self._replaced = True
        # In another file old events may stand once more: those before the last one, and those that are known by id.
        known, since = set(self._recent), self._time if self._replaced else ""
        found = []
        for event in events:
            name = event_id(event)
            if event.time >= since and name not in known:
                found.append((name, event))
                known.add(name)
        if events:
            self._replaced = False
            self._time = max(self._time, *(event.time for _, event in found)) if found else self._time
            self._recent = [*self._recent, *(name for name, _ in found)][-RECENT:]
        return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _continues(path: Path, record: HeraldRecord) -> bool:
    """Whether the file is the one that was read, with a line ending at that place."""
    try:
        with open(path, "rb") as file:
            facts = path.stat()
            file.seek(max(0, record.place - 1))
            before = file.read(1)
    except FileNotFoundError:
        return False
    return facts.st_ino == record.inode and facts.st_size >= record.place and (record.place == 0 or before == b"\n")
