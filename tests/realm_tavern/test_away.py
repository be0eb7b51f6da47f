"""While you were away: what happened since anybody looked, from real files; silent when there is nothing to say."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest

from realm_cli import journal, store
from realm_cli.events import emit
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import EventRecord, JournalRecord, now
from realm_cli.watchtower import gaze
from realm_guild_heroes import HERO, FakeBattle, checkpoint
from realm_tavern import away


@pytest.fixture
def manager(realm: Realm) -> Manager:
    return Manager.of(realm)


def seen_file(realm: Realm) -> Path:
    return realm.status / "tavern" / "seen.json"


def look_away(realm: Realm, manager: Manager, minutes: float = 60) -> None:
    """Somebody looked last that long ago."""
    away.remember(realm, gaze(realm, manager))
    at = datetime.now(timezone.utc) - timedelta(minutes=minutes)
    seen = away.seen(realm)
    assert seen is not None
    store.write_record(seen_file(realm), msgspec.structs.replace(seen, at=at.isoformat(timespec="milliseconds")))


def told(realm: Realm, manager: Manager) -> list[str]:
    return away.summary(realm, gaze(realm, manager), away.seen(realm))


LONG_AGO = "2026-01-01T00:00:00.000+00:00"


def emit_long_ago(realm: Realm, name: str, **facts: object) -> None:
    journal.append_event(realm.events, EventRecord(name=name, time=LONG_AGO, facts=facts))


def complete(realm: Realm, quest: int, at: str = "") -> None:
    entry = JournalRecord(
        entry=journal.QUEST_END, time=at or now(), hero=HERO, quest=f"{quest:012x}", outcome="completed", step=quest
    )
    journal.append(realm.journal, entry)


def test_the_first_look_has_nothing_to_tell(realm: Realm, manager: Manager) -> None:
    checkpoint(realm, 100)
    assert away.seen(realm) is None
    assert told(realm, manager) == []


def test_what_is_remembered_is_how_the_hero_stands(realm: Realm, manager: Manager) -> None:
    checkpoint(realm, 1_200)
    complete(realm, 1)
    emit(realm, manager, "quest_done", quest="a")
    away.remember(realm, gaze(realm, manager))
    seen = away.seen(realm)
    assert seen is not None
    assert (seen.hero, seen.step, seen.levels) == (HERO, 1_200, {"bin": 1, "sy": 1})


def test_all_that_happened_is_told_with_its_figures(realm: Realm, manager: Manager) -> None:
    checkpoint(realm, 900)
    complete(realm, 1, LONG_AGO)
    emit_long_ago(realm, "checkpoint_saved", step=900)
    look_away(realm, manager, minutes=200)
    for quest in (2, 3):
        complete(realm, quest)
    fighting = FakeBattle(realm, manager)
    for step in (1_000, 2_000, 3_100):
        fighting.stands_at(step)
        emit(realm, manager, "checkpoint_saved", step=step)
    emit(realm, manager, "quest_failed", quest="a", file="bad.jsonl", reason="it <b>broke</b>")
    heading, *lines = told(realm, manager)
    assert heading == "nobody looked for 3h 20m"
    assert lines[0].startswith("1 trouble, last: ")
    assert lines[0].endswith("quest failed: bad: it <b>broke</b>")
    assert lines[1] == "new champion: dio-mini at step 3,100"
    assert lines[2].startswith("bin from level 1 to level 2")
    assert lines[3:] == [
        "2 quests done, 200 gold",
        "2,200 steps: 900 to 3,100, dio-mini is level 3 now",
        "5 evals made",
        "3 checkpoints saved",
    ]


def test_a_short_absence_is_none(realm: Realm, manager: Manager) -> None:
    look_away(realm, manager, minutes=9.9)
    complete(realm, 1)
    assert told(realm, manager) == []


def test_nothing_is_told_when_nothing_happened(realm: Realm, manager: Manager) -> None:
    checkpoint(realm, 900)
    emit_long_ago(realm, "quest_failed", quest="a", file="old.jsonl")
    look_away(realm, manager)
    assert told(realm, manager) == []
    emit(realm, manager, "board_empty")
    assert told(realm, manager) == []


def test_one_look_is_enough_for_all_browsers(realm: Realm, manager: Manager) -> None:
    look_away(realm, manager)
    complete(realm, 1)
    assert told(realm, manager) == told(realm, manager) == ["nobody looked for 1h 00m", "1 quest done, 100 gold"]
    away.remember(realm, gaze(realm, manager))
    assert told(realm, manager) == []


def test_another_hero_s_time_is_not_told(realm: Realm, manager: Manager) -> None:
    look_away(realm, manager)
    complete(realm, 1)
    seen = away.seen(realm)
    assert seen is not None
    store.write_record(seen_file(realm), msgspec.structs.replace(seen, hero="dio"))
    assert told(realm, manager) == []


@pytest.mark.parametrize("content", ["{]", '{"kind": "tavern_seen", "version": 1}', None])
def test_a_damaged_memory_is_set_aside(realm: Realm, manager: Manager, content: str | None) -> None:
    look_away(realm, manager)
    strange = {**json.loads(seen_file(realm).read_text()), "at": "yesterday"}
    seen_file(realm).write_text(json.dumps(strange) if content is None else content)
    assert away.seen(realm) is None
    assert len(list(seen_file(realm).parent.glob("seen.json.corrupt-*"))) == 1
    away.remember(realm, gaze(realm, manager))
    assert away.seen(realm) is not None


def test_of_a_flood_of_events_the_end_is_read_and_the_count_says_so(realm: Realm, manager: Manager) -> None:
    look_away(realm, manager)
    line = store.to_line(EventRecord(name="checkpoint_saved", time=now(), facts={"step": 1, "x": "y" * 900}).to_dict())
    with open(realm.events, "ab") as file:
        file.writelines([line] * (away.AWAY_BYTES // len(line) + 100))
    _, saved = told(realm, manager)
    assert saved.startswith("at least 4,")


def test_an_events_file_that_was_cut_short_is_read_by_its_times(realm: Realm, manager: Manager) -> None:
    for _ in range(50):
        emit(realm, manager, "checkpoint_saved", step=1)
    look_away(realm, manager)
    realm.events.unlink()
    emit(realm, manager, "checkpoint_saved", step=2)
    assert told(realm, manager)[1:] == ["1 checkpoint saved"]
