"""Eval sets and results: every eval is made on the right set, and counts only when it is sound."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from helpers import Run
from realm_cli import skillstate, store
from realm_cli.errors import FormatError, RealmError, UsageError
from realm_cli.realm import Realm
from realm_cli.skills import Problem, Verdict, is_closed, split_of
from realm_guild import asking, evalsets, requests, results, views
from realm_guild.records import EvalSet
from realm_guild_heroes import (
    HERO,
    FakeHero,
    bin_of,
    checkpoint,
    events,
    examined,
    first,
    make,
    nothing,
    set_file,
    set_yaml,
    tune,
    weights_of,
)


@pytest.mark.parametrize("level", [1, 4, 5, 8, 30])
def test_a_set_is_static_distinct_and_on_its_side_of_the_split(realm: Realm, level: int) -> None:
    entry = bin_of(realm)
    made = evalsets.ensure(realm, entry, level)
    before = set_file(realm, level).read_bytes()
    assert evalsets.ensure(realm, entry, level) == made
    assert set_file(realm, level).read_bytes() == before
    assert len({problem.key for problem in made.problems}) == len({problem.prompt for problem in made.problems}) == 50
    assert made.closed is is_closed(entry.skill, level) is (level < 5)
    if not made.closed:
        assert {split_of("bin", problem.key) for problem in made.problems} == {"eval"}


def test_two_realms_have_the_same_sets(realm: Realm, tmp_path: Path) -> None:
    other = Realm(tmp_path / "other")
    for level in (1, 6):
        evalsets.ensure(realm, bin_of(realm), level)
        evalsets.ensure(other, bin_of(realm), level)
        assert set_file(realm, level).read_bytes() == set_file(other, level).read_bytes()


def test_a_small_table_is_examined_whole(realm: Realm) -> None:
    tune(realm, eval={"size": 100})
    entry = bin_of(realm)
    made = evalsets.ensure(realm, entry, 1)
    assert (len(made.problems), made.size) == (entry.skill.space(1), 100)
    before = set_file(realm, 1).stat().st_mtime_ns
    evalsets.ensure(realm, entry, 1)
    assert set_file(realm, 1).stat().st_mtime_ns == before


def test_another_size_makes_the_set_anew_and_what_the_old_one_showed_counts_no_more(realm: Realm) -> None:
    for step in (1, 2):
        examined(realm, step)
    old = store.read_record(set_file(realm, 1), EvalSet)
    tune(realm, eval={"size": 20})
    assert examined(realm, 3).size == 20
    new = store.read_record(set_file(realm, 1), EvalSet)
    assert len(new.problems) == 20
    assert new.problems == old.problems[:20]
    lines = skillstate.lines(realm, HERO, "bin")
    assert [line.step for line in lines] == [1, 2, 3]
    assert skillstate.standing(lines, 1).steps == [3]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not valid JSON"),
        (b'{"kind": "eval_set", "version": 1', "not valid JSON"),
        (b"[]", "expected a eval_set object"),
        (b'{"kind": "event", "version": 1}', "expected kind 'eval_set'"),
        (b'{"kind": "eval_set", "version": 1, "skill": "bin"}', "missing required field"),
        (b'{"kind": "eval_set", "version": 9}', "written by a newer Realm"),
    ],
)
def test_a_damaged_set_is_an_error_that_names_the_file(realm: Realm, content: bytes, problem: str) -> None:
    set_file(realm, 1).parent.mkdir(parents=True)
    set_file(realm, 1).write_bytes(content)
    with pytest.raises(FormatError, match=problem) as caught:
        evalsets.ensure(realm, bin_of(realm), 1)
    assert str(set_file(realm, 1)) in caught.value.message
    assert "realm" in caught.value.hint.lower()
    assert set_file(realm, 1).read_bytes() == content


def test_the_set_of_another_level_or_skill_is_foreign(realm: Realm) -> None:
    entry = bin_of(realm)
    evalsets.ensure(realm, entry, 2)
    set_file(realm, 1).write_bytes(set_file(realm, 2).read_bytes())
    with pytest.raises(FormatError, match="50 problems of bin level 2") as caught:
        evalsets.ensure(realm, entry, 1)
    assert "realm skill eval bin --make" in caught.value.hint
    other = msgspec.structs.replace(entry, config=msgspec.structs.replace(entry.config, id="sy"))
    (realm.eval_sets / "sy").mkdir()
    evalsets.path_of(realm, "sy", 2).write_bytes(set_file(realm, 2).read_bytes())
    with pytest.raises(FormatError, match="50 problems of bin level 2"):
        evalsets.ensure(realm, other, 2)


@pytest.mark.parametrize("closed", [False, True])
def test_a_set_with_trained_problems_is_never_used_at_an_open_level(realm: Realm, closed: bool) -> None:
    entry = bin_of(realm)
    made = evalsets.ensure(realm, entry, 6)
    rng = random.Random(0)
    trained = next(
        one for one in iter(lambda: entry.skill.problem(6, rng), None) if split_of("bin", one.key) == "train"
    )
    spoiled = msgspec.structs.replace(
        made, closed=closed, problems=[*made.problems[:-1], msgspec.convert(trained, type(made.problems[0]), from_attributes=True)]
    )  # fmt: skip
    store.write_record(set_file(realm, 6), spoiled)
    if closed:  # it only says that the level is closed: made anew
        assert evalsets.ensure(realm, entry, 6) == made
    else:
        with pytest.raises(FormatError, match="training split"):
            evalsets.ensure(realm, entry, 6)


def test_make_puts_all_sets_right(realm: Realm, run: Run) -> None:
    set_yaml(realm.skills / "bin.yaml", "max_level: 30", "max_level: 6")
    set_file(realm, 2).parent.mkdir(parents=True)
    set_file(realm, 2).write_text("{torn")
    damaged = run("skill", "eval", "bin", "--level", "2")
    assert damaged.code == 1
    assert str(set_file(realm, 2)) in damaged.err
    assert "Traceback" not in damaged.err
    made = run("skill", "eval", "bin", "--make", "--json")
    assert (made.code, made.json["levels"]) == (0, 6)
    sets = [store.read_record(set_file(realm, level), EvalSet) for level in range(1, 7)]
    assert [one.level for one in sets] == [1, 2, 3, 4, 5, 6]
    assert len(list(set_file(realm, 1).parent.iterdir())) == 6
    assert not list(realm.pending_evals.rglob("*.json")) or [
        path.name for path in realm.pending_evals.glob("*.json")
    ] == [f"{HERO}-0-bin-2.json"]


@pytest.mark.parametrize("flags", [("--level", "1", "--make"), ("--pending", "--mastered"), ("--make", "--pending")])
def test_contradicting_flags_are_a_usage_error(run: Run, flags: tuple[str, ...]) -> None:
    ran = run("skill", "eval", "bin", *flags)
    assert ran.code == 2
    assert "exclude each other" in ran.err


def test_what_is_not_there_to_be_examined_is_said(run: Run) -> None:
    assert run("skill", "eval", "bin", "--mastered").code == 4
    assert run("skill", "eval", "bin", "--checkpoint", "77").code == 4
    assert run("skill", "eval", "bin", "--checkpoint", "last").code == 2
    assert run("skill", "eval", "bin", "--level", "31").code == 2
    nothing_waits = run("skill", "eval", "bin", "--pending")
    assert (nothing_waits.code, nothing_waits.out) == (0, "")
    assert "no eval waits" in nothing_waits.err
    assert run("skill", "history", "bin").code == 4
    assert run("skill", "history", "bin", "--json").json == []


def test_every_item_is_kept(realm: Realm) -> None:
    checkpoint(realm, 5)
    result = examined(realm, 5, knows=first(41))
    assert results.read(realm, HERO, 5, "bin", 1) == result
    assert (result.state, result.correct, result.size, result.closed, result.reason) == ("ok", 41, 50, True, "")
    assert (result.checkpoint, result.weights_sha256) == ("checkpoint-5-20260101-0000", weights_of(5))
    problems = store.read_record(set_file(realm, 1), EvalSet).problems
    assert [(item.prompt, item.expected) for item in result.items] == [(one.prompt, one.answer) for one in problems]
    assert [item.correct for item in result.items] == [True] * 41 + [False] * 9
    assert {item.reply for item in result.items[41:]} == {"no idea"}
    assert all(item.reason for item in result.items[41:])


def test_a_stored_result_of_the_same_weights_is_never_made_again(realm: Realm) -> None:
    once = examined(realm, 5)
    requests.ask(realm, HERO, 5, "bin", 1, "request")
    hero = FakeHero(realm, 5, nothing)
    assert make(realm, hero) == [once]
    assert hero.asked == []
    assert requests.pending(realm) == []
    assert len(events(realm, "eval_done")) == 1


def test_other_weights_under_the_same_step_are_examined_anew(realm: Realm) -> None:
    examined(realm, 5)
    requests.ask(realm, HERO, 5, "bin", 1, "request")
    (again,) = make(realm, FakeHero(realm, 5, first(3), weights="f" * 64))
    assert (again.correct, again.weights_sha256) == (3, "f" * 64)
    assert results.read(realm, HERO, 5, "bin", 1) == again
    assert [(line.step, line.correct) for line in skillstate.lines(realm, HERO, "bin")] == [(5, 3)]


@pytest.mark.parametrize("state", ["invalid", "error"])
def test_a_result_that_does_not_count_is_made_again_when_asked(realm: Realm, state: str) -> None:
    result = examined(realm, 5)
    results.write(realm, msgspec.structs.replace(result, state=state, reason="so"))
    requests.ask(realm, HERO, 5, "bin", 1, "request")
    (again,) = make(realm, FakeHero(realm, 5))
    assert again.state == "ok"
    assert [line.state for line in skillstate.lines(realm, HERO, "bin")] == ["ok"]


def test_a_generation_error_is_a_result_of_state_error(realm: Realm) -> None:
    requests.ask(realm, HERO, 5, "bin", 1, "training")
    hero = FakeHero(realm, 5)
    hero.fault = UsageError("the conversation leaves no room", "shorten it")
    (result,) = make(realm, hero)
    assert (result.state, result.reason, result.correct, result.size) == (
        "error", "the conversation leaves no room", 0, 50
    )  # fmt: skip
    assert skillstate.standing(skillstate.lines(realm, HERO, "bin"), 1).accuracy is None
    assert requests.pending(realm) == []


def test_replies_of_foreign_weights_make_the_eval_invalid(realm: Realm) -> None:
    requests.ask(realm, HERO, 5, "bin", 1, "training")
    hero = FakeHero(realm, 5)
    hero.replies_from = "f" * 64
    (result,) = make(realm, hero)
    assert (result.state, result.reason) == ("invalid", "50 replies came from other weights")
    assert len(result.items) == 50
    assert not skillstate.standing(skillstate.lines(realm, HERO, "bin"), 1).steps


@dataclass
class Odd:
    """BIN with a judge that is not one."""

    answers: Any
    skill: Any
    id: str = "bin"
    max_level: int = 30

    def problem(self, level: int, rng: random.Random) -> Problem:
        problem: Problem = self.skill.problem(level, rng)
        return problem

    def space(self, level: int) -> int | None:
        space: int | None = self.skill.space(level)
        return space

    def judge(self, problem: Problem, reply: str) -> Any:
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers


@pytest.mark.parametrize(
    "answers",
    [
        ValueError("own fault"),
        None,
        True,
        "right",
        Verdict(True, 5, ""),  # type: ignore[arg-type]
        Verdict("yes", "", ""),  # type: ignore[arg-type]
        Verdict(True, "\ud83d", ""),
    ],
    ids=["raises", "None", "True", "text", "number parsed", "text correct", "half a character"],
)
def test_a_judge_that_fails_makes_the_eval_invalid_and_readable(realm: Realm, answers: Any) -> None:
    entry = bin_of(realm)
    requests.ask(realm, HERO, 5, "bin", 1, "training")
    (result,) = make(realm, FakeHero(realm, 5), msgspec.structs.replace(entry, skill=Odd(answers, entry.skill)))
    assert result.state == "invalid"
    assert "the judge failed on 'Compute: " in result.reason
    assert (len(result.items), result.correct) == (50, 0)
    assert results.read(realm, HERO, 5, "bin", 1) == result
    assert not skillstate.standing(skillstate.lines(realm, HERO, "bin"), 1).steps


def test_a_line_that_was_lost_after_its_result_is_written_again(realm: Realm) -> None:
    result = examined(realm, 5, knows=first(44))
    path = skillstate.lines_path(realm, HERO, "bin")
    before = path.read_bytes()
    path.unlink()
    requests.ask(realm, HERO, 5, "bin", 1, "training")  # as it lay there at the kill
    hero = FakeHero(realm, 5)
    assert make(realm, hero) == [result]
    assert hero.asked == []
    assert path.read_bytes() == before
    results.write(realm, result)
    assert path.read_bytes() == before


def test_a_damaged_result_is_set_aside_and_made_again(realm: Realm) -> None:
    examined(realm, 5)
    path = results.path_of(realm, HERO, 5, "bin", 1)
    path.write_bytes(path.read_bytes()[:100])
    requests.ask(realm, HERO, 5, "bin", 1, "request")
    (again,) = make(realm, FakeHero(realm, 5))
    assert again.state == "ok"
    assert len(list(path.parent.glob("*.corrupt-*"))) == 1
    assert [one.level for one in results.of_checkpoint(realm, HERO, 5)] == [1]


def test_a_user_s_evals_do_not_move_the_level_by_themselves(realm: Realm) -> None:
    for step in (1, 2, 3):
        checkpoint(realm, step)
        examined(realm, step)
    assert skillstate.read(realm, HERO, "bin") is None


def test_the_newest_checkpoint_is_meant_and_names_are_exact(realm: Realm) -> None:
    assert asking.step_of(realm, None) == 0
    checkpoint(realm, 5)
    checkpoint(realm, 40)
    assert asking.step_of(realm, None) == 40
    assert asking.step_of(realm, "5") == asking.step_of(realm, "checkpoint-5-20260101-0000") == 5
    assert asking.step_of(realm, "models/dio-mini/checkpoint-5-20260101-0000/") == 5
    assert asking.step_of(realm, "0") == 0
    for wrong in ("checkpoint-5-20250101-0000", "checkpoint-5", "6"):
        with pytest.raises(RealmError):
            asking.step_of(realm, wrong)


def test_how_each_form_of_asking_goes_is_told_beside_the_kinds(realm: Realm, run: Run) -> None:
    checkpoint(realm, 5)
    result = examined(realm, 5, level=8, knows=first(30))
    in_symbols = sum(item.prompt.startswith("Key: ") for item in result.items)
    right = sum(item.prompt.startswith("Key: ") for item in result.items[:30])
    assert 25 < in_symbols < 50
    told = views.eval_row(realm, result)["forms"]
    assert told == {
        "in symbols": {"correct": right, "size": in_symbols},
        "plain": {"correct": 30 - right, "size": 50 - in_symbols},
    }
    shown = run("skill", "eval", "bin", "--level", "8", "--checkpoint", "5").out
    forms = ", ".join(f"{name} {share['correct']}/{share['size']}" for name, share in told.items())
    assert f"level 8  {forms}\n" in shown
    plain = examined(realm, 5, level=5)
    assert views.eval_row(realm, plain)["forms"] == {}
