"""The skill: what the core asks of it, put together from the other modules."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from realm_bin.judge import judge
from realm_bin.levels import Level, checked_levels, first_level_of
from realm_bin.settings import MAX_LEVEL, at
from realm_bin.wording import Mix, answer_of, draw_tag, prompt_of
from realm_cli.errors import UsageError
from realm_cli.skills import Problem, Verdict


class BinSkill:
    """Binary Alchemy. Level L calculates with values of up to L + 1 bits, the last one, 30, with up to 32.

    The key is the call as replies write it, whatever the wording: `add(①①, ①)` and `add(①, ①①)` are two problems.
    """

    id = "bin"
    max_level = MAX_LEVEL

    def __init__(self, settings: Mapping[str, Any] | None = None, where: str = "bin") -> None:
        self._settings, self._levels = checked_levels(settings or {}, where)

    def configured(self, settings: Mapping[str, Any], where: str) -> BinSkill:
        """The same skill with other settings. Raises `FormatError` that names `where` for bad ones."""
        return BinSkill(settings, where)

    def problem(self, level: int, rng: random.Random) -> Problem:
        """One call to compute, worded as evals word it."""
        return self._make(level, self._settings.eval_mix, rng, practice=False)

    def lesson(self, level: int, rng: random.Random) -> Problem:
        """One call to compute, drawn and worded as training does it."""
        self._level(level)
        return self._make(level, at(self._settings.mix, level), rng, practice=True)

    def judge(self, problem: Problem, reply: str) -> Verdict:
        """Right is the echoed call with its result and all that the tag asks for; without a tag, also the result alone."""
        return judge(problem.answer, reply)

    def space(self, level: int) -> int:
        """How many different calls the level holds."""
        return self._level(level).space

    def _make(self, level: int, mix: Mix, rng: random.Random, *, practice: bool) -> Problem:
        call = self._level(level).draw(rng, practice=practice)
        tag = draw_tag(mix, rng)
        return Problem(
            prompt=prompt_of(call, tag),
            answer=answer_of(call, tag),
            key=call.text(),
            meta={"kind": call.name, "first_level": first_level_of(call, level, self._levels)},
        )

    def _level(self, number: int) -> Level:
        if not 1 <= number <= MAX_LEVEL:
            raise UsageError(f"bin has no level {number}", f"its levels are 1 to {MAX_LEVEL}")
        return self._levels[number - 1]
