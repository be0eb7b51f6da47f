"""The two append-only logs: the journal (life story: every quest's end, every level) and the events.

The journal is what counts are made of, so it is fsynced; an event is a message to whoever listens.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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


def count_completed(path: Path, hero: str | None = None) -> int:
    """How many quests ended as completed (of one hero, where given); one that was trained again counts once."""
    return len(
        {
            line.get("quest")
            for line in store.read_lines(path)
            if line.get("outcome") == "completed"
            and line.get("entry") == QUEST_END
            and hero in (None, line.get("hero"))
        }
    )


def append_event(path: Path, event: EventRecord) -> None:
    """Add one event to `events.jsonl`."""
    store.append_line(path, event.to_dict())
