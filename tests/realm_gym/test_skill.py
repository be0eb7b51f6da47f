"""A task as a skill: seeds, keys, the split, its judge; and what happens when the library hangs, dies or is lied to."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import wait_for
from realm_cli.errors import RealmError, SkillAwayError, UsageError
from realm_cli.manager import Manager
from realm_cli.sampling import draws, sample
from realm_cli.skills import Problem, split_of
from realm_gym import skill as skill_module
from realm_gym import wire
from realm_gym.child import CHILD, Child
from realm_gym.keys import key_of
from realm_gym.seeds import CHUNK
from realm_gym.skill import GymSkill
from realm_gym.wire import Request

TASKS = ("base_conversion", "letter_jumble", "spiral_matrix", "list_functions", "pool_matrix", "syllogism")
"""With and without a curriculum, whose data sets are built with and without their seed, from either random generator."""


def every_level(task: str) -> list[tuple[GymSkill, int]]:
    skill = GymSkill(task)
    return [(skill, level) for level in range(1, skill.max_level + 1)]


@pytest.mark.parametrize("task", TASKS)
def test_golden_answers_are_right_echoes_and_empty_replies_are_wrong(task: str) -> None:
    for skill, level in every_level(task):
        for problem in sample(skill, level, 5, 3, "train"):
            assert skill.judge(problem, problem.answer).correct, problem
            assert skill.judge(problem, f"<think>hm</think>\n {problem.answer} \n").correct
            assert not skill.judge(problem, problem.prompt).correct
            assert skill.judge(problem, " \n").reason == "the reply is empty"
            assert not skill.judge(problem, f"<think>{problem.answer}").correct


def test_a_seed_gives_the_same_in_another_process_and_a_smaller_sample_is_the_beginning_of_a_larger_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    skills = {task: GymSkill(task) for task in TASKS}
    here = {task: sample(skill, skill.max_level, 30, 7, "train") for task, skill in skills.items()}
    other = Child()
    monkeypatch.setattr(skill_module, "CHILD", other)
    try:
        for task, skill in skills.items():
            assert sample(skill, skill.max_level, 12, 7, "train") == here[task][:12]
            assert sample(skill, skill.max_level, 12, 8, "train") != here[task][:12]
    finally:
        other.close()


@pytest.mark.parametrize("task", TASKS)
def test_no_problem_is_in_both_splits_and_other_seeds_give_other_items(task: str) -> None:
    skill = GymSkill(task)
    level = skill.max_level
    trained = [problem for seed in range(3) for problem in sample(skill, level, 40, seed, "train")]
    examined = sample(skill, level, 10, 0, "eval")

    assert {problem.key for problem in trained} & {problem.key for problem in examined} == set()
    assert {split_of(skill.id, problem.key) for problem in examined} == {"eval"}
    places = [(problem.meta["seed"] + problem.meta["index"], problem.meta["level"]) for problem in trained + examined]
    assert len(set(places)) == len(places)  # the library draws an item from this sum
    assert all(problem.meta["seed"] % CHUNK == 0 for problem in trained)


def test_the_key_is_the_prompt_apart_from_white_space_and_case_and_a_hash_where_it_is_long() -> None:
    assert key_of(" How  many\nBits? ") == "how many bits?"
    long = key_of("x" * 201)
    assert (len(long), long) == (64, key_of(f"\n{'X' * 201}"))
    for skill, level in every_level("count_bits"):
        problem = skill.problem(level, random.Random(5))
        assert problem.key == key_of(problem.prompt)
        assert skill.problem(level, random.Random(5)) == problem


def test_the_levels_follow_the_curriculum() -> None:
    skill = GymSkill("count_bits")
    numbers = [max(int(problem.answer) for problem in sample(skill, level, 30, 1, "train")) for level in (1, 5)]

    assert skill.max_level == 5
    assert numbers[0] < numbers[1]
    assert GymSkill("list_functions").max_level == 1  # it has no curriculum
    with pytest.raises(UsageError, match=r"gym.count_bits has no level 6"):
        skill.problem(6, random.Random(0))


def test_no_problem_comes_twice_in_a_row_of_draws() -> None:
    stream = draws(GymSkill("base_conversion"), 5, 3, "train")
    keys = [next(stream).key for _ in range(3 * CHUNK)]

    assert len(set(keys)) == len(keys)


def test_a_level_with_few_problems_gives_repeats_for_training_and_fewer_for_evals() -> None:
    skill = GymSkill("count_bits")  # 990 numbers at level 1
    trained, examined = sample(skill, 1, 1100, 0, "train"), sample(skill, 1, 300, 0, "eval")

    assert len(trained) == 1100
    assert 800 < len({problem.key for problem in trained}) < 990
    assert 50 < len(examined) == len({problem.key for problem in examined}) < 190
    assert sample(skill, 1, 50, 0, "train") == trained[:50]


def test_without_its_meta_a_problem_has_the_golden_answer_alone() -> None:
    skill = GymSkill("spiral_matrix")
    problem = sample(skill, 1, 1, 0, "train")[0]
    for meta in ({}, {"seed": "x"}, {**problem.meta, "seed": problem.meta["seed"] + CHUNK}):
        bare = msgspec.structs.replace(problem, meta=meta)
        told = skill.judge(bare, problem.answer)
        assert (told.correct, told.reason) == (True, "the golden answer; the scorer does not know the problem")
        assert not skill.judge(bare, problem.answer[:-1]).correct
    beyond = skill.judge(msgspec.structs.replace(problem, meta={**problem.meta, "index": CHUNK * 10**9}), "1")
    assert not beyond.correct


def test_a_scorer_that_fails_makes_a_reply_wrong_and_says_why() -> None:
    skill = GymSkill("list_functions")
    problem = sample(skill, 1, 1, 0, "train")[0]

    told = skill.judge(msgspec.structs.replace(problem, meta={**problem.meta, "index": CHUNK}), problem.answer)

    assert (told.correct, told.reason) == (False, "the scorer failed: IndexError: list index out of range")
    assert skill.judge(problem, "x" * 100_001).reason == "the reply is longer than 100000 characters"


EVALUATE = ("string_insertion", "spiral_matrix", "binary_matrix", "n_queens", "countdown", "puzzle24",
            "simple_integration", "polynomial_multiplication")  # fmt: skip
"""Tasks whose scorers evaluate a reply as Python, some by way of sympy."""


@pytest.mark.parametrize("task", EVALUATE)
def test_no_scorer_runs_what_a_reply_says(task: str, tmp_path: Path) -> None:
    skill, trace = GymSkill(task), tmp_path / "trace"
    problem = sample(skill, 1, 1, 0, "train")[0]
    for code in (
        f"open('{trace}', 'w')", f"[open('{trace}', 'w')]", f"exec(\"open('{trace}', 'w')\")",
        f"__import__('os').system('touch {trace}')", f"[__import__('pathlib').Path('{trace}').touch()]",
        f"().__class__.__base__.__subclasses__() or [open('{trace}', 'w')]", f"S(\"open('{trace}', 'w')\")",
        f"[o('{trace}', 'w') for o in [open]]", f"(lambda: open('{trace}', 'w'))()", f"sympify(\"open('{trace}','w')\")",
    ):  # fmt: skip
        assert not skill.judge(problem, code).correct
        assert not trace.exists(), code
    assert skill.judge(problem, problem.answer).correct


def test_a_reply_that_takes_its_scorer_too_long_is_wrong_and_the_next_is_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "ITEM_SECONDS", 1.0)
    skill = GymSkill("puzzle24")
    problem = sample(skill, 1, 1, 0, "train")[0]

    told = skill.judge(problem, "9**9**9**9**9")
    again = skill.judge(problem, problem.answer)

    assert not told.correct
    assert told.reason.startswith("the scorer failed: ") or told.reason == "score 0.01 of 1", told
    assert again.correct


def test_an_item_that_takes_too_long_ends_the_process_and_not_the_skill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "ITEM_SECONDS", 0.05)
    monkeypatch.setattr(skill_module, "HANGING", skill_module.MOST_MISSED)
    skill = GymSkill("game_of_life")
    with pytest.raises(SkillAwayError, match=r"level 3 gives no problems: it took more than 0.05 s of processor time"):
        skill.problem(3, random.Random(1))
    assert sample(GymSkill("count_bits"), 1, 3, 0, "train")


def test_a_process_that_was_killed_is_started_again() -> None:
    child = Child()
    asked = Request(do="item", task="count_bits", seed=64)
    before = child.ask(asked)
    assert child._process is not None
    os.kill(child._process.pid, signal.SIGKILL)

    after = child.ask(asked)
    child.close()

    assert (after.prompt, after.answer, after.trouble) == (before.prompt, before.answer, "")


def test_no_process_stays_when_the_one_that_asks_is_killed() -> None:
    code = (
        "import time\nfrom realm_gym.child import CHILD\nfrom realm_gym.wire import Request\n"
        "CHILD.ask(Request(do='forget'))\nprint(CHILD._process.pid, flush=True)\ntime.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert psutil.Process(worker).ppid() == parent.pid
        parent.kill()
    wait_for(lambda: has_ended(worker), "its end")


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_memory_is_bounded() -> None:
    skill = GymSkill("spiral_matrix")
    problem = sample(skill, 1, 1, 0, "train")[0]

    assert not skill.judge(problem, "[0] * 10**10").correct
    assert skill.judge(problem, problem.answer).correct


PROBLEMS: dict[str, Problem] = {}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    task=st.sampled_from(EVALUATE + TASKS),
    reply=st.text(max_size=60)
    | st.text(st.characters(categories=["Cs", "Nd"]), max_size=9)
    | st.text("0123456789+-*/()[],.' xC\n", max_size=40),
)
def test_no_judge_raises_whatever_the_reply(task: str, reply: str) -> None:
    skill = GymSkill(task)
    if task not in PROBLEMS:
        PROBLEMS[task] = sample(skill, 1, 1, 0, "train")[0]
    told = skill.judge(PROBLEMS[task], reply)
    told.parsed.encode()
    assert isinstance(told.correct, bool)
    assert told.reason


def test_a_task_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(RealmError, match="there is no skill 'gym.nothing'"):
        Manager.load().skill("gym.nothing")
    assert CHILD.ask(Request(do="item", task="nothing")).trouble == "KeyError: 'nothing'"
