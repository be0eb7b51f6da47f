"""Levels: driven through the battle's callback with heroes whose ability is known."""

from __future__ import annotations

import random

import msgspec
import pytest

from helpers import Run
from realm_cli import skillstate, store
from realm_cli.errors import FormatError, RefusedError, UsageError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import JournalRecord
from realm_cli.skill_records import Mastery, SkillState
from realm_cli.skillbook import open_skill
from realm_guild import requests, standing
from realm_guild_heroes import (
    HERO,
    FakeBattle,
    checkpoint,
    entries,
    events,
    first,
    nothing,
    set_yaml,
    story,
    tune,
)


@pytest.fixture
def battle(realm: Realm) -> FakeBattle:
    return FakeBattle(realm)


def state_of(realm: Realm, skill: str = "bin") -> SkillState:
    found = skillstate.read(realm, HERO, skill)
    assert found is not None
    return found


def level_of(realm: Realm, skill: str = "bin") -> int:
    return state_of(realm, skill).level


def climb(battle: FakeBattle, steps: range) -> list[int]:
    """The level in training after each checkpoint."""
    levels = []
    for step in steps:
        battle.stands_at(step)
        levels.append(level_of(battle.realm))
    return levels


# -- climbing ------------------------------------------------------------------------------------------------------


def test_a_perfect_hero_climbs_level_by_level(realm: Realm, battle: FakeBattle) -> None:
    levels = climb(battle, range(10, 110, 10))
    assert levels[:3] == [1, 1, 2]
    assert all(after - before in (0, 1) for before, after in zip(levels, levels[1:], strict=False))
    state = state_of(realm)
    assert state.mastered_levels == list(range(1, levels[-1]))
    ok = {(line.step, line.level) for line in skillstate.lines(realm, HERO, "bin") if line.correct == line.size}
    for mastery in state.mastered:
        assert len(set(mastery.steps)) == 3
        assert all((step, mastery.level) in ok for step in mastery.steps)
        assert mastery.step == mastery.steps[-1]
        assert mastery.checkpoint == f"checkpoint-{mastery.step}-20260101-0000"
        assert (mastery.accuracy, mastery.interval) == (1.0, skillstate.wilson(150, 150))
    told = [(entry["facts"]["level"], entry["step"]) for entry in entries(realm, "skill_level")]
    assert told == [(mastery.level, mastery.step) for mastery in state.mastered]
    assert [(facts["level"], facts["step"]) for facts in events(realm, "skill_level_up")] == told
    assert requests.pending(realm) == []


def test_the_last_eval_is_shown_with_a_right_and_a_wrong_answer(battle: FakeBattle) -> None:
    battle.stands_at(10, first(20))
    (view,) = battle.views
    assert (view.skill, view.level, view.step, view.correct, view.size, view.closed) == ("bin", 1, 10, 20, 50, True)
    assert view.right is not None
    assert view.wrong is not None
    assert view.right.answer == view.right.golden
    assert (view.wrong.answer, view.wrong.prompt != view.right.prompt) == ("no idea", True)
    battle.stands_at(20, nothing)
    assert battle.views[-1].right is None


@pytest.mark.parametrize("rights", [(40, 40, 39), (39, 39, 39), (50, 50, 19), (50, 49, 20)])
def test_less_than_80_percent_never_passes(realm: Realm, battle: FakeBattle, rights: tuple[int, ...]) -> None:
    for number, right in enumerate(rights * 3, start=1):
        battle.stands_at(number, first(right if number % 3 else min(rights)))
    assert level_of(realm) == 1
    assert entries(realm, "skill_level") == events(realm, "skill_level_up") == []


@pytest.mark.parametrize("rights", [(40, 40, 40), (50, 50, 20), (30, 45, 45)])
def test_exactly_80_percent_passes(realm: Realm, battle: FakeBattle, rights: tuple[int, ...]) -> None:
    for step, right in enumerate(rights, start=1):
        assert skillstate.read(realm, HERO, "bin") is None or level_of(realm) == 1
        battle.stands_at(step, first(right))
    assert level_of(realm) == 2
    (mastery,) = state_of(realm).mastered
    assert (mastery.accuracy, mastery.interval, mastery.steps) == (0.8, skillstate.wilson(120, 150), [1, 2, 3])


def test_evals_on_one_checkpoint_count_once(realm: Realm, battle: FakeBattle) -> None:
    for _ in range(5):
        battle.stands_at(10)
        requests.ask(realm, HERO, 10, "bin", 1, "request")
        battle.callback = type(battle.callback)()
    assert level_of(realm) == 1
    assert battle.asked == [(10, "bin", 1)]
    assert len(skillstate.lines(realm, HERO, "bin")) == 1


def test_a_hero_of_60_percent_does_not_rise(realm: Realm, battle: FakeBattle) -> None:
    rng = random.Random(60)
    for step in range(1, 31):
        battle.stands_at(step, lambda skill, level, item: rng.random() < 0.6)
    assert level_of(realm) == 1


def test_evals_that_do_not_count_do_not_lift(realm: Realm, battle: FakeBattle) -> None:
    for step in (1, 2, 3):
        battle.stands_at(step)
        if step == 1:
            path = skillstate.lines_path(realm, HERO, "bin")
            (line,) = skillstate.lines(realm, HERO, "bin")
            store.append_line(path, msgspec.structs.replace(line, state="invalid").to_dict())
    assert level_of(realm) == 1
    battle.stands_at(4)
    assert level_of(realm) == 2


def test_the_set_made_anew_begins_the_count_anew(realm: Realm) -> None:
    battle = FakeBattle(realm)
    for step in (1, 2):
        battle.stands_at(step)
    tune(realm, eval={"size": 20})
    battle = FakeBattle(Realm(realm.root))
    battle.stands_at(3)
    battle.stands_at(4)
    assert level_of(realm) == 1
    battle.stands_at(5)
    assert state_of(realm).mastered[0].steps == [3, 4, 5]


def test_a_step_that_was_saved_again_with_other_weights_is_examined_again(realm: Realm, battle: FakeBattle) -> None:
    climb(battle, range(1, 3))
    checkpoint(realm, 2, weights_sha256="f" * 64, canonical_name="checkpoint-2-20260101-0007")
    battle.stands_at(2, nothing)
    assert skillstate.lines(realm, HERO, "bin")[-1].correct == 0
    battle.stands_at(3, first(50))
    assert level_of(realm) == 1


# -- the highest level ---------------------------------------------------------------------------------------------


def test_the_highest_level_does_not_rise_further(realm: Realm) -> None:
    set_yaml(realm.skills / "bin.yaml", "max_level: 30", "max_level: 2")
    battle = FakeBattle(realm)
    climb(battle, range(1, 15))
    assert (level_of(realm), state_of(realm).mastered_levels) == (2, [1, 2])
    assert {level for _, _, level in battle.asked} == {1, 2}
    assert len(entries(realm, "skill_level")) == len(events(realm, "skill_level_up")) == 2


def test_a_max_level_that_is_raised_lets_the_hero_go_on(realm: Realm) -> None:
    set_yaml(realm.skills / "bin.yaml", "max_level: 30", "max_level: 1")
    climb(FakeBattle(realm), range(1, 5))
    assert (level_of(realm), state_of(realm).mastered_levels) == (1, [1])
    set_yaml(realm.skills / "bin.yaml", "max_level: 1", "max_level: 3")
    climb(FakeBattle(Realm(realm.root)), range(5, 12))
    assert state_of(realm).mastered_levels[:2] == [1, 2]


# -- forgetting and relearning -------------------------------------------------------------------------------------


def test_levels_never_fall_by_themselves(realm: Realm, battle: FakeBattle) -> None:
    climb(battle, range(1, 4))
    for step in range(4, 10):
        battle.stands_at(step, nothing)
    assert (level_of(realm), state_of(realm).mastered_levels) == (2, [1])


def test_a_hero_that_forgets_is_caught(realm: Realm, battle: FakeBattle) -> None:
    climb(battle, range(1, 4))
    assert events(realm, "skill_regressed") == []
    battle.stands_at(4, lambda skill, level, item: level == 2 or item < 10)
    (event,) = events(realm, "skill_regressed")
    assert event == {"hero": HERO, "step": 4, "skill": "bin", "level": 1, "accuracy": 0.2}


def test_mastered_levels_are_examined_by_turns(realm: Realm, battle: FakeBattle) -> None:
    climb(battle, range(1, 10))
    high = level_of(realm)
    for step in range(10, 10 + high - 1):
        battle.stands_at(step, lambda skill, level, item: level < high)
    again = [level for step, _, level in battle.asked if step >= 10 and level < high]
    assert sorted(again) == list(range(1, high))


def test_relearning_goes_back_and_counts_later_evals_only(realm: Realm, battle: FakeBattle, run: Run) -> None:
    climb(battle, range(1, 8))
    assert level_of(realm) >= 3
    ran = run("skill", "relearn", "bin", "--level", "1")
    assert (ran.code, "evals from step 8 on count" in ran.out) == (0, True)
    state = state_of(realm)
    assert (state.level, state.mastered, state.counts_from) == (1, [], 8)
    (entry,) = entries(realm, "relearn")
    assert entry["facts"]["level"] == 1
    assert [facts["level"] for facts in events(realm, "skill_relearned")] == [1]
    assert climb(battle, range(7, 8)) == [1]
    assert climb(battle, range(8, 10)) == [1, 1]
    assert climb(battle, range(10, 11)) == [3]  # level 2 was examined ahead, at the same three checkpoints
    assert state_of(realm).mastered[0].steps == [8, 9, 10]


def test_only_a_mastered_level_can_be_relearned(realm: Realm, battle: FakeBattle, run: Run) -> None:
    climb(battle, range(1, 4))
    before = state_of(realm)
    refused = run("skill", "relearn", "bin", "--level", "2")
    assert refused.code == 3
    assert "trains level 2" in refused.err
    assert run("skill", "relearn", "bin", "--level", "31").code == 2
    assert state_of(realm) == before
    entry = open_skill(realm, battle.manager, "bin")
    with pytest.raises(RefusedError):
        standing.relearn(realm, battle.manager, entry, "other", 1, 5)
    assert skillstate.met(realm, "other") == []
    with pytest.raises(UsageError):
        standing.relearn(realm, battle.manager, entry, HERO, 0, 5)


def test_levels_belong_to_the_hero(realm: Realm, battle: FakeBattle) -> None:
    climb(battle, range(1, 4))
    assert skillstate.read(realm, "other", "bin") is None
    assert standing.meet(realm, "other", "bin").level == 1
    assert level_of(realm) == 2


# -- unlocking and goals -------------------------------------------------------------------------------------------


def test_a_skill_is_locked_until_the_other_is_mastered(realm: Realm, battle: FakeBattle) -> None:
    unlock = {"bin": 2, "sy": 1}
    assert skillstate.locked_by(realm, HERO, {}) == {}
    assert skillstate.locked_by(realm, HERO, unlock) == unlock
    climb(battle, range(1, 4))
    assert state_of(realm).mastered_levels == [1]
    assert skillstate.locked_by(realm, HERO, {"bin": 2}) == {"bin": 2}
    climb(battle, range(4, 6))
    assert state_of(realm).mastered_levels[:2] == [1, 2]
    assert skillstate.locked_by(realm, HERO, unlock) == {"sy": 1}
    assert skillstate.locked_by(realm, "other", {"bin": 1}) == {"bin": 1}


def test_a_locked_skill_is_not_listed_and_not_forged(realm: Realm, battle: FakeBattle, run: Run) -> None:
    set_yaml(realm.skills / "bin.yaml", "plugin: bin", "plugin: bin\nunlock: {sy: 1}")
    listed = run("skill", "list")
    assert "Binary Alchemy" not in listed.out
    assert "skill 'bin' shows once sy level 1 is mastered" in listed.err
    assert run("skill", "list", "--json").json[0]["locked_by"] == {"sy": 1}
    assert not battle.callback.on_empty_board(battle)
    assert "no skill can be forged" in battle.explained


def test_the_goal_ends_the_battle_when_all_of_it_is_reached(realm: Realm) -> None:
    battle = FakeBattle(realm, bin=2)
    climb(battle, range(1, 3))
    assert battle.ended == ""
    climb(battle, range(3, 4))
    assert battle.ended == "the goal is reached: bin is at level 2"
    both = FakeBattle(realm, bin=2, sy=2)
    both.stands_at(4)
    assert both.ended == ""


# -- kills ---------------------------------------------------------------------------------------------------------


def undone_telling(realm: Realm, journal_too: bool) -> None:
    """The disk as a kill between the standing and the journal, or between the journal and the event, leaves it."""
    for path, word in ((realm.events, b"skill_level_up"), (realm.journal, b'"skill_level"')):
        if path != realm.journal or journal_too:
            path.write_bytes(b"".join(line for line in path.read_bytes().splitlines(True) if word not in line))


@pytest.mark.parametrize("journal_too", [True, False], ids=["standing alone", "standing and journal"])
def test_a_rise_that_a_kill_kept_quiet_is_told_once(realm: Realm, battle: FakeBattle, journal_too: bool) -> None:
    climb(battle, range(1, 4))
    before, moment = story(realm), entries(realm, "skill_level")[0]["time"]
    undone_telling(realm, journal_too)
    for _ in range(3):
        FakeBattle(realm).stands_at(3)
        assert [entry["time"] for entry in entries(realm, "skill_level")] == [moment]
        assert len(events(realm, "skill_level_up")) == 1
    after = story(realm)
    assert sorted(map(str, after.pop("journal"))) == sorted(map(str, before.pop("journal")))
    assert after == before


def test_a_rise_is_not_told_again_at_later_checkpoints(realm: Realm, battle: FakeBattle) -> None:
    climb(battle, range(1, 4))
    for step in range(4, 7):
        FakeBattle(realm).stands_at(step, nothing)
    assert len(entries(realm, "skill_level")) == len(events(realm, "skill_level_up")) == 1


def test_the_same_level_mastered_again_after_relearning_is_news(realm: Realm, battle: FakeBattle) -> None:
    climb(battle, range(1, 4))
    standing.relearn(realm, battle.manager, open_skill(realm, battle.manager, "bin"), HERO, 1, 3)
    climb(battle, range(4, 7))
    told = [(entry["facts"]["level"], entry["step"]) for entry in entries(realm, "skill_level")]
    assert told == [(1, 3), (1, 6), (2, 6)]
    assert [(facts["level"], facts["step"]) for facts in events(realm, "skill_level_up")] == told


def test_an_outage_at_a_checkpoint_is_made_up_for(realm: Realm, battle: FakeBattle) -> None:
    climb(battle, range(1, 3))
    battle.fault = RuntimeError("the device is gone")
    with pytest.raises(RuntimeError):
        battle.stands_at(3)
    assert [(request.step, request.level) for _, request in requests.pending(realm)] == [(3, 1), (3, 2)]
    assert level_of(realm) == 1
    later = FakeBattle(realm)
    later.stands_at(3)
    assert level_of(realm) == 2
    assert requests.pending(realm) == []


def test_a_damaged_standing_is_an_error_and_stays(realm: Realm, battle: FakeBattle) -> None:
    climb(battle, range(1, 2))
    path = skillstate.state_path(realm, HERO, "bin")
    path.write_text("{torn")
    with pytest.raises(FormatError, match=r"bin\.json"):
        battle.stands_at(2)
    assert path.read_text() == "{torn"


def test_a_change_keeps_the_other_fields(realm: Realm) -> None:
    mastery = Mastery(
        level=1, step=3, checkpoint="checkpoint-3-20260101-0000", accuracy=1.0, interval=(0.9, 1.0), steps=[1, 2, 3],
        at="2026-01-01T00:00:00.000+00:00",
    )  # fmt: skip
    standing.change(realm, HERO, "bin", level=2, mastered=[mastery], forged=4)
    standing.change(realm, HERO, "bin", reviews=9)
    assert state_of(realm) == SkillState(hero=HERO, skill="bin", level=2, mastered=[mastery], forged=4, reviews=9)
    standing.tell(realm, Manager.of(realm), HERO, "bin", mastery)
    (entry,) = entries(realm, "skill_level")
    assert JournalRecord.from_dict(entry, "here").facts["interval"] == [0.9, 1.0]


def test_history_shows_every_eval_and_when_a_level_was_mastered(realm: Realm, battle: FakeBattle, run: Run) -> None:
    climb(battle, range(1, 5))
    rows = run("skill", "history", "bin", "--json").json
    assert [(row["step"], row["level"]) for row in rows] == [
        (line.step, line.level) for line in skillstate.lines(realm, HERO, "bin")
    ]
    assert [(row["step"], row["level"]) for row in rows if row["mastered"]] == [
        (mastery.step, mastery.level) for mastery in state_of(realm).mastered
    ]
    shown = run("skill", "history", "binary")
    assert "mastered at step 3" in shown.out
    assert "closed" in shown.out
    assert "level 1, evals: 4, mastered at 80%" in run("skill", "history", "bin", "--level", "1").out
    assert run("skill", "history", "bin", "--level", "9").code == 4
