"""While a skill's server is away battles go on with other skills or wait with the reason, and evals stay pending."""

from __future__ import annotations

import pytest

from helpers import BattleProcess, Run, wait_for
from realm_cli import control, skillstate
from realm_cli.errors import SkillAwayError
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_guild import curriculum, outlook, requests, results, standing
from realm_guild.forge import to_jsonl
from realm_guild_heroes import HERO, FakeBattle, first
from realm_http_skill_server import TinyServer, with_double

FORGE = {"samples": {1: 40}}


@pytest.fixture
def only_double(realm: Realm, tiny: TinyServer) -> Realm:
    """A realm whose only skill lives on the tiny server."""
    with_double(realm, tiny.url, forge=FORGE)
    (realm.skills / "bin.yaml").unlink()
    return realm


def sources(realm: Realm) -> list[str]:
    """Where the quests of the board come from, in their order."""
    board = Board(realm)
    return [board.record(file.id).source for file in board.files("normal")]


def test_an_empty_board_waits_with_the_reason_and_no_quest_is_lost(only_double: Realm, tiny: TinyServer) -> None:
    battle = FakeBattle(only_double)
    assert battle.callback.on_empty_board(battle)
    tiny.kill()

    for _ in range(3):
        assert not battle.callback.on_empty_board(battle)
    assert f"the server of skill 'double' at {tiny.url} does not answer" in battle.explained
    tiny.start()

    assert battle.callback.on_empty_board(battle)
    assert battle.callback.on_empty_board(battle)
    assert sources(only_double) == [f"forge hero {HERO} double level 1 counter {n}" for n in (1, 2, 3)]


def test_a_quest_that_an_outage_kept_from_the_board_is_the_same_afterwards(
    only_double: Realm, tiny: TinyServer
) -> None:
    entry = with_double(only_double, tiny.url, forge=FORGE)
    expected = curriculum.rows_of(entry, HERO, 1, 1)
    tiny.has("garbage")
    battle = FakeBattle(only_double)
    assert not battle.callback.on_empty_board(battle)
    assert "what is no answer" in battle.explained
    tiny.has("")

    assert battle.callback.on_empty_board(battle)
    (file,) = Board(only_double).files("normal")
    assert file.path.read_bytes() == to_jsonl(expected)


def test_other_skills_are_forged_meanwhile(realm: Realm, tiny: TinyServer) -> None:
    with_double(realm, tiny.url, forge=FORGE)
    for _ in range(3):
        standing.change(realm, HERO, "bin", forged=standing.meet(realm, HERO, "bin").forged + 1, forged_level=1)
    battle = FakeBattle(realm)
    tiny.kill()

    assert battle.callback.on_empty_board(battle)

    assert [source.split()[3] for source in sources(realm)] == ["bin"]


def test_who_asks_which_skill_is_next_is_told_that_a_server_is_away_until_it_is_back(
    only_double: Realm, tiny: TinyServer
) -> None:
    battle = FakeBattle(only_double)
    assert battle.callback.on_empty_board(battle)
    tiny.kill()
    assert not battle.callback.on_empty_board(battle)

    seen = outlook.glance(only_double)
    assert seen.decision.next is None
    assert "does not answer" in seen.reason_of("double")
    tiny.start()

    assert battle.callback.on_empty_board(battle)
    assert outlook.glance(only_double).reason_of("double") == "the only skill that can be forged"


def test_a_server_that_was_never_met_is_used_once_it_is_there(realm: Realm, tiny: TinyServer) -> None:
    tiny.kill()
    with pytest.raises(SkillAwayError):
        with_double(realm, tiny.url, forge=FORGE)
    (realm.skills / "bin.yaml").unlink()
    battle = FakeBattle(realm)
    assert not battle.callback.on_empty_board(battle)
    tiny.start()

    assert battle.callback.on_empty_board(battle)
    assert len(sources(realm)) == 1


def test_evals_of_a_battle_stay_pending_with_the_reason_until_the_judge_is_back(realm: Realm, tiny: TinyServer) -> None:
    with_double(realm, tiny.url, judge=None, forge=FORGE)
    battle = FakeBattle(realm)
    battle.stands_at(10, first(6), skill_name="double")
    assert results.read(realm, HERO, 10, "double", 1) is not None
    tiny.kill()

    battle.stands_at(20, skill_name="double")

    (waiting,) = [request for _, request in requests.pending(realm)]
    assert (waiting.step, waiting.skill, waiting.level) == (20, "double", 1)
    assert "does not answer" in waiting.reason
    assert results.read(realm, HERO, 20, "double", 1) is None
    tiny.start()
    battle.callback.at_checkpoint(battle)
    made = results.read(realm, HERO, 20, "double", 1)
    assert made is not None
    assert (made.state, made.correct) == ("ok", 6)
    assert requests.pending(realm) == []


def test_evals_outside_of_a_battle_stay_pending_and_those_of_other_skills_are_made(
    realm: Realm, tiny: TinyServer, run: Run
) -> None:
    with_double(realm, tiny.url, judge=None)
    assert run("skill", "eval", "double", "--make").code == 0
    requests.ask(realm, HERO, 0, "bin", 1, requests.PERSON)
    requests.ask(realm, HERO, 0, "double", 1, requests.PERSON)
    tiny.has("error")

    done = run("skill", "eval", "--pending")

    assert f"evals of {HERO} at step 0 in double stay pending: the server of skill 'double'" in done.err
    assert results.read(realm, HERO, 0, "bin", 1) is not None
    ((_, waiting),) = requests.pending(realm)
    assert (waiting.skill, waiting.why) == ("double", requests.PERSON)
    assert "answers /health with status 500" in waiting.reason

    asked = run("skill", "eval", "double", "--checkpoint", "0")
    assert asked.code == 1
    assert "answers /health with status 500" in asked.err


def test_a_real_battle_outlives_its_skill_s_server(only_double: Realm, tiny: TinyServer) -> None:
    battle = BattleProcess(only_double, "--forge")
    try:
        battle.until("training", "idle", step=1)
        tiny.kill()
        waiting = battle.until("idle")
        wait_for(lambda: "does not answer" in (battle.status() or waiting).reason, "the reason")
        tiny.start()
        before = skillstate.read(only_double, HERO, "double")
        assert before is not None
        wait_for(lambda: len(list(Board(only_double).records())) > before.forged, "the next quest")
        control.raise_flag(only_double, "stop", "enough")
        assert battle.wait() == 0
    finally:
        if battle.process.poll() is None:
            battle.kill()
