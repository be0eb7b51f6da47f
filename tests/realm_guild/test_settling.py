"""Evals that are made outside of a battle: the same levels, crowns and events as inside, whatever was away meanwhile."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from helpers import Run, rows, write_rows
from realm_cli import champions, inference, intake, skillstate, store
from realm_cli.errors import AwayError, LockedError, RealmError
from realm_cli.hosts import hosts_file
from realm_cli.manager import Manager
from realm_cli.process import this_process
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import TrainingStatus, now
from realm_cli.status import write as write_status
from realm_guild import asking, requests, results, tasks
from realm_guild_heroes import HERO, FakeBattle, FakeHero, Knows, checkpoint, events, everything, first, story, tune
from realm_guild_kills import assert_all_equal, at_every_change

HOSTS = """
hosts:
  here: {host: 192.0.2.1, role: trainer}
  far: {host: 192.0.2.2, role: inference, services: {inference: {port: 8765}}}
local_host: here
"""


@pytest.fixture
def small(realm: Realm) -> Realm:
    """Quests and eval sets of a few rows; another machine makes the evals."""
    tune(realm, forge={"samples": {1: 20}}, eval={"size": 5})
    write_rows(realm.path(realm.config.training.held_out), rows(3))
    hosts_file(realm).write_text(HOSTS)
    return Realm(realm.root)


class Far:
    """The other machine, with heroes whose ability is known."""

    def __init__(self, realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
        self.realm = realm
        self.knows: Knows = everything
        self.away: set[int] = set()
        """Steps that it cannot open now."""
        self.fault: RealmError | None = None
        self.opened: list[int] = []
        self.heroes: list[FakeHero] = []
        monkeypatch.setattr(inference, "open_checkpoint", self.open)

    def open(self, realm: Realm, manager: Manager, hero: str, step: int) -> FakeHero:
        self.opened.append(step)
        if step in self.away:
            raise AwayError("far is away: no route to host")
        self.heroes.append(FakeHero(realm, step, self.knows))
        self.heroes[-1].fault = self.fault
        return self.heroes[-1]

    def make(self) -> asking.Outcome:
        return asking.make_pending(self.realm, Manager.of(self.realm))

    @property
    def asked(self) -> list[tuple[int, int]]:
        """(step, level) of every eval that was made."""
        return [(hero.step, level) for hero in self.heroes for _, level in hero.asked]


@pytest.fixture
def far(small: Realm, monkeypatch: pytest.MonkeyPatch) -> Far:
    return Far(small, monkeypatch)


def waiting(realm: Realm) -> list[tuple[int, int]]:
    return [(request.step, request.level) for _, request in requests.pending(realm)]


def test_a_battle_with_an_inference_host_only_asks(small: Realm) -> None:
    battle = FakeBattle(small)
    for step in (1, 2, 3, 4):
        battle.stands_at(step)
    assert battle.asked == []
    assert waiting(small) == [(1, 1), (2, 1), (3, 1), (4, 1)]
    assert skillstate.lines(small, HERO, "bin") == []


def test_a_hosts_file_that_cannot_be_read_stops_no_battle(small: Realm, caplog: pytest.LogCaptureFixture) -> None:
    hosts_file(small).write_text("hosts: {far: {host: 192.0.2.2, role: inferense}}")
    FakeBattle(small).stands_at(1)
    assert waiting(small) == [(1, 1)]
    assert "evals stay pending" in caplog.text


def test_levels_crown_and_results_are_those_of_a_battle_that_makes_its_evals_itself(
    small: Realm, far: Far, tmp_path: Path
) -> None:
    own = Realm(tmp_path / "own")
    shutil.copytree(small.root, own.root, symlinks=True)
    hosts_file(own).unlink()
    inside, outside = FakeBattle(own), FakeBattle(small)
    for step in range(1, 9):
        inside.stands_at(step)
        outside.stands_at(step)
    assert far.make().waiting == []
    mine, theirs = skillstate.read(small, HERO, "bin"), skillstate.read(own, HERO, "bin")
    assert mine is not None
    assert theirs is not None
    assert mine.level == theirs.level > 3
    assert [(one.level, one.step, one.steps) for one in mine.mastered] == [
        (one.level, one.step, one.steps) for one in theirs.mastered
    ]
    assert story(small)["told"] == story(own)["told"]
    crowned = [champions.read(one, HERO) for one in (small, own)]
    assert crowned[0] is not None
    assert crowned[1] is not None
    assert crowned[0].step == crowned[1].step
    needed = {(line.step, line.level) for line in skillstate.lines(own, HERO, "bin")}
    # A mastered level that is looked at again by turns may be another one: at the save its mastery was not known.
    replayed = {(step, level) for step, level in needed if (step, level) not in far.asked}
    assert all(level in theirs.mastered_levels for _, level in replayed)
    assert waiting(small) == []


def test_what_is_asked_twice_is_made_once(small: Realm, far: Far) -> None:
    FakeBattle(small).stands_at(1)
    far.make()
    assert far.asked == [(1, 1)]
    requests.ask(small, HERO, 1, "bin", 1, "training")
    assert [result.step for result in far.make().made] == [1]
    assert far.asked == [(1, 1)]
    assert len(events(small, "eval_done")) == 1


def test_an_outage_leaves_evals_pending_with_the_reason(small: Realm, far: Far) -> None:
    battle = FakeBattle(small)
    for step in (1, 2, 3, 4):
        battle.stands_at(step)
    far.away = {1, 2, 3, 4}
    outcome = far.make()
    assert outcome.made == []
    assert len(outcome.waiting) == 4
    assert far.opened == [1, 2]  # a machine that is away is not asked about each
    assert {request.reason for _, request in requests.pending(small)} == {"far is away: no route to host"}
    assert results.of_checkpoint(small, HERO, 1) == []
    far.away = set()
    assert far.make().waiting == []
    assert [(one.level, one.step) for one in mastered(small)] == [(1, 3), (2, 4)]  # as in a battle


def mastered(realm: Realm) -> list[Any]:
    state = skillstate.read(realm, HERO, "bin")
    return list(state.mastered) if state else []


def test_an_outage_in_the_middle_of_an_eval_is_no_result(small: Realm, far: Far) -> None:
    FakeBattle(small).stands_at(1)

    far.fault = AwayError("the line is cut")
    assert far.make().waiting == [f"evals of {HERO} at step 1 stay pending: the line is cut"]
    assert results.of_checkpoint(small, HERO, 1) == []
    assert skillstate.lines(small, HERO, "bin") == []
    far.fault = None
    assert [result.state for result in far.make().made] == ["ok"]


def test_one_checkpoint_that_is_not_there_keeps_no_other_from_its_evals(small: Realm, far: Far) -> None:
    battle = FakeBattle(small)
    for step in (1, 2, 3):
        battle.stands_at(step)
    far.away = {2}
    assert len(far.make().waiting) == 1
    assert waiting(small) == [(2, 1)]
    assert {step for step, _ in far.asked} == {1, 3}
    far.away = set()
    far.make()
    battle.stands_at(4)
    far.make()
    assert [one.level for one in mastered(small)] == [1, 2]


def test_a_mastered_level_that_is_lost_is_told_once(small: Realm, far: Far) -> None:
    battle = FakeBattle(small)
    for step in (1, 2, 3):
        battle.stands_at(step)
    far.make()
    far.knows = first(1)
    battle.stands_at(4)
    far.make()
    regressed = events(small, "skill_regressed")
    assert [(facts["step"], facts["level"], facts["accuracy"]) for facts in regressed] == [(4, 1, 0.2)]
    requests.ask(small, HERO, 4, "bin", 1, "training")
    far.make()
    assert events(small, "skill_regressed") == regressed


def test_an_eval_that_a_person_asked_for_raises_no_level_by_itself(small: Realm, far: Far) -> None:
    for step in (1, 2, 3):
        checkpoint(small, step)
        requests.ask(small, HERO, step, "bin", 1, requests.PERSON)
    far.make()
    assert skillstate.read(small, HERO, "bin") is None
    assert waiting(small) == []


def test_what_a_person_asked_for_becomes_the_curriculums(small: Realm) -> None:
    checkpoint(small, 1)
    requests.ask(small, HERO, 1, "bin", 1, requests.PERSON)
    FakeBattle(small).stands_at(1)
    requests.ask(small, HERO, 1, "bin", 1, requests.PERSON)
    assert [request.why for _, request in requests.pending(small)] == ["training"]


def test_two_who_make_evals_do_not_get_in_each_others_way(small: Realm, far: Far) -> None:
    FakeBattle(small).stands_at(1)
    with store.locked(small.pending_evals / ".making.lock"), pytest.raises(LockedError, match="makes evals"):
        far.make()
    assert waiting(small) == [(1, 1)]


OUTSIDE = """
from realm_guild import asking
from realm_guild_heroes import FakeHero
asking.inference.open_checkpoint = lambda realm, manager, hero, step, kind=FakeHero: kind(realm, step)
asking.make_pending(realm, manager)
"""


def test_a_kill_at_every_change_leaves_levels_crown_and_events_as_without_one(small: Realm, tmp_path: Path) -> None:
    hosts_file(small).unlink()
    battle = FakeBattle(small)
    battle.callback.on_empty_board(battle)  # it will be stale
    hosts_file(small).write_text(HOSTS)
    intake.add_files(small, Manager.of(small), [write_rows(tmp_path / "mine.jsonl", rows(3))])
    for step in (1, 2, 3):
        battle.stands_at(step)
    stories = at_every_change(small, tmp_path, OUTSIDE)
    assert stories[-1]["state"]["level"] == 2
    assert stories[-1]["champion"]["step"] == 3
    assert stories[-1]["pending"] == []
    assert [file[0] for file in stories[-1]["board"]["low"]] == ["train_bin_level1_no1.jsonl"]
    assert_all_equal(stories, 60)


# -- the command and the tasks -------------------------------------------------------------------------------------


def test_pending_needs_no_skill(small: Realm, run: Run) -> None:
    assert run("skill", "eval", "--pending").err == "no eval waits\n"
    assert run("skill", "eval", "--pending", "--json").json == []
    missing = run("skill", "eval")
    assert (missing.code, "SKILL is missing" in missing.err) == (2, True)


def idle(realm: Realm, task: Any) -> str:
    found: str = task.idle(realm)
    return found


def test_the_task_of_evals_says_why_it_has_nothing_to_do(small: Realm) -> None:
    assert idle(small, tasks.EVALS) == "no eval is pending"
    requests.ask(small, HERO, 1, "bin", 1, "training")
    assert idle(small, tasks.EVALS) == ""
    write_status(small, TrainingStatus(state="training", process=this_process(), heartbeat=now()))
    assert idle(small, tasks.EVALS) == ""
    hosts_file(small).unlink()
    assert idle(small, tasks.EVALS) == "a battle runs here, and makes the evals of its checkpoints itself"


def test_the_task_makes_what_waits_and_fails_when_nothing_can_be_made(small: Realm, far: Far) -> None:
    battle, manager = FakeBattle(small), Manager.of(small)
    for step in (1, 2):
        battle.stands_at(step)
    far.away = {1, 2}
    with pytest.raises(AwayError, match="stay pending: far is away"):
        tasks.EVALS.run(small, manager)
    far.away = {2}
    said = tasks.EVALS.run(small, manager)
    assert said == f"1 eval made; evals of {HERO} at step 2 stay pending: far is away: no route to host"
    far.away = set()
    assert tasks.EVALS.run(small, manager) == "2 evals made"  # the next level as well, as it goes well


def test_a_store_of_quests_is_forged_up_to_what_is_enough(small: Realm) -> None:
    manager = Manager.of(small)
    while not idle(small, tasks.FORGE):
        assert tasks.FORGE.run(small, manager).endswith("20 samples of level 1")
    assert idle(small, tasks.FORGE) == "the board holds enough: 3 quests wait"
    names = [Board(small).record(file.id).name for file in Board(small).files("normal")]
    assert names == [f"train_bin_level1_no{number}.jsonl" for number in (1, 2, 3)]


def test_a_realm_without_bin_forges_none(small: Realm) -> None:
    (small.skills / "bin.yaml").unlink()
    assert idle(small, tasks.FORGE) == "there is no skill bin"


def test_evals_of_a_skill_that_is_gone_stay_where_they_are(small: Realm, far: Far) -> None:
    requests.ask(small, HERO, 1, "syl", 1, "training")
    assert far.make() == asking.Outcome([], [])
    assert waiting(small) == [(1, 1)]
