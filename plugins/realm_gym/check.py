"""The self-check of a task: whether its scorer can be its judge, and whether it gives problems in bounded time.

A level that takes too long ends the row of levels, as one does that the library does not accept. Whatever else is wrong
with a level makes the task unfit.
"""

from __future__ import annotations

import hashlib
import random

import msgspec

from realm_gym import seeds
from realm_gym.child import Child
from realm_gym.keys import key_of
from realm_gym.records import TaskFacts
from realm_gym.wire import LEVELS_SECONDS, Answer, Request

SEEDS, ITEMS = 4, 3
"""Of each level so many seeds are looked at, and of each so many items."""
ITEM_SECONDS = 5.0
"""Of processor time, that making one item or scoring one reply may take."""
MEAN_SECONDS = 0.25
"""That items take on average: a set of 50 evals needs about 500."""
TASK_SECONDS = 300.0
"""That the whole check may take."""
FEWEST = 4
"""Problems that have to differ in the sample of a level."""
GUESSES = ("0", "nan")
"""Replies that say nothing of a problem: no scorer may take one for right at most problems with other answers."""


Place = tuple[int, int, int]
"""Level, seed and index of an item."""


class _UnfitError(Exception):
    """The task does not pass, and why."""


class _SlowError(Exception):
    """A level takes too long, and what of it."""


def check(child: Child, task: str) -> TaskFacts:
    """Look at a sample of every level."""
    told = child.ask(Request(do="levels", task=task, seconds=LEVELS_SECONDS))
    found = TaskFacts(category=told.category, levels=told.levels, ends=told.ends)
    looking, digests = _Looking(child, task), list[str]()
    trouble = told.trouble
    for level in range(1, told.levels + 1):
        try:
            digests.append(looking.at(level))
        except _SlowError as slow:
            found = msgspec.structs.replace(found, levels=level - 1, ends=f"level {level}: {slow}")
            break
        except _UnfitError as unfit:
            trouble = f"level {level}: {unfit}"
            break
    if trouble or not found.levels:
        return msgspec.structs.replace(found, ends="", trouble=trouble or found.ends)
    return msgspec.structs.replace(found, sample=_hash(digests))


def _hash(texts: list[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


class _Looking:
    """A look at the levels of one task."""

    def __init__(self, child: Child, task: str) -> None:
        self._child, self._task = child, task
        self._left = TASK_SECONDS

    def at(self, level: int) -> str:
        """A hash of the level's sample. Raises `_UnfitError` or `_SlowError`."""
        rng = random.Random(f"self-check of {self._task} level {level}")
        drawn = [seeds.draw(self._task, rng) for _ in range(SEEDS)]
        places = [(level, seed, index) for seed in drawn for index in range(ITEMS)]
        items = {place: self._item(*place) for place in places}
        given = {place: item for place, item in items.items() if not item.trouble}
        _see(list(items.values()), list(given.values()))
        for place, item in given.items():
            self._see_scores(place, item)
        self._see_guesses(given)
        self._child.ask(Request(do="forget"))
        for place, item in reversed(given.items()):
            again = self._item(*place)
            if (again.prompt, again.answer) != (item.prompt, item.answer):
                raise _UnfitError("the same seed gives another problem")
        return _hash([f"{item.prompt}\n{item.answer}" for item in given.values()])

    def _item(self, level: int, seed: int, index: int) -> Answer:
        return self._ask(Request(do="item", task=self._task, level=level, seed=seed, index=index, seconds=ITEM_SECONDS))

    def _ask(self, request: Request) -> Answer:
        told = self._child.ask(request)
        self._left -= told.seconds
        if told.died:
            raise _SlowError(told.trouble)
        if self._left < 0:
            raise _SlowError(f"the check up to here takes more than {TASK_SECONDS:g} s of processor time")
        return told

    def _see_scores(self, place: Place, item: Answer) -> None:
        """Neither an echo of the prompt nor an empty reply gets the full score; the golden answer got it already."""
        for name, reply in (("an echo of the prompt", item.prompt), ("an empty reply", "")):
            if self._is_right(place, item, reply):
                raise _UnfitError(f"its scorer gives {name} the full score")

    def _see_guesses(self, given: dict[Place, Answer]) -> None:
        """No reply that is always the same gets the full score as a rule."""
        for guess in GUESSES:
            others = {place: item for place, item in given.items() if not _says(item.answer, guess)}
            right = sum(self._is_right(place, item, guess) for place, item in others.items())
            if 2 * right > len(others):
                raise _UnfitError(
                    f"its scorer gives the reply {guess} the full score at {right} of {len(others)} items"
                )

    def _is_right(self, place: Place, item: Answer, reply: str) -> bool:
        level, seed, index = place
        told = self._ask(
            Request(
                do="score", task=self._task, level=level, seed=seed, index=index, prompt=item.prompt,
                answer=item.answer, reply=reply, seconds=ITEM_SECONDS,
            )
        )  # fmt: skip
        return (told.score or 0.0) >= 1


def _says(answer: str, guess: str) -> bool:
    """Whether a golden answer is that guess, as a text or as a number."""
    try:
        return answer == guess or float(answer) == float(guess)
    except ValueError:
        return False


def _see(items: list[Answer], given: list[Answer]) -> None:
    """What the sample itself tells."""
    troubles = [item for item in items if item.trouble]
    for item in troubles:
        if item.refused:
            raise _UnfitError(item.trouble)
    if 2 * len(troubles) > len(items):
        raise _UnfitError(f"{len(troubles)} of {len(items)} items fail: {troubles[0].trouble}")
    if sum(item.seconds for item in items) > MEAN_SECONDS * len(items):
        raise _SlowError(f"an item takes more than {MEAN_SECONDS:g} s of processor time")
    different = len({key_of(item.prompt) for item in given})
    if different < FEWEST:
        raise _UnfitError(f"only {different} of {len(given)} problems differ")
