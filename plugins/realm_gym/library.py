"""The library itself: levels, items, scores. Imported by the worker alone, as it takes seconds and some of it hangs.

Level L of a task has every attribute of its curriculum at the library's level L - 1, or at its highest where it has
fewer; ranges begin at the lowest value. A level that the library does not accept ends the row of levels.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from typing import Any

import numpy
import reasoning_gym
from reasoning_gym.factory import CURRICULA, DATASETS

from realm_gym import guard
from realm_gym.seeds import CHUNK
from realm_gym.wire import RefusedGoldenError

KEPT = 8
"""Data sets that are kept, as building one may take a third of a second."""
_sets: OrderedDict[tuple[str, int, int], Any] = OrderedDict()


def known() -> list[str]:
    """All tasks that the library registers."""
    return sorted(DATASETS)


def category(task: str) -> str:
    """The library's own word for a kind of tasks."""
    parts: list[str] = DATASETS[task][0].__module__.split(".")
    return parts[1] if parts[0] == reasoning_gym.__name__ and len(parts) > 2 else "other"


def levels(task: str) -> tuple[int, str]:
    """(how many levels the task has, why it has no more where its curriculum has)."""
    for level in range(1, _highest(task) + 1):
        try:
            _build(task, level, 0)
        except Exception as error:  # whatever the library raises
            return level - 1, f"level {level}: {type(error).__name__}: {error}"[:300]
    return _highest(task), ""


def _highest(task: str) -> int:
    if task not in CURRICULA:
        return 1
    return max((len(attribute.levels) for attribute in CURRICULA[task]().attributes.values()), default=1)


def _build(task: str, level: int, seed: int) -> Any:
    """A data set of one chunk."""
    _seed(seed)
    data_class, config_class = DATASETS[task]
    given = {"seed": seed, "size": CHUNK}
    if task not in CURRICULA:
        return data_class(config_class(**given))
    curriculum = CURRICULA[task]()
    curriculum.set_global_level(level - 1)
    return data_class(curriculum.generate_configuration(given))


def _seed(seed: int) -> None:
    """Fix the generators that all of a process shares; a few tasks use them beside their own."""
    random.seed(seed)
    numpy.random.seed(seed % 2**32)


def forget() -> None:
    """Build all data sets anew."""
    _sets.clear()


def _set(task: str, level: int, seed: int) -> Any:
    key = (task, level, seed)
    if key not in _sets:
        _sets[key] = _build(task, level, seed)
        if len(_sets) > KEPT:
            _sets.popitem(last=False)
    _sets.move_to_end(key)
    return _sets[key]


def _entry(task: str, level: int, seed: int, index: int) -> tuple[Any, dict[str, Any]]:
    """(the data set, an item of it)."""
    data = _set(task, level, seed)
    _seed(seed + index)
    entry: dict[str, Any] = data[index]
    if entry["answer"] is None or not str(entry["answer"]).strip():
        raise RefusedGoldenError("it gives no golden answer")
    return data, entry


def item(task: str, level: int, seed: int, index: int) -> tuple[str, str]:
    """(prompt, golden answer). Raises `RefusedGoldenError` where that does not get the full score."""
    data, entry = _entry(task, level, seed, index)
    prompt, answer = _texts(entry)
    try:
        score = _score(data, entry, answer)
    except Exception as error:  # whatever the scorer raises
        raise RefusedGoldenError(f"its scorer fails on its golden answer ({type(error).__name__}: {error})") from error
    if not score >= 1:
        raise RefusedGoldenError(f"its scorer gives its golden answer {score:g} of 1")
    return prompt, answer


def _texts(entry: dict[str, Any]) -> tuple[str, str]:
    """(prompt, golden answer) as the realm sees them; white space around an answer is never judged."""
    return str(entry["question"]), str(entry["answer"]).strip()


def score(task: str, level: int, seed: int, index: int, prompt: str, answer: str, reply: str) -> float | None:
    """The score of a reply; None where the library does not give this problem at this place."""
    data, entry = _entry(task, level, seed, index)
    if _texts(entry) != (prompt, answer.strip()):
        return None
    return _score(data, entry, reply)


def _score(data: Any, entry: dict[str, Any], reply: str) -> float:
    with guard.armed():
        return float(data.score_answer(reply, entry))
