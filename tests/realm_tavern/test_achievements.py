"""Achievements: derived from what really lies on disk, told once, never taken away."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from helpers import BattleProcess, rows, wait_for, write_rows
from realm_cli import champions, intake, journal, skillstate, store
from realm_cli.events import emit
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import JournalRecord
from realm_cli.skill_records import ChampionRecord, Mastery, SkillState
from realm_cli.watchtower import gaze
from realm_guild_heroes import HERO, bin_of, checkpoint, events, weights_of
from realm_tavern import achievements
from realm_tavern.records import AchievementsRecord

NOON = "2026-01-01T12:00:00.000+00:00"


@pytest.fixture
def manager(realm: Realm) -> Manager:
    return Manager.of(realm)


def award(realm: Realm, manager: Manager) -> list[str]:
    """What is new, by id."""
    return [one.id for one in achievements.award(realm, manager, gaze(realm, manager))]


def shown(realm: Realm, manager: Manager) -> dict[str, achievements.Achievement]:
    return {one.id: one for one in achievements.look(realm, HERO, gaze(realm, manager))}


def reached(realm: Realm, manager: Manager) -> set[str]:
    return {name for name, one in shown(realm, manager).items() if one.at}


def file_of(realm: Realm) -> Path:
    return realm.status / "tavern" / f"achievements-{HERO}.json"


def day_at(hour: int, day: int = 1) -> str:
    """A moment by the clock on the wall, as the journal writes it."""
    return datetime(2026, 1, day, hour, 30).astimezone(timezone.utc).isoformat(timespec="milliseconds")


def end(realm: Realm, quest: int, outcome: str = "completed", time: str = "", hero: str = HERO) -> None:
    """A quest's end in the journal, at noon when no time is given."""
    entry = JournalRecord(
        entry=journal.QUEST_END, time=time or day_at(12), hero=hero, step=quest, quest=f"{quest:012x}", outcome=outcome
    )
    journal.append(realm.journal, entry)


def ends(realm: Realm, quests: range, time: str = "") -> None:
    """Many completed quests at once."""
    lines = [
        JournalRecord(
            entry=journal.QUEST_END, time=time or day_at(12), hero=HERO, quest=f"{quest:012x}", outcome="completed"
        ).to_dict()
        for quest in quests
    ]
    store.append_lines(realm.journal, [json.dumps(line).encode() for line in lines])


def master(realm: Realm, *levels: int) -> None:
    """The skill bin with these levels mastered."""
    mastered = [
        Mastery(level=level, step=7, checkpoint="c", accuracy=0.9, interval=(0.8, 0.95), steps=[5, 6, 7], at=NOON)
        for level in levels
    ]
    path = skillstate.state_path(realm, HERO, "bin")
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_record(path, SkillState(hero=HERO, skill="bin", level=min(30, max(levels) + 1), mastered=mastered))


def test_a_new_hero_has_achieved_nothing_and_looking_writes_nothing(realm: Realm, manager: Manager) -> None:
    found = achievements.look(realm, HERO, gaze(realm, manager))
    assert len(found) == len({one.id for one in found}) >= 20
    assert all(one.title and one.text and one.plain for one in found)
    assert {(one.at, one.part) for one in found} == {("", 0.0)}
    assert not file_of(realm).exists()


def test_an_achievement_is_told_once_with_its_words_and_kept_on_disk(realm: Realm, manager: Manager) -> None:
    end(realm, 1)
    assert award(realm, manager) == ["first_quest"]
    assert award(realm, manager) == []
    (told,) = events(realm, "achievement")
    assert told == {
        "hero": HERO, "step": 0, "id": "first_quest", "title": "First blood", "text": "The first quest is won.",
        "plain": "1 training file was trained to its end",
    }  # fmt: skip
    record = store.read_record(file_of(realm), AchievementsRecord)
    assert [(earned.id, earned.step) for earned in record.earned] == [("first_quest", 0)]
    assert shown(realm, manager)["first_quest"].at == record.earned[0].at
    assert shown(realm, manager)["quests_10"].part == 0.1


@pytest.mark.parametrize(("count", "wanted"), [(9, 1), (10, 2), (99, 2), (100, 3), (1000, 4)])
def test_quests_count_as_gold_does(realm: Realm, manager: Manager, count: int, wanted: int) -> None:
    ends(realm, range(count))
    names = ["first_quest", "quests_10", "quests_100", "quests_1000"]
    assert award(realm, manager) == names[:wanted]


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        (999, set()),
        (1_000, {"level_1"}),
        (10_000, {"level_1", "level_10"}),
        (100_000, {"level_1", "level_10", "level_50", "level_100"}),
    ],
)
def test_checkpoints_tell_levels_loss_and_tokens(realm: Realm, manager: Manager, step: int, wanted: set[str]) -> None:
    checkpoint(realm, step, train_loss=0.2, tokens_seen=999_999)
    assert set(award(realm, manager)) == {"first_checkpoint", *wanted}
    assert 0.99 < shown(realm, manager)["million_tokens"].part < 1
    checkpoint(realm, step + 1, train_loss=0.09, tokens_seen=1_000_000)
    assert set(award(realm, manager)) == {"sharp_blade", "million_tokens"} | ({"level_1"} if step == 999 else set())


def test_closed_and_open_levels_are_told_apart(realm: Realm, manager: Manager) -> None:
    closed = bin_of(realm).closed_levels()
    master(realm, *closed)
    assert set(award(realm, manager)) == {"first_mastery", "closed_mastered"}
    master(realm, *range(1, 11))
    assert set(award(realm, manager)) == {"open_mastered", "skill_5", "skill_10"}
    assert shown(realm, manager)["skill_30"].part == pytest.approx(1 / 3)
    master(realm, *range(1, 31))
    assert award(realm, manager) == ["skill_30"]


def test_what_was_achieved_stays_when_the_level_is_relearned(realm: Realm, manager: Manager) -> None:
    master(realm, 1, 2)
    award(realm, manager)
    before = reached(realm, manager)
    skillstate.state_path(realm, HERO, "bin").unlink()
    assert award(realm, manager) == []
    assert reached(realm, manager) == before >= {"first_mastery"}


def test_the_first_champion_counts(realm: Realm, manager: Manager) -> None:
    record = checkpoint(realm, 50)
    crowned = ChampionRecord(
        hero=HERO, step=50, checkpoint=record.canonical_name, weights_sha256=weights_of(50), promoted_at=NOON, by="me"
    )
    champions.write(realm, crowned)
    assert award(realm, manager) == ["first_checkpoint", "first_champion"]


LIVES: list[tuple[list[str], bool]] = [
    (["battle_started", "battle_stopped", "battle_resumed"], False),
    (["battle_started", "checkpoint_saved", "battle_resumed"], True),
    (["battle_started", "quest_done", "board_empty", "battle_resumed"], False),  # it was to end with the board
    (["battle_started", "board_empty", "quest_done", "battle_resumed"], True),
    (["battle_resumed", "battle_resumed"], True),
    (["battle_resumed"], False),  # nothing is known of the time before
]


@pytest.mark.parametrize(("names", "crashed"), LIVES)
def test_coming_back_from_a_crash_counts_and_from_a_stop_does_not(
    realm: Realm, manager: Manager, names: list[str], crashed: bool
) -> None:
    for number, name in enumerate(names):
        emit(realm, manager, name, hero=HERO, step=number)
    assert award(realm, manager) == (["phoenix"] if crashed else [])
    if crashed:
        assert shown(realm, manager)["phoenix"].step == len(names) - 1


def test_a_crash_is_seen_across_two_looks(realm: Realm, manager: Manager) -> None:
    emit(realm, manager, "battle_started", hero=HERO, step=0)
    assert award(realm, manager) == []
    emit(realm, manager, "battle_resumed", hero=HERO, step=4)
    assert award(realm, manager) == ["phoenix"]


def test_a_real_battle_that_is_killed_and_started_again_makes_a_phoenix(
    realm: Realm, manager: Manager, battle: Callable[..., BattleProcess], tmp_path: Path
) -> None:
    intake.add_files(realm, manager, [write_rows(tmp_path / "a.jsonl", rows(640))])
    config = realm.config_file
    config.write_text(config.read_text().replace("save_steps: 1000", "save_steps: 10"))
    fighting = battle("--until-empty")
    wait_for(lambda: Ledger(realm).steps(), "the first checkpoint")
    fighting.kill()
    assert award(realm, manager) == ["first_checkpoint"]
    for again in range(2):  # the second time after an orderly end
        assert battle("--until-empty").wait() == 0
        new = set(award(realm, manager)) - {"night_owl"}  # the tests may run at night
        assert new == ({"phoenix", "first_quest"} if again == 0 else set())


def test_a_failed_quest_that_is_completed_later_counts(realm: Realm, manager: Manager) -> None:
    end(realm, 1, "failed")
    end(realm, 2)
    assert award(realm, manager) == ["first_quest"]
    end(realm, 1)
    assert award(realm, manager) == ["second_wind"]
    assert store.read_record(file_of(realm), AchievementsRecord).failed == []


def test_seven_days_count_however_many_quests_they_have(realm: Realm, manager: Manager) -> None:
    for day in (1, 1, 2, 3, 4, 5, 6):
        end(realm, day, time=day_at(12, day))
    assert award(realm, manager) == ["first_quest"]
    assert shown(realm, manager)["seven_days"].part == pytest.approx(6 / 7)
    end(realm, 7, time=day_at(12, 9))
    assert award(realm, manager) == ["seven_days"]


@pytest.mark.parametrize(("hour", "late"), [(0, True), (4, True), (5, False), (23, False)])
def test_the_night_is_that_of_the_clock_on_the_wall(realm: Realm, manager: Manager, hour: int, late: bool) -> None:
    end(realm, 1, time=day_at(hour))
    assert ("night_owl" in award(realm, manager)) is late
    if late:
        assert shown(realm, manager)["night_owl"].at == day_at(hour)


def test_another_heros_deeds_are_its_own(realm: Realm, manager: Manager) -> None:
    end(realm, 1, "failed", hero="dio")
    end(realm, 1, time=day_at(2), hero="dio")
    emit(realm, manager, "battle_started", hero="dio", step=0)
    emit(realm, manager, "battle_resumed", hero="dio", step=9)
    assert award(realm, manager) == []


@pytest.mark.parametrize("content", ["{]", "", '{"kind": "achievements", "version": 1}', '{"kind": "other"}', None])
def test_a_damaged_or_lost_record_is_rebuilt_from_what_was_told(
    realm: Realm, manager: Manager, content: str | None
) -> None:
    end(realm, 1, time=day_at(2))
    checkpoint(realm, 1_500, train_loss=0.05)
    emit(realm, manager, "battle_started", hero=HERO, step=0)
    emit(realm, manager, "battle_resumed", hero=HERO, step=9)
    first = award(realm, manager)
    assert {"sharp_blade", "phoenix", "night_owl"} <= set(first)
    before = shown(realm, manager)
    checkpoint(realm, 1_501, train_loss=0.5)  # the loss is no longer under 0.1
    if content is None:
        file_of(realm).unlink()
    else:
        file_of(realm).write_text(content)
    assert award(realm, manager) == []
    assert len(events(realm, "achievement")) == len(first)
    assert set(first) == reached(realm, manager)
    # The moment of the telling stands in for that of the deed.
    told = shown(realm, manager)
    assert all(abs(_seconds(told[name].at) - _seconds(before[name].at)) < 60 for name in ("first_quest", "sharp_blade"))
    assert len(list(file_of(realm).parent.glob("*.corrupt-*"))) == (content is not None)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def test_lines_that_are_torn_or_strange_are_passed_over(realm: Realm, manager: Manager) -> None:
    strange: list[Any] = [
        "{]", "[]", "3", '"quest_end"', '{"entry": "quest_end", "time": 3}',
        '{"entry": "quest_end", "time": "soon", "outcome": "completed", "hero": "dio-mini"}',
    ]  # fmt: skip
    realm.journal.write_text("\n".join(strange) + "\n")
    realm.events.write_text('{"name": 3}\nnull\n{"name": "achievement", "time": "x", "facts": []}\n')
    end(realm, 1, time=day_at(2))
    with open(realm.journal, "ab") as file:
        file.write(b'{"entry": "quest_end", "time"')  # is being written this moment
    assert award(realm, manager) == ["night_owl", "first_quest"]
    with open(realm.journal, "ab") as file:
        file.write(b': "2026-01-02T12:00:00.000+00:00", "hero": "dio-mini", "outcome": "completed", "quest": "a"}\n')
    award(realm, manager)
    assert store.read_record(file_of(realm), AchievementsRecord).days[-1] == "2026-01-02"


def test_a_long_journal_is_read_once(realm: Realm, manager: Manager) -> None:
    ends(realm, range(200_000))
    snapshot = gaze(realm, manager)
    begun = time.perf_counter()
    achievements.award(realm, manager, snapshot)
    whole = time.perf_counter() - begun
    ends(realm, range(200_000, 200_010))
    again = []
    for _ in range(5):
        begun = time.perf_counter()
        achievements.award(realm, manager, snapshot)
        again.append(time.perf_counter() - begun)
    assert min(again) < whole / 10
    record = store.read_record(file_of(realm), AchievementsRecord)
    assert record.journal.offset == realm.journal.stat().st_size
    assert len(file_of(realm).read_bytes()) < 10_000


def test_a_journal_that_was_replaced_is_read_from_its_beginning(realm: Realm, manager: Manager) -> None:
    ends(realm, range(5))
    award(realm, manager)
    later = datetime.now(timezone.utc) + timedelta(days=1)
    realm.journal.unlink()
    end(realm, 1, time=later.replace(hour=12).isoformat(timespec="milliseconds"))
    award(realm, manager)
    assert len(store.read_record(file_of(realm), AchievementsRecord).days) == 2
