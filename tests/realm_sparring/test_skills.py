"""Sparring with every kind of skill: SY, a task of reasoning-gym, one on a server, one with hardly any problems."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from helpers import Run
from realm_cli import skillstate
from realm_cli.errors import SkillAwayError
from realm_cli.founding import found
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.skillbook import GuildSkill, open_skill
from realm_cli.skills import Problem, Verdict, split_of
from realm_gym.child import CHILD
from realm_http_skill import wire
from realm_http_skill.new_command import enable
from realm_http_skill_server import tiny_server, with_double
from realm_sparring import sources
from realm_sparring.rows import CONFIRM, CORRECTION, IDENTIFY
from realm_sparring.sparring import Order, bout
from realm_sparring.validating import check_file
from realm_sparring_heroes import Said, fought, rows_of, wrong


@pytest.fixture(autouse=True)
def nobody_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "AWAY_SECONDS", 0.0)
    monkeypatch.setattr(wire, "AWAY_SHARE", 0.0)
    monkeypatch.setattr(wire, "PAUSE_SECONDS", 0.01)
    wire._away.clear()


def nearly(number: int, prompt: str) -> str:
    """An answer in the form of Word Weaving's, with other words."""
    return '["ONE", "TWO", "THREE"]' if number % 2 else "ONE\nTWO\nTHREE"


def test_sy_is_sparred_like_bin(realm: Realm) -> None:
    for level in (1, 8):
        run = fought(realm, Said(realm, nearly), level=level, skill="sy").run
        made = rows_of(realm, run.quest)
        assert (run.wrong, run.rows, run.unjudged) == (10, 30, 0)
        assert {split_of("sy", row.problem_key) for row in made} == {"train"}
        assert all(row.messages[1].content == row.problem.answer for row in made if row.type == CORRECTION)
    for file, record, source in sources.waiting(realm):
        assert record.name == f"sparring_sy_level{source.level}_step100_no1.jsonl"
        assert check_file(realm, Manager.of(realm), file.path, source).findings == []
        assert record.provenance["counts"] == {
            "rows": 30, "types": {CONFIRM: 10, CORRECTION: 10, IDENTIFY: 10}
        }  # fmt: skip
        assert (record.provenance["generator"], record.provenance["split"]) == ("realm spar run", "train")


def test_a_skill_with_a_dot_in_its_name_is_sparred_and_its_quest_known_again(realm: Realm) -> None:
    pytest.importorskip("reasoning_gym")
    enable(realm, Manager.of(realm), "gym.base_conversion")
    run = fought(realm, Said(realm, wrong), level=1, skill="gym.base_conversion").run
    ((file, record, source),) = sources.waiting(realm)
    assert (run.quest, run.rows) == (record.id, 30)
    assert (source.skill, record.name) == (
        "gym.base_conversion",
        "sparring_gym.base_conversion_level1_step100_no1.jsonl",
    )
    assert check_file(realm, Manager.of(realm), file.path, source).findings == []
    assert fought(realm, Said(realm, wrong), level=1, skill="gym.base_conversion").run.number == 2
    CHILD.close()


def test_an_outage_of_the_skill_s_server_is_no_verdict_and_leaves_nothing(
    realm: Realm, tmp_path: Path, run: Run
) -> None:
    with tiny_server(tmp_path) as server:
        with_double(realm, server.url, judge=None)

        def dies(number: int, prompt: str) -> str:
            server.kill()
            return "0"

        with pytest.raises(SkillAwayError, match="does not answer"):
            fought(realm, Said(realm, dies), level=2, skill="double")
        assert (skillstate.sparrings(realm).runs, Board(realm).counts()["high"]) == ([], 0)
        told = run("spar", "run", "--skill", "double", "--count", "3", "--level", "2")
        assert (told.code, "the server of skill 'double'" in told.err) == (1, True)
        server.start()
        quest = fought(realm, Said(realm, wrong), level=2, skill="double").run.quest
        assert run("spar", "validate").code == 0
        server.kill()
        away = run("spar", "validate")
        assert (away.code, "does not answer" in away.err) == (1, True)
    assert [record.id for _, record, _ in sources.waiting(realm)] == [quest]


class Lone:
    """A skill with one problem."""

    id, max_level = "bin", 1

    def problem(self, level: int, rng: random.Random) -> Problem:
        return Problem("one?", "1", "one")

    def judge(self, problem: Problem, reply: str) -> Verdict:
        return Verdict(reply == "1", reply, "")

    def space(self, level: int) -> int:
        return 1


def test_a_level_with_one_problem_gives_three_rows_of_it(realm: Realm) -> None:
    manager, hero = Manager.of(realm), Said(realm, wrong)
    entry = GuildSkill(open_skill(realm, manager, "bin").config, Lone())
    run = bout(realm, manager, entry, 1, Order(skill="bin", count=100), hero).run
    assert (run.asked, run.wrong, hero.asked) == (1, 1, ["one?"])
    assert [(row.type, row.problem_key) for row in rows_of(realm, run.quest)] == [
        (IDENTIFY, "one"), (CORRECTION, "one"), (CONFIRM, "one")
    ]  # fmt: skip


def test_a_hero_without_a_checkpoint_is_told_what_to_do(run: Run, tmp_path: Path) -> None:
    fresh, _ = found(tmp_path / "fresh")
    told = run("spar", "run", "--skill", "bin", realm=Realm(fresh.root))
    assert (told.code, "dio-mini has no checkpoint yet" in told.err, "--checkpoint 0" in told.err) == (4, True, True)


def test_rows_that_were_not_queued_are_checked_too(run: Run, realm: Realm) -> None:
    file = realm.root / fought(realm, Said(realm, wrong), queue=False).run.file
    assert run("spar", "validate").out == f"{file}: ok, 30 rows\n"
    assert run("spar", "validate", "--queued").out == "there is no sparring quest to check\n"
