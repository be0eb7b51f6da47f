from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from realm_bin.skill import BinSkill
from realm_cli.errors import RealmError
from realm_cli.sampling import DRAWS_AT_LEAST, DRAWS_PER_PROBLEM, sample
from realm_cli.skills import Problem, Split, Verdict, is_closed, split_of

BIN = BinSkill()


@dataclass
class Toy:
    """A skill with `keys` problems a level; it says that it has `claims` of them."""

    keys: int
    claims: int | None = None
    id: str = "toy"
    max_level: int = 3
    draws: int = field(default=0)

    def problem(self, level: int, rng: random.Random) -> Problem:
        self.draws += 1
        key = str(rng.randrange(self.keys))
        return Problem(f"{level}: {key}?", key, key)

    def judge(self, problem: Problem, reply: str) -> Verdict:
        return Verdict(reply == problem.answer, reply, "")

    def space(self, level: int) -> int | None:
        return self.claims


def keys(problems: list[Problem]) -> list[str]:
    return [problem.key for problem in problems]


def test_the_same_arguments_give_the_same_problems() -> None:
    assert sample(BIN, 7, 100, 3, "train") == sample(BinSkill(), 7, 100, 3, "train")


@pytest.mark.parametrize("split", ["train", "eval"])
def test_another_seed_gives_other_problems(split: Split) -> None:
    one, other = (set(keys(sample(BIN, 20, 200, seed, split))) for seed in (3, 4))
    assert len(one & other) <= 1


def test_a_smaller_count_gives_the_beginning_of_a_larger_one() -> None:
    for level in (1, 3, 9):
        assert sample(BIN, level, 40, 0, "train") == sample(BIN, level, 200, 0, "train")[:40]


def test_a_sample_of_level_3_is_always_this_one() -> None:
    assert keys(sample(BIN, 3, 3, 7, "train")) == ["add(①①⓪, ①①⓪⓪)", "add(①①⓪①, ①①⓪)", "multiply_by_2(①①①①)"]


@pytest.mark.parametrize("level", [5, 6, 12, 30])
def test_at_open_levels_training_and_evals_never_share_a_key(level: int) -> None:
    train = [key for seed in range(3) for key in keys(sample(BIN, level, 400, seed, "train"))]
    evals = [key for seed in range(3) for key in keys(sample(BIN, level, 100, seed, "eval"))]
    assert {split_of("bin", key) for key in train} == {"train"}
    assert {split_of("bin", key) for key in evals} == {"eval"}
    assert not set(train) & set(evals)


@pytest.mark.parametrize("level", [5, 6, 12])
def test_evals_of_open_levels_hold_nothing_that_closed_levels_train_whole(level: int) -> None:
    for problem in sample(BIN, level, 100, 0, "eval"):
        assert not is_closed(BIN, problem.meta["first_level"])


@pytest.mark.parametrize("level", [1, 2, 3, 4])
@pytest.mark.parametrize("split", ["train", "eval"])
def test_at_closed_levels_both_splits_cover_the_whole_table(level: int, split: Split) -> None:
    space = BIN.space(level)
    drawn = keys(sample(BIN, level, space, 1, split))
    assert len(set(drawn)) == len(drawn) == space


def test_problems_are_distinct_as_long_as_the_level_has_them() -> None:
    for level, count in ((4, 1_839), (5, 2_000), (8, 2_000)):
        drawn = keys(sample(BIN, level, count, 2, "train"))
        assert len(set(drawn)) == count


def test_after_the_whole_table_training_repeats_it_evenly() -> None:
    counts = Counter(keys(sample(BIN, 1, 61 * 4 + 10, 5, "train")))
    assert len(counts) == 61
    assert set(counts.values()) == {4, 5}


def test_evals_get_at_most_the_table() -> None:
    assert len(sample(BIN, 1, 1_000, 5, "eval")) == 61


def test_an_exhausted_open_level_gives_evals_less_and_training_repeats() -> None:
    toy = Toy(keys=5_000, claims=5_000)
    evals = keys(sample(toy, 1, 1_000, 0, "eval"))
    assert 400 < len(set(evals)) == len(evals) < 600
    train = keys(sample(toy, 1, 6_000, 0, "train"))
    assert len(train) == 6_000
    assert len(set(train)) == 5_000 - len(evals)


def test_the_search_is_bounded_for_a_skill_that_promises_more_than_it_has() -> None:
    toy = Toy(keys=3, claims=4_000)
    assert len(sample(toy, 1, 500, 0, "eval")) == 3
    assert toy.draws <= DRAWS_PER_PROBLEM * 500 + DRAWS_AT_LEAST


def test_an_endless_skill_gives_what_is_asked() -> None:
    assert len(set(keys(sample(Toy(keys=10**9), 1, 300, 0, "eval")))) == 300


def test_a_level_without_any_problem_for_a_split_is_an_error() -> None:
    lonely = next(Toy(keys=1, id=name) for name in "abcdefghijklmnopqrstuvwxyz" if split_of(name, "0") == "train")
    assert len(sample(lonely, 1, 5, 0, "train")) == 5
    with pytest.raises(RealmError, match="gave no problem for the eval split"):
        sample(lonely, 1, 5, 0, "eval")
