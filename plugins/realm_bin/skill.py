"""The skill: what the core asks of it, put together from the other modules."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from realm_bin.judge import judge
from realm_bin.levels import Level, checked_levels, first_level_of
from realm_bin.settings import MAX_LEVEL, Settings, at
from realm_bin.symbols import draw_symbols
from realm_bin.wording import KINDS, TAGS, Shares, draw, worded
from realm_cli.errors import UsageError
from realm_cli.skills import Problem, Verdict

if TYPE_CHECKING:
    import random


class BinSkill:
    """Binary Alchemy. Level L calculates with values of up to L + 1 bits, the last one, 30, with up to 32.

    The key is the call as replies write it in digits, whatever the wording: `add(①①, ①)` and `add(①, ①①)` are two
    problems; each with a tag, in symbols, or with the question which digit of its result is wrong, is the same problem.
    """

    id = "bin"
    max_level = MAX_LEVEL

    def __init__(self, settings: Mapping[str, Any] | None = None, where: str = "bin") -> None:
        self._given = settings or {}, where
        if settings:
            _ = self._made  # a mistake in them is told at once

    @cached_property
    def _made(self) -> tuple[Settings, tuple[Level, ...]]:
        return checked_levels(*self._given)

    @cached_property
    def _settings(self) -> Settings:
        return self._made[0]

    @cached_property
    def _levels(self) -> tuple[Level, ...]:
        return self._made[1]

    def configured(self, settings: Mapping[str, Any], where: str) -> BinSkill:
        """The same skill with other settings. Raises `FormatError` that names `where` for bad ones."""
        return BinSkill(settings, where)

    def problem(self, level: int, rng: random.Random) -> Problem:
        """One problem, worded as evals word it."""
        return self._make(level, self._settings.eval_mix, self._settings.eval_kinds, rng, practice=False)

    def lesson(self, level: int, rng: random.Random) -> Problem:
        """One problem, drawn and worded as training does it."""
        self._level(level)
        mix, kinds = at(self._settings.mix, level), at(self._settings.kinds, level)
        return self._make(level, mix, kinds, rng, practice=True)

    def judge(self, problem: Problem, reply: str) -> Verdict:
        """Right is the echoed call with its result and all that is asked for; where that is all, also the result alone."""
        return judge(problem.answer, reply)

    def space(self, level: int) -> int:
        """How many different calls the level holds."""
        return self._level(level).space

    def _make(self, level: int, mix: Shares, kinds: Shares, rng: random.Random, *, practice: bool) -> Problem:
        call = self._level(level).draw(rng, practice=practice)
        tag = draw(TAGS, mix, rng)
        kind = draw(KINDS, kinds, rng) if kinds[0] < 100 else ""
        prompt, answer = worded(call, tag, kind, rng)
        share = at(self._settings.symbols, level)
        in_symbols = share > 0 and 100 * rng.random() < share
        if in_symbols:
            symbols = draw_symbols(call, rng)
            prompt, answer = f"{symbols.key()}\n{symbols.written(prompt)}", symbols.written(answer)
        meta = {"kind": call.name, "first_level": first_level_of(call, level, self._levels)}
        form = f"{kind} in symbols".strip() if in_symbols else kind
        return Problem(prompt, answer, call.text(), {**meta, "form": form} if form else meta)

    def _level(self, number: int) -> Level:
        if not 1 <= number <= MAX_LEVEL:
            raise UsageError(f"bin has no level {number}", f"its levels are 1 to {MAX_LEVEL}")
        return self._levels[number - 1]
