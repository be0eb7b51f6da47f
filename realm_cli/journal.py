"""The two append-only logs: the journal (life story: every quest's end, every level) and the events.

The journal is what counts are made of, so it is fsynced; an event is a message to whoever listens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from realm_cli import store
from realm_cli.errors import StorageError
from realm_cli.records import EventRecord, JournalRecord

QUEST_END = "quest_end"
NEAR_BYTES = 64 * 1024
"""Below this distance the lines are read one after another."""


def append(path: Path, record: JournalRecord) -> None:
    """Add one line to the journal; it survives a power cut."""
    store.append_line(path, record.to_dict(), durable=True)


def read(path: Path) -> Iterator[JournalRecord]:
    """All journal lines, oldest first."""
    for number, data in enumerate(store.read_lines(path), start=1):
        yield JournalRecord.from_dict(data, f"{path}:{number}")


class _Completed(msgspec.Struct):
    """What was counted so far of one journal."""

    inode: int = 0
    offset: int = 0
    quests: set[tuple[str, str]] = msgspec.field(default_factory=set)
    """(hero, quest)"""


_counted: dict[Path, _Completed] = {}
"""By journal. It only grows, so a process that looks at it again and again reads each line once."""


def count_completed(path: Path, hero: str | None = None) -> int:
    """How many quests ended as completed (of one hero, where given); one that was trained again counts once."""
    known = _counted.setdefault(path, _Completed())
    inode, start, content = store.read_from(path, known.inode, known.offset)
    if start != known.offset:
        known.quests.clear()
    known.inode, known.offset = inode, start
    whole = content[: content.rfind(b"\n") + 1]
    known.offset += len(whole)
    for line in whole.splitlines():
        if b'"completed"' in line:
            with suppress(*store.DAMAGED):
                data = msgspec.json.decode(line)
                if data.get("entry") == QUEST_END and data.get("outcome") == "completed":
                    known.quests.add((str(data.get("hero")), str(data.get("quest"))))
    return len({quest for owner, quest in known.quests if hero in (None, owner)})


def append_event(path: Path, event: EventRecord) -> None:
    """Add one event to `events.jsonl`."""
    store.append_line(path, event.to_dict())


class _Timed(msgspec.Struct):
    """What every line of both logs has."""

    time: str = ""


def lines_since(path: Path, moment: str, most: int) -> tuple[list[bytes], bool]:
    """(the lines from `moment` on, whether these are all: of more than `most` bytes the last are given).

    The place is found by halving, as the lines stand in the order of time; after a clock was set back it may begin early.
    """
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            begun = _place_of(file, size, moment)
            start = max(begun, size - most)
            file.seek(start)
            lines = file.read(size - start).split(b"\n")
    except FileNotFoundError:
        return [], True
    except OSError as error:
        raise StorageError("read", path, error) from error
    return [line for line in (lines if start == begun else lines[1:]) if line], start == begun


def _place_of(file: BinaryIO, size: int, moment: str) -> int:
    """The offset of the first line that is not older than `moment`; `size` when all are."""
    low, high = 0, size
    while high - low > NEAR_BYTES:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        start, time = _next_time(file, high)
        if time and time < moment:
            low = start
        else:
            high = middle
    file.seek(low)
    while low < size:
        start, time = _next_time(file, size)
        if not time or time >= moment:
            return start
        low = file.tell()
    return size


def _next_time(file: BinaryIO, end: int) -> tuple[int, str]:
    """(where the next whole line begins, its time); (`end`, nothing) when there is none before `end`."""
    while (start := file.tell()) < end:
        with suppress(*store.DAMAGED):
            time = msgspec.json.decode(file.readline(), type=_Timed).time
            if time:
                return start, time
    return end, ""
