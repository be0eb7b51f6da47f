"""The champion: crowned at level-ups, never with a loss, never over a person's choice; overrides are on record."""

from __future__ import annotations

import pytest

from helpers import Run
from realm_arena import retention
from realm_cli import champions, skillstate, store
from realm_cli.errors import FormatError
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skill_records import ChampionRecord
from realm_cli.skillbook import open_skill
from realm_guild import evaluating, requests
from realm_guild_heroes import (
    HERO,
    FakeBattle,
    FakeHero,
    Knows,
    checkpoint,
    entries,
    events,
    everything,
    first,
    tune,
    weights_of,
)
from realm_guild_skills import with_echo


@pytest.fixture
def battle(realm: Realm) -> FakeBattle:
    """A hero that mastered level 1 at step 3 and was crowned there."""
    made = FakeBattle(realm)
    for step in (1, 2, 3):
        made.stands_at(step)
    return made


def examine(realm: Realm, step: int, level: int = 1, knows: Knows = everything) -> None:
    """Examine a checkpoint as `realm skill eval` would."""
    manager = Manager.of(realm)
    requests.ask(realm, HERO, step, "bin", level, "request")
    entries_of = {"bin": open_skill(realm, manager, "bin")}
    weights = Ledger(realm, HERO).get(step).weights_sha256
    evaluating.make_pending(realm, manager, entries_of, FakeHero(realm, step, knows, weights), lambda doing: None)


def test_before_the_first_level_up_there_is_none(realm: Realm, run: Run) -> None:
    battle = FakeBattle(realm)
    battle.stands_at(1)
    assert champions.read(realm, HERO) is None
    assert run("champion", "show").code == 4
    empty = run("champion", "promote", "5")
    assert empty.code == 4


def test_without_a_checkpoint_nobody_can_be_promoted(run: Run) -> None:
    ran = run("champion", "promote")
    assert ran.code == 4
    assert "no checkpoint that could be champion" in ran.err


def test_a_level_up_crowns_the_checkpoint(realm: Realm, battle: FakeBattle, run: Run) -> None:
    champion = champions.read(realm, HERO)
    assert champion is not None
    assert (champion.step, champion.by, champion.override, champion.weights_sha256) == (3, "guild", "", weights_of(3))
    assert champion.evals["bin"]["1"] == 1.0
    (entry,) = entries(realm, "champion")
    assert (entry["step"], entry["time"], entry["facts"]["by"]) == (3, champion.promoted_at, "guild")
    assert [facts["step"] for facts in events(realm, "new_champion")] == [3]
    shown = run("champion", "show", "--json").json
    assert (shown["step"], shown["checkpoint"]) == (3, "checkpoint-3-20260101-0000")
    assert "bin level 1: 100%" in run("champion", "show").out


def test_checkpoints_without_a_level_up_are_not_crowned(realm: Realm, battle: FakeBattle) -> None:
    for step in (4, 5):
        battle.stands_at(step, lambda skill, level, item: level == 1)
    assert [entry["step"] for entry in entries(realm, "champion")] == [3]


def test_a_level_up_that_cost_a_mastered_level_crowns_nobody(realm: Realm, battle: FakeBattle) -> None:
    for step in (4, 5, 6):
        battle.stands_at(step, lambda skill, level, item: level > 1 or item < 30)
    state = skillstate.read(realm, HERO, "bin")
    assert state is not None
    assert 2 in state.mastered_levels
    assert [entry["step"] for entry in entries(realm, "champion")] == [3]
    assert {(facts["level"], facts["accuracy"]) for facts in events(realm, "skill_regressed")} == {(1, 0.6)}


def test_every_mastered_level_is_examined_before_the_crown(realm: Realm, battle: FakeBattle) -> None:
    for step in range(4, 11):
        battle.stands_at(step)
    for champion in entries(realm, "champion"):
        mastered = [
            entry["facts"]["level"] for entry in entries(realm, "skill_level") if entry["step"] <= champion["step"]
        ]
        asked = {level for step, _, level in battle.asked if step == champion["step"]}
        assert set(mastered) <= asked


def test_in_two_skills_every_mastered_level_is_examined_before_the_crown(realm: Realm) -> None:
    battle = FakeBattle(realm, with_echo(realm, max_level=1))
    for step in (1, 2, 3):
        battle.stands_at(step, skill_name="echo")
    for step in (4, 5, 6):
        battle.stands_at(step)
    assert {(entry["facts"]["skill"], entry["facts"]["level"], entry["step"]) for entry in entries(realm, "skill_level")} >= {
        ("echo", 1, 3), ("bin", 1, 6),
    }  # fmt: skip
    champion = champions.read(realm, HERO)
    assert champion is not None
    assert champion.step == 6
    assert {"bin", "echo"} == set(champion.evals)


def test_a_checkpoint_that_lost_a_level_is_refused(realm: Realm, battle: FakeBattle, run: Run) -> None:
    checkpoint(realm, 4)
    examine(realm, 4, knows=first(30))
    before = champions.read(realm, HERO)
    for words in ((), ("4",), ("checkpoint-4-20260101-0000",)):
        ran = run("champion", "promote", *words)
        assert ran.code == 3
        assert "it lost bin level 1: 60%" in ran.err
        assert "--override" in ran.err
    assert champions.read(realm, HERO) == before
    assert [entry["step"] for entry in entries(realm, "champion")] == [3]


def test_a_checkpoint_that_nobody_examined_is_refused(realm: Realm, battle: FakeBattle, run: Run) -> None:
    checkpoint(realm, 4)
    ran = run("champion", "promote", "4")
    assert ran.code == 3
    assert "bin level 1 was not examined on it" in ran.err
    assert "realm skill eval" in ran.err


def test_a_result_of_other_weights_examines_nothing(realm: Realm, battle: FakeBattle, run: Run) -> None:
    checkpoint(realm, 4)
    examine(realm, 4)
    checkpoint(realm, 4, weights_sha256="f" * 64, canonical_name="checkpoint-4-20260101-0100")
    ran = run("champion", "promote", "4")
    assert ran.code == 3
    assert "was not examined on it" in ran.err


def test_an_override_needs_a_reason_and_keeps_it(realm: Realm, battle: FakeBattle, run: Run) -> None:
    checkpoint(realm, 4)
    examine(realm, 4, knows=first(30))
    assert run("champion", "promote", "4", "--override", "   ").code == 3
    assert run("champion", "promote", "4", "--override").code == 2
    ran = run("champion", "promote", "4", "--override", "the demo needs it", "--json")
    assert ran.code == 0
    champion = champions.read(realm, HERO)
    assert champion is not None
    assert ran.json["override"] == champion.override == "the demo needs it"
    assert champion.refused_for == ["it lost bin level 1: 60%, mastered from 80%"]
    assert champion.by not in ("", "guild")
    entry = entries(realm, "champion")[-1]
    assert (entry["step"], entry["facts"]["override"]) == (4, "the demo needs it")
    assert events(realm, "new_champion")[-1]["override"] == "the demo needs it"
    shown = run("champion", "show").out
    assert "the demo needs it" in shown
    assert "it lost bin level 1" in shown


def test_a_good_checkpoint_is_promoted_by_hand(realm: Realm, battle: FakeBattle, run: Run) -> None:
    checkpoint(realm, 4)
    examine(realm, 4)
    assert run("champion", "promote").code == 0
    champion = champions.read(realm, HERO)
    assert champion is not None
    assert (champion.step, champion.override, champion.refused_for) == (4, "", [])


def test_the_guild_does_not_take_a_person_s_choice_back(realm: Realm, battle: FakeBattle, run: Run) -> None:
    assert run("champion", "promote", "3").code == 0
    chosen = champions.read(realm, HERO)
    assert chosen is not None
    assert chosen.by != "guild"
    for step in (4, 5, 6, 7):
        battle.stands_at(step)
    assert champions.read(realm, HERO) == chosen
    assert len(entries(realm, "skill_level")) > 1


def test_a_checkpoint_that_is_not_here_cannot_lead(realm: Realm, battle: FakeBattle, run: Run) -> None:
    (realm.hero_folder(HERO) / "checkpoint-3-20260101-0000").rmdir()
    ran = run("champion", "promote", "3", "--override", "anyway")
    assert ran.code == 4
    assert "not on this machine" in ran.err


def test_a_mastered_skill_that_cannot_be_examined_here_is_a_flaw(realm: Realm, battle: FakeBattle, run: Run) -> None:
    (realm.skills / "bin.yaml").rename(realm.skills / "bin.yaml.off")
    ran = run("champion", "promote", "3")
    assert ran.code == 3
    assert "bin cannot be examined here" in ran.err


def told_again(realm: Realm, word: bytes, *, journal_too: bool) -> None:
    paths = [realm.events, realm.journal] if journal_too else [realm.events]
    for path in paths:
        path.write_bytes(b"".join(line for line in path.read_bytes().splitlines(True) if word not in line))


@pytest.mark.parametrize("journal_too", [True, False])
def test_a_crown_that_a_kill_kept_quiet_is_told_once(realm: Realm, battle: FakeBattle, journal_too: bool) -> None:
    (moment,) = [entry["time"] for entry in entries(realm, "champion")]
    told_again(realm, b"champion", journal_too=journal_too)
    for _ in range(2):
        FakeBattle(realm).stands_at(3)
        assert [entry["time"] for entry in entries(realm, "champion")] == [moment]
        assert [facts["step"] for facts in events(realm, "new_champion")] == [3]


def test_champion_and_level_ups_outlive_retention(realm: Realm, battle: FakeBattle) -> None:
    for step in range(4, 12):
        battle.stands_at(step, lambda skill, level, item: level == 1, train_loss=0.4 + step, val_loss=None)
    requests.ask(realm, HERO, 5, "bin", 2, "request")
    retention.apply(realm, HERO, 2)
    assert champions.protected_steps(realm, HERO) == {3: "the champion", 5: "an eval is pending"}
    assert sorted(Ledger(realm, HERO).steps()) == [3, 5, 10, 11]
    with requests.claimed(realm, realm.pending_evals / f"{HERO}-5-bin-2.json"):
        assert 5 in champions.protected_steps(realm, HERO)
    assert champions.protected_steps(realm, "dio") == {}


def test_a_damaged_champion_is_an_error_and_nothing_is_guessed(realm: Realm, battle: FakeBattle, run: Run) -> None:
    path = champions.path_of(realm, HERO)
    path.write_text("{torn")
    assert run("champion", "show").code == 1
    with pytest.raises(FormatError):
        champions.read(realm, HERO)
    assert path.read_text() == "{torn"


def test_the_threshold_of_the_yaml_is_the_measure(realm: Realm, battle: FakeBattle, run: Run) -> None:
    checkpoint(realm, 4)
    examine(realm, 4, knows=first(30))
    tune(realm, eval={"threshold": 0.6})
    assert run("champion", "promote", "4").code == 0
    assert store.read_record(champions.path_of(realm, HERO), ChampionRecord).step == 4


def test_the_chronicle_tells_who_was_champion_when_and_why(realm: Realm, battle: FakeBattle, run: Run) -> None:
    assert run("champion", "promote", "2", "--override", "I like it").code == 0
    newest, first = run("champion", "history", "--json").json
    assert (first["step"], first["by"], first["why"]) == (3, "guild", "a level-up")
    assert (newest["step"], newest["until"], first["until"]) == (2, None, newest["since"])
    assert newest["why"].startswith("I like it")
    assert "today" in run("champion", "history").out
