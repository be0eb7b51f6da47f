"""The two append-only logs: the journal (life story: every quest's end, every level) and the events.

The journal is what counts are made of, so it is fsynced; an event is a message to whoever listens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from realm_cli import store
from realm_cli.records import EventRecord, JournalRecord

QUEST_END = "quest_end"


def append(path: Path, record: JournalRecord) -> None:
    """Add one line to the journal; it survives a power cut."""
    store.append_line(path, record.to_dict(), durable=True)


def read(path: Path) -> Iterator[JournalRecord]:
    """All journal lines, oldest first."""
    for number, data in enumerate(store.read_lines(path), start=1):
        yield JournalRecord.from_dict(data, f"{path}:{number}")


@dataclass
class _Completed:
    """What was counted so far of one journal."""

    inode: int = 0
    offset: int = 0
    quests: set[tuple[str, str]] = field(default_factory=set)
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
