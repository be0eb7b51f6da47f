"""The events of a realm as they come: only what was appended is read, and every event has its place in the file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from realm_cli import store
from realm_cli.errors import RealmError
from realm_cli.records import EventRecord

HISTORY_BYTES = 64 * 1024


class EventTail:
    """Follows `events.jsonl`: from `history` bytes before its end, or from the line that begins at `at`."""

    def __init__(self, path: Path, history: int = HISTORY_BYTES, at: int | None = None) -> None:
        self._path = path
        self._inode = self._offset = 0
        self._rest = b""
        with suppress(FileNotFoundError):
            facts = path.stat()
            earliest = max(0, facts.st_size - history)
            is_known = at is not None and earliest <= at <= facts.st_size
            self._inode, self._offset = facts.st_ino, at if is_known and at is not None else earliest
        self._cut = self._offset > 0 and self._offset != at
        """Whether the first line read is only the end of one."""

    def read(self) -> list[EventRecord]:
        """The events since the last call; the first one gives some that were there before."""
        return [event for _, event in self.read_placed()]

    @property
    def inode(self) -> int:
        """The file that is read; 0 before there is one."""
        return self._inode

    @property
    def place(self) -> int:
        """Where the next line begins."""
        return self._offset - len(self._rest)

    def read_placed(self) -> list[tuple[int, EventRecord]]:
        """As `read`; each event with the offset in the file at which the next line begins."""
        inode, start, content = store.read_from(self._path, self._inode, self._offset)
        if start != self._offset:  # another file, or one that was cut
            self._rest, self._cut = b"", False
        place = start - len(self._rest)
        self._inode, self._offset = inode, start + len(content)
        *lines, self._rest = (self._rest + content).split(b"\n")
        found = []
        for line in lines:
            place += len(line) + 1
            if self._cut:
                self._cut = False
            elif (event := _event(line)) is not None:
                found.append((place, event))
        return found


def _event(line: bytes) -> EventRecord | None:
    """The event of a line; None for a torn one, which whoever reads the whole file reports."""
    try:
        return EventRecord.from_dict(msgspec.json.decode(line), "events.jsonl")
    except (*store.DAMAGED, RealmError):
        return None
