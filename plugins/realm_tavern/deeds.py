"""What the journal and the events tell about a hero, read onwards from where the last reading ended.

Both files may have a million lines, so each line is read once, and only what achievements need is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from realm_cli import store
from realm_cli.errors import StorageError
from realm_cli.journal import QUEST_END
from realm_cli.realm import Realm
from realm_cli.records import is_moment
from realm_tavern.records import AchievementsRecord, Cursor, Earned

PHOENIX, MENDED, NIGHT = "phoenix", "second_wind", "night_owl"
"""Achievements that a single line of the two files shows."""
EVENT = "achievement"
DAYS = 7
DAWN = 5
"""The hour, by the clock on the wall, at which the night ends."""
_MOST_FAILED = 1000
_BEGINS = ("battle_started", "battle_resumed", "battle_unpaused", "checkpoint_saved", "quest_done")
"""Events of a battle that goes on."""
_ENDS = ("battle_stopped", "board_empty")
"""A battle that was to end with the board says only that the board is empty."""


class _End(msgspec.Struct):
    """What is read of a line of the journal."""

    entry: str
    time: str
    hero: str = ""
    step: int = -1
    quest: str = ""
    outcome: str = ""


class _Event(msgspec.Struct):
    """What is read of an event."""

    name: str
    time: str
    facts: msgspec.Raw = msgspec.Raw(b"{}")


class _Facts(msgspec.Struct):
    """What is read of an event's facts."""

    hero: str = ""
    step: int = -1
    id: str = ""


_end_of = msgspec.json.Decoder(_End).decode
_event_of = msgspec.json.Decoder(_Event).decode
_facts_of = msgspec.json.Decoder(_Facts).decode


def read_on(realm: Realm, record: AchievementsRecord) -> tuple[AchievementsRecord, set[str]]:
    """(the record with what both files tell since it was written, the achievements that were told there)."""
    return _read_events(realm.events, _read_journal(realm.journal, record))


def earn(record: AchievementsRecord, found: Earned) -> AchievementsRecord:
    """The record with one achievement more; one that was reached before keeps its day."""
    if any(earned.id == found.id for earned in record.earned):
        return record
    return msgspec.structs.replace(record, earned=[*record.earned, found])


def _read_journal(path: Path, record: AchievementsRecord) -> AchievementsRecord:
    has = {earned.id for earned in record.earned}
    days, failed, found = set(record.days), dict.fromkeys(record.failed), dict[str, Earned]()
    if {MENDED, NIGHT} <= has and len(days) == DAYS:
        return record  # the journal has nothing more to tell

    def hear(line: bytes) -> None:
        end = _end_of(line) if b'"quest_end"' in line else None
        if end is None or end.entry != QUEST_END or not is_moment(end.time):
            return
        if end.outcome == "failed":
            failed[end.quest] = None
        elif end.outcome == "completed" and end.hero == record.hero:
            if len(days) < DAYS:
                days.add(end.time[:10])
            if end.quest in failed:
                del failed[end.quest]
                found.setdefault(MENDED, Earned(MENDED, end.time, end.step))
            if NIGHT not in found and datetime.fromisoformat(end.time).astimezone().hour < DAWN:
                found[NIGHT] = Earned(NIGHT, end.time, end.step)

    cursor = _follow(path, record.journal, hear)
    kept = list(failed)[-_MOST_FAILED:]
    return msgspec.structs.replace(_earn_all(record, found), journal=cursor, days=sorted(days), failed=kept)


def _read_events(path: Path, record: AchievementsRecord) -> tuple[AchievementsRecord, set[str]]:
    fighting, found, told = record.fighting, dict[str, Earned](), dict[str, Earned]()

    def hear(line: bytes) -> None:
        nonlocal fighting
        event = _event_of(line)
        if event.name == EVENT:  # a record that was lost is made again from these
            facts = _facts_of(event.facts)
            if facts.hero == record.hero and facts.id and is_moment(event.time):
                told.setdefault(facts.id, Earned(facts.id, event.time, facts.step))
        elif event.name in _ENDS:
            fighting = False
        elif event.name in _BEGINS:
            if event.name == "battle_resumed" and fighting:
                facts = _facts_of(event.facts)
                if facts.hero == record.hero:
                    found.setdefault(PHOENIX, Earned(PHOENIX, event.time, facts.step))
            fighting = True

    cursor = _follow(path, record.events, hear)
    record = _earn_all(_earn_all(record, told), found)
    return msgspec.structs.replace(record, events=cursor, fighting=fighting), set(told)


def _earn_all(record: AchievementsRecord, found: dict[str, Earned]) -> AchievementsRecord:
    for one in found.values():
        record = earn(record, one)
    return record


def _follow(path: Path, cursor: Cursor, hear: Callable[[bytes], None]) -> Cursor:
    """Tell every whole line behind the cursor, all of them when the file is another one; where the next time begins."""
    for inode, start, line in _lines(path, cursor):
        cursor = Cursor(inode, start + len(line))
        try:
            hear(line)
        except store.DAMAGED:
            continue  # torn, or of another version: whoever owns the file reports it
    return cursor


def _lines(path: Path, cursor: Cursor) -> Iterator[tuple[int, int, bytes]]:
    """(inode, where the line begins, the line); one at a time, as the file may be larger than the memory to spare."""
    try:
        with open(path, "rb") as file:
            facts = os.fstat(file.fileno())
            known = facts.st_ino == cursor.inode and facts.st_size >= cursor.offset
            place = file.seek(cursor.offset if known else 0)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # is being written
                yield facts.st_ino, place, line
                place += len(line)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError("read", path, error) from error
