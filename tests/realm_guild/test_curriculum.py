"""Forging on demand: what a quest is made of, when one is made, what a level-up makes of those that wait."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from helpers import rows, write_rows
from realm_cli import skillstate, store
from realm_cli.hookspecs import hookimpl
from realm_cli.intake import add_files
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import EventRecord, QuestRecord
from realm_cli.skillbook import GuildSkill, open_skill
from realm_cli.skills import is_closed, split_of
from realm_guild import curriculum, standing
from realm_guild.forge import forge, to_jsonl
from realm_guild_heroes import HERO, FakeBattle, entries, events, set_yaml, tune
from realm_guild_skills import with_echo


@pytest.fixture
def realm(realm: Realm) -> Realm:
    """A realm with small quests."""
    tune(realm, forge={"samples": {1: 100}, "replay": 0.3, "ahead": {}})
    write_rows(realm.path(realm.config.training.held_out), rows(3))
    return realm


def bin_of(realm: Realm, **forge_settings: object) -> GuildSkill:
    entry = open_skill(realm, Manager.of(realm), "bin")
    forge_config = msgspec.structs.replace(entry.config.forge, **forge_settings)
    return msgspec.structs.replace(entry, config=msgspec.structs.replace(entry.config, forge=forge_config))


def add(realm: Realm, path: Path, count: int = 3, start: int = 0, priority: str = "normal") -> QuestRecord:
    """A user's own quest."""
    (record,) = add_files(realm, Manager.of(realm), [write_rows(path, rows(count, start))], priority=priority)
    return record


def master(battle: FakeBattle, first_step: int = 1) -> None:
    """Three checkpoints at which everything is answered."""
    for step in range(first_step, first_step + 3):
        battle.stands_at(step)


# -- rows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [1, 3, 6])
def test_two_realms_forge_the_same_bytes(realm: Realm, tmp_path: Path, level: int) -> None:
    other = Realm(tmp_path / "elsewhere")
    (other.root / "configs").mkdir(parents=True)
    other.skills.symlink_to(realm.skills)
    once = to_jsonl(curriculum.rows_of(bin_of(realm), HERO, level, 7))
    assert once == to_jsonl(curriculum.rows_of(open_skill(other, Manager.load(), "bin"), HERO, level, 7))


def test_hero_level_and_counter_each_give_another_quest(realm: Realm) -> None:
    entry = bin_of(realm)
    quests = [(HERO, 3, 7), ("other", 3, 7), (HERO, 4, 7), (HERO, 3, 8)]
    assert len({to_jsonl(curriculum.rows_of(entry, *quest)) for quest in quests}) == 4


@pytest.mark.parametrize(
    ("level", "replay", "ahead", "own", "below", "above"),
    [
        (1, 0.3, 0.0, 200, 0, 0),
        (1, 0.3, 0.1, 180, 0, 20),
        (4, 0.3, 0.0, 140, 60, 0),
        (4, 0.25, 0.1, 130, 50, 20),
        (6, 0.0, 0.0, 200, 0, 0),
        (29, 0.3, 0.2, 100, 60, 40),
        (30, 0.3, 0.2, 140, 60, 0),
    ],
)
def test_the_shares_of_replay_and_ahead_are_exact(
    realm: Realm, level: int, replay: float, ahead: float, own: int, below: int, above: int
) -> None:
    entry = bin_of(realm, samples={1: 200}, replay=replay, ahead={1: ahead})
    made = [row["level"] for row in curriculum.rows_of(entry, HERO, level, 1)]
    assert (len(made), made.count(level)) == (200, own)
    assert sum(one < level for one in made) == below
    assert sum(level < one <= level + 2 for one in made) == sum(one > level for one in made) == above
    assert max(made) <= 30
    assert made.count(level + 1) >= made.count(level + 2)


def test_rows_from_above_come_from_their_level_on(realm: Realm) -> None:
    entry = bin_of(realm, ahead={3: 0.4, 5: 0.1})
    shares = {
        level: sum(row["level"] > level for row in curriculum.rows_of(entry, HERO, level, 1)) for level in range(1, 8)
    }
    assert shares == {1: 0, 2: 0, 3: 40, 4: 40, 5: 10, 6: 10, 7: 10}


def test_rows_are_mixed_and_higher_levels_come_again_more_often(realm: Realm) -> None:
    made = [row["level"] for row in curriculum.rows_of(bin_of(realm, samples={1: 4000}), HERO, 4, 1)]
    assert set(made[:100]) == set(made[-100:]) == {1, 2, 3, 4}
    counts = Counter(made)
    assert counts[1] < counts[2] < counts[3] < counts[4]


@pytest.mark.parametrize("counter", [1, 2])
def test_evals_of_open_levels_are_never_trained(realm: Realm, counter: int) -> None:
    entry = bin_of(realm, samples={1: 2000}, ahead={1: 0.2})
    made = curriculum.rows_of(entry, HERO, 7, counter)
    sides = {split_of("bin", row["problem_key"]) for row in made if not is_closed(entry.skill, row["level"])}
    assert {row["level"] for row in made} == set(range(1, 10))
    assert sides == {"train"}


def test_a_whole_table_is_trained_at_closed_levels(realm: Realm) -> None:
    entry = bin_of(realm, samples={1: 3000})
    assert len({row["problem_key"] for row in curriculum.rows_of(entry, HERO, 1, 1)}) == entry.skill.space(1)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_tiny_quests_have_the_rows_they_should(realm: Realm, count: int) -> None:
    entry = bin_of(realm, samples={1: count}, replay=0.5, ahead={1: 0.49})
    assert len(curriculum.rows_of(entry, HERO, 3, 1)) == count


# -- when ----------------------------------------------------------------------------------------------------------


def test_an_empty_board_gets_the_next_quest(realm: Realm) -> None:
    battle = FakeBattle(realm)
    assert battle.callback.on_empty_board(battle)
    (file,) = Board(realm).files("normal")
    record = Board(realm).record(file.id)
    assert (record.name, record.samples, record.skill, record.level) == ("train_bin_level1_no1.jsonl", 100, "bin", 1)
    assert record.source == f"forge hero {HERO} bin level 1 counter 1"
    assert file.path.read_bytes() == to_jsonl(curriculum.rows_of(bin_of(realm), HERO, 1, 1))
    state = skillstate.read(realm, HERO, "bin")
    assert state is not None
    assert (state.forged, state.forged_level) == (1, 1)
    assert battle.callback.on_empty_board(battle)
    assert [file.name for file in Board(realm).files("normal")][1:] == ["train_bin_level1_no2.jsonl"]


def test_the_quest_is_for_the_level_in_training(realm: Realm) -> None:
    battle = FakeBattle(realm)
    master(battle)
    battle.callback.on_empty_board(battle)
    (file,) = Board(realm).files("normal")
    assert file.name == "train_bin_level2_no1.jsonl"
    levels = Counter(json.loads(line)["level"] for line in file.path.read_text("utf-8").splitlines())
    assert levels == {1: 30, 2: 70}
    made = Board(realm).record(file.id).provenance
    assert (made["generator"], made["split"], made["closed"]) == ("curriculum", "train", True)
    asked = {name: made["parameters"][name] for name in ("hero", "skill", "level", "counter", "replay")}
    assert asked == {"hero": HERO, "skill": "bin", "level": 2, "counter": 1, "replay": False}
    assert made["parameters"]["forge"]["replay"] == 0.3
    assert (made["counts"]["rows"], made["counts"]["levels"]) == (100, {"1": 30, "2": 70})


def test_a_user_s_quest_in_low_comes_first(realm: Realm, tmp_path: Path) -> None:
    add(realm, tmp_path / "mine.jsonl", priority="low")
    battle = FakeBattle(realm)
    assert not battle.callback.on_empty_board(battle)
    assert Board(realm).files("normal") == []
    assert skillstate.read(realm, HERO, "bin") is None


def test_what_a_person_forged_for_low_comes_first_whatever_its_level(realm: Realm) -> None:
    battle = FakeBattle(realm)
    master(battle)
    forge(realm, battle.manager, bin_of(realm).skill, 1, 50, 3, "low")
    assert not battle.callback.on_empty_board(battle)


def test_stale_quests_in_low_hold_nothing_up(realm: Realm) -> None:
    battle = FakeBattle(realm)
    battle.callback.on_empty_board(battle)
    master(battle)
    assert len(Board(realm).files("low")) == 1
    assert battle.callback.on_empty_board(battle)
    assert [file.name for file in Board(realm).files("normal")] == ["train_bin_level2_no2.jsonl"]


def test_skills_take_turns_and_locked_ones_wait(realm: Realm) -> None:
    manager = with_echo(realm, extra="unlock: {bin: 1}\n")
    battle = FakeBattle(realm, manager)
    for _ in range(2):
        battle.callback.on_empty_board(battle)
    assert {file.name for file in Board(realm).files("normal")} == {
        "train_bin_level1_no1.jsonl", "train_bin_level1_no2.jsonl",
    }  # fmt: skip
    assert skillstate.met(realm, HERO) == ["bin"]
    master(battle)
    for _ in range(4):
        battle.callback.on_empty_board(battle)
    names = [file.name for file in Board(realm).files("normal")]
    assert Counter(name.split("_")[1] for name in names) == {"echo": 2, "bin": 2}


def test_only_the_skills_that_the_realm_names_are_forged(realm: Realm) -> None:
    set_yaml(realm.config_file, "skills: {}", "skills: [echo]")
    realm = Realm(realm.root)
    battle = FakeBattle(realm, with_echo(realm))
    for _ in range(2):
        battle.callback.on_empty_board(battle)
    assert {file.name.split("_")[1] for file in Board(realm).files("normal")} == {"echo"}


def test_without_a_skill_nothing_is_forged_and_that_is_said(realm: Realm) -> None:
    set_yaml(realm.config_file, "skills: {}", "skills: [nobody]")
    battle = FakeBattle(Realm(realm.root))
    assert not battle.callback.on_empty_board(battle)
    assert "no skill can be forged" in battle.explained


# -- stale quests --------------------------------------------------------------------------------------------------


def test_a_mastered_level_s_quests_go_to_low_visibly(realm: Realm, tmp_path: Path) -> None:
    battle = FakeBattle(realm)
    for _ in range(2):
        battle.callback.on_empty_board(battle)
    mine = add(realm, tmp_path / "mine.jsonl")
    by_hand = forge(realm, battle.manager, bin_of(realm).skill, 1, 50, 3)
    foreign = write_rows(tmp_path / "foreign.jsonl", rows(2, 50))
    (of_other,) = add_files(realm, battle.manager, [foreign], source="forge hero other bin level 1 counter 1")
    for step in (1, 2):
        battle.stands_at(step)
    assert Board(realm).files("low") == []
    assert events(realm, "quest_moved") == []
    battle.stands_at(3)
    low = Board(realm).files("low")
    assert [file.name for file in low] == ["train_bin_level1_no1.jsonl", "train_bin_level1_no2.jsonl"]
    assert [file.id for file in Board(realm).files("normal")] == [mine.id, by_hand.id, of_other.id]
    moved = events(realm, "quest_moved")
    assert [(facts["quest"], facts["priority"], facts["reason"]) for facts in moved] == [
        (file.id, "low", "bin level 1 is mastered") for file in low
    ]
    assert {Board(realm).record(file.id).priority for file in low} == {"low"}


def test_a_quest_with_replay_goes_to_low_for_its_own_level(realm: Realm) -> None:
    battle = FakeBattle(realm)
    master(battle)
    battle.callback.on_empty_board(battle)
    master(battle, 4)
    assert [facts["reason"] for facts in events(realm, "quest_moved")] == ["bin level 2 is mastered"]


def test_a_quest_of_a_later_level_is_not_stale_though_it_replays(realm: Realm) -> None:
    battle = FakeBattle(realm)
    master(battle)
    battle.callback.on_empty_board(battle)
    FakeBattle(realm).stands_at(3)
    assert [file.name for file in Board(realm).files("normal")] == ["train_bin_level2_no1.jsonl"]
    assert events(realm, "quest_moved") == []


class Canceller:
    """A listener that cancels all that waits as soon as one quest was moved, as a person might in that moment."""

    @hookimpl
    def realm_event(self, realm: Realm, event: EventRecord) -> None:
        if event.name == "quest_moved":
            board = Board(realm)
            for file in board.files("normal"):
                board.cancel(file.id, "not wanted")


def test_a_person_who_is_faster_than_the_guild_stops_nothing(realm: Realm) -> None:
    battle = FakeBattle(realm)
    for _ in range(3):
        battle.callback.on_empty_board(battle)
    battle.manager.hooks.register(Canceller(), name="canceller")
    master(battle)
    assert len(events(realm, "quest_moved")) == 1
    assert Board(realm).counts()["failed"] == 2
    assert [entry["step"] for entry in entries(realm, "champion")] == [3]


# -- kills ---------------------------------------------------------------------------------------------------------


def forged(realm: Realm) -> list[tuple[str, str]]:
    board = Board(realm)
    return [(file.name, board.record(file.id).sha256) for file in board.files("normal")]


def test_a_forge_that_was_counted_but_not_queued_is_made_up_for_once(realm: Realm) -> None:
    battle = FakeBattle(realm)
    battle.callback.on_empty_board(battle)
    (expected,) = forged(realm)
    (file,) = Board(realm).files("normal")
    file.path.unlink()
    Board(realm).record_path(file.id).unlink()
    again = FakeBattle(realm)
    assert again.callback.on_empty_board(again)
    assert forged(realm) == [expected]
    for number in (2, 3):
        other = FakeBattle(realm)
        assert other.callback.on_empty_board(other)
        assert [name for name, _ in forged(realm)][-1] == f"train_bin_level1_no{number}.jsonl"
    assert len(forged(realm)) == 3


@pytest.mark.parametrize("state", ["recently_completed", "failed", "processing", "low"])
def test_a_quest_that_has_moved_on_is_not_missing(realm: Realm, state: str) -> None:
    battle = FakeBattle(realm)
    battle.callback.on_empty_board(battle)
    board = Board(realm)
    if state == "failed":
        board.cancel(board.files("normal")[0].id, "not wanted")
    elif state == "low":
        board.change_priority(board.files("normal")[0].id, "low")
    else:
        file = board.claim()
        assert file is not None
        board.update(file.id, attempts=1)
        if state == "recently_completed":
            board.end(file, "completed", "", hero=HERO)
            board.trim_completed(0)
    again = FakeBattle(realm)
    if state == "low":
        master(again)
    again.callback.on_empty_board(again)
    assert [name.split("_")[3] for name, _ in forged(realm)] == ["no2.jsonl"]


def test_a_change_of_the_yaml_makes_no_quest_twice(realm: Realm) -> None:
    battle = FakeBattle(realm)
    battle.callback.on_empty_board(battle)
    tune(realm, forge={"samples": {1: 50}})
    again = FakeBattle(realm)
    again.callback.on_empty_board(again)
    assert [name for name, _ in forged(realm)] == ["train_bin_level1_no1.jsonl", "train_bin_level1_no2.jsonl"]


def test_the_counter_never_goes_back(realm: Realm) -> None:
    battle = FakeBattle(realm)
    for _ in range(3):
        battle.callback.on_empty_board(battle)
    standing.change(realm, HERO, "bin", level=2)
    battle.callback.on_empty_board(battle)
    assert [name for name, _ in forged(realm)][-1] == "train_bin_level2_no4.jsonl"
    state = store.read_record(skillstate.state_path(realm, HERO, "bin"), type(standing.meet(realm, HERO, "bin")))
    assert (state.forged, state.forged_level) == (4, 2)
