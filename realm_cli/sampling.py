"""Problems of one level, drawn by seed, from one side of the split, without twins."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice

from realm_cli.errors import RealmError
from realm_cli.skills import Problem, Skill, Split, belongs

DRAWS_PER_PROBLEM = 120
"""Draws after which the search for problems with new keys ends, for each problem wanted. Evals use one draw in ten or
twelve; finding all keys of a closed level takes about twenty a key, several times that where weights favour some."""
DRAWS_AT_LEAST = 1000


def sample(skill: Skill, level: int, count: int, seed: int, split: Split) -> list[Problem]:
    """`count` problems, the same for the same arguments; a smaller count gives the beginning of a larger one's.

    Keys are distinct as long as the level has more of them. After that training gets repeats, evals get no more.
    """
    own = getattr(skill, "sample", None)
    if own is not None:
        given: list[Problem] = own(level, count, seed, split)
        return given
    rng = random.Random(f"{skill.id} level {level} {split} seed {seed}")
    found = list(distinct(skill, level, count, rng, split))
    if not found:
        raise _nothing(skill, level, split)
    return found if split == "eval" else list(islice(with_repeats(found, rng), count))


def draws(skill: Skill, level: int, seed: int, split: Split) -> Iterator[Problem]:
    """Problems of one side of the split without end, as the level draws them: common ones come again."""
    rng = random.Random(f"{skill.id} level {level} {split} draws {seed}")
    missed = 0
    for problem in _drawn(skill, level, rng, split):
        missed += 1
        if belongs(skill, level, problem, split):
            missed = 0
            yield problem
        elif missed == DRAWS_AT_LEAST:
            break
    raise _nothing(skill, level, split)


def _drawn(skill: Skill, level: int, rng: random.Random, split: Split) -> Iterator[Problem]:
    """Problems as the skill gives them, without end; where it has a `stream`, from there."""
    stream = getattr(skill, "stream", None)
    if stream is not None:
        yield from stream(level, rng.getrandbits(64), split)
        return
    draw = getattr(skill, "lesson", skill.problem) if split == "train" else skill.problem
    while True:
        yield draw(level, rng)


def _nothing(skill: Skill, level: int, split: Split) -> RealmError:
    return RealmError(
        f"{skill.id} level {level} gave no problem for the {split} split",
        "a level with so few problems should report its `space`, so that it counts as closed",
    )


def distinct(skill: Skill, level: int, count: int, rng: random.Random, split: Split) -> Iterator[Problem]:
    """Up to `count` problems with different keys, in a bounded number of draws; training words them as its lessons."""
    space = skill.space(level)
    wanted = count if space is None else min(count, space)
    keys: set[str] = set()
    if wanted == 0:
        return
    for problem in islice(_drawn(skill, level, rng, split), DRAWS_PER_PROBLEM * wanted + DRAWS_AT_LEAST):
        if problem.key not in keys and belongs(skill, level, problem, split):
            keys.add(problem.key)
            yield problem
            if len(keys) == wanted:
                return


def with_repeats(found: list[Problem], rng: random.Random) -> Iterator[Problem]:
    """All of `found`, then pass after pass in new orders, so that none is repeated much more often than another."""
    yield from found
    while True:
        order = found.copy()
        rng.shuffle(order)
        yield from order
