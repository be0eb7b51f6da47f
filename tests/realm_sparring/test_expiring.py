from __future__ import annotations

from pathlib import Path

from helpers import Run, rows, write_rows
from realm_cli import intake
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_guild_heroes import entries, events, set_yaml
from realm_sparring.expiring import expire
from realm_sparring_heroes import HERO, Said, fought, wrong


def test_a_quest_expires_when_the_hero_is_further_on_than_the_limit_and_not_before(realm: Realm) -> None:
    quest = fought(realm, Said(realm, wrong)).run.quest
    manager = Manager.of(realm)
    assert expire(realm, manager, HERO, 2100) == []
    assert expire(realm, manager, "dio", 9999) == []
    (ended,) = expire(realm, manager, HERO, 2101)
    reason = "it corrects dio-mini as it was at step 100; at step 2101 that is more than 2000 steps ago"
    assert (ended.id, ended.outcome, ended.reason) == (quest, "expired", reason)
    assert [file.id for file in Board(realm).files("failed")] == [quest]
    assert events(realm, "quest_expired") == [{"quest": quest, "file": ended.name, "reason": reason}]
    assert [(entry["quest"], entry["outcome"]) for entry in entries(realm, "quest_end")][-1:] == [(quest, "expired")]
    assert expire(realm, manager, HERO, 9999) == []


def test_quests_of_people_never_expire_whatever_their_names(realm: Realm, tmp_path: Path) -> None:
    mine = write_rows(tmp_path / "sparring_bin_level1_step1_no1.jsonl", rows(3))
    intake.add_files(realm, Manager.of(realm), [mine], priority="high")
    assert expire(realm, Manager.of(realm), HERO, 99999) == []
    assert Board(realm).counts()["high"] == 1


def test_a_battle_lets_it_expire_before_it_claims_it_and_the_next_sparring_says_what_did(
    run: Run, realm: Realm, tmp_path: Path
) -> None:
    set_yaml(realm.config_file, "stale_steps: 2000", "stale_steps: 2")
    realm = Realm(realm.root)
    manager = Manager.of(realm)
    (first,) = intake.add_files(realm, manager, [write_rows(tmp_path / "first.jsonl", rows(48))], priority="high")
    in_battle = fought(realm, Said(realm, wrong)).run.quest
    battle = run("battle", "start", "--until-empty")
    assert battle.code == 0, battle.err
    board = Board(realm)
    assert (board.record(first.id).outcome, board.record(in_battle).outcome) == ("completed", "expired")
    assert [facts["quest"] for facts in events(realm, "quest_expired")] == [in_battle]

    later = fought(realm, Said(realm, wrong)).run.quest
    set_yaml(realm.config_file, "stale_steps: 2", "stale_steps: 1")
    board.update(later, source=board.record(later).source.replace(" step 103 ", " step 100 "))
    told = run("spar", "run", "--skill", "bin", "--count", "3", "--level", "6", "--json")
    assert (told.code, told.json["expired"], told.json["step"]) == (0, [later], 103)
    assert f"quest {later} expired: it corrects dio-mini as it was at step 100" in told.err
    shown = run("quest", "show", later, "--json").json
    assert (shown["state"], shown["outcome"]) == ("expired", "expired")
