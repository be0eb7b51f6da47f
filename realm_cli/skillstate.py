"""Where a hero stands in its skills, read from what the guild wrote. Nothing here changes anything."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from realm_cli import store
from realm_cli.realm import Realm
from realm_cli.skill_records import EvalLine, SkillState, SparringRecord

EVALS_THAT_COUNT = 3
"""Evals, each on another checkpoint, over which a level's accuracy is the mean."""
_Z = 1.959964
_TAIL = 256 * 1024


def state_path(realm: Realm, hero: str, skill: str) -> Path:
    """Where a standing lies."""
    return realm.skill_states / hero / f"{skill}.json"


def lines_path(realm: Realm, hero: str, skill: str) -> Path:
    """Where the lines of all evals lie."""
    return realm.skill_states / hero / f"{skill}.jsonl"


def read(realm: Realm, hero: str, skill: str) -> SkillState | None:
    """The standing; None when the hero has not met the skill. A damaged file is an error of its own: it is the source."""
    try:
        return store.read_record(state_path(realm, hero, skill), SkillState)
    except FileNotFoundError:
        return None


def met(realm: Realm, hero: str) -> list[str]:
    """The skills that a hero has met, sorted."""
    return sorted(path.stem for path in (realm.skill_states / hero).glob("*.json") if not path.name.startswith("."))


def sparring_path(realm: Realm) -> Path:
    """Where the last sparrings are recorded."""
    return realm.status / "sparring.json"


def sparrings(realm: Realm) -> SparringRecord:
    """The last sparrings; a damaged record is set aside and reported, and begins anew."""
    return store.read_or_set_aside(sparring_path(realm), SparringRecord) or SparringRecord()


def locked_by(realm: Realm, hero: str, unlock: Mapping[str, int]) -> dict[str, int]:
    """Of the skills and levels that `unlock` names, those that the hero has not mastered yet."""
    missing = {}
    for skill, level in unlock.items():
        state = read(realm, hero, skill)
        if state is None or max(state.mastered_levels, default=0) < level:
            missing[skill] = level
    return missing


def lines(realm: Realm, hero: str, skill: str, *, recent: bool = False) -> list[EvalLine]:
    """All evals in short by step and level, the later line of both winning; `recent` reads the file's end only."""
    path = lines_path(realm, hero, skill)
    rows = store.read_tail(path, _TAIL) if recent else store.read_lines(path)
    found: dict[tuple[int, int], EvalLine] = {}
    for row in rows:
        line = EvalLine.from_dict(row, str(path))
        found[line.step, line.level] = line
    return sorted(found.values(), key=lambda line: (line.step, line.level))


def wilson(correct: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927); (0, 1) without observations."""
    if total == 0:
        return (0.0, 1.0)
    share, z2 = correct / total, _Z * _Z
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total)) / (1 + z2 / total)
    return (max(0.0, middle - half), min(1.0, middle + half))


class Standing(msgspec.Struct, frozen=True):
    """How well a level is done: the last evals that count, together."""

    level: int
    accuracy: float | None
    """Mean; None without evals."""
    interval: tuple[float, float] | None
    steps: list[int]
    """Their checkpoints, oldest first."""

    def passes(self, threshold: float) -> bool:
        """Whether the level is mastered."""
        full = len(self.steps) == EVALS_THAT_COUNT
        # Means of decimal fractions may fall short of the threshold in the last bit.
        return full and self.accuracy is not None and self.accuracy >= threshold - 1e-9


def standing(found: Iterable[EvalLine], level: int, *, since: int = 0, upto: int | None = None) -> Standing:
    """The standing at `level`, from ok evals of checkpoints from `since` to `upto` with the newest eval set and data profile."""
    mine = [
        line
        for line in found
        if line.level == level and line.state == "ok" and line.step >= since and (upto is None or line.step <= upto)
    ]
    last = [line for line in mine if _kind(line) == _kind(mine[-1])][-EVALS_THAT_COUNT:]
    if not last:
        return Standing(level, None, None, [])
    accuracy = sum(line.accuracy for line in last) / len(last)
    interval = wilson(sum(line.correct for line in last), sum(line.size for line in last))
    return Standing(level, accuracy, interval, [line.step for line in last])


def comparable(found: Iterable[EvalLine]) -> list[EvalLine]:
    """The evals that count, for a curve: those under the data profile of the last one."""
    mine = [line for line in found if line.state == "ok"]
    return [line for line in mine if line.profile == mine[-1].profile]


def _kind(line: EvalLine) -> tuple[str, str]:
    """Evals are compared with those of the same kind."""
    return line.set_sha256, line.profile
