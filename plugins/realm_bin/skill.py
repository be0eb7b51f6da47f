"""The skill: what the core asks of it, put together from the other modules."""

from __future__ import annotations

import random

from realm_bin.digits import circled
from realm_bin.judge import judge
from realm_bin.levels import MAX_LEVEL, first_level_of, level_of
from realm_bin.operations import call_text
from realm_cli.skills import Problem, Verdict


class BinSkill:
    """Binary Alchemy. Level L calculates with values of up to L + 1 bits, the last one, 30, with up to 32.

    The key is the call as it is written: `add(①①, ①)` and `add(①, ①①)` are two problems.
    """

    id = "bin"
    max_level = MAX_LEVEL

    def problem(self, level: int, rng: random.Random) -> Problem:
        """One call to compute."""
        operation, operands = level_of(level).draw(rng)
        call = call_text(operation, operands)
        return Problem(
            prompt=f"Compute: {call}",
            answer=f"{call} = {circled(operation.result(*operands))}",
            key=call,
            meta={"operation": operation.name, "first_level": first_level_of(operands)},
        )

    def judge(self, problem: Problem, reply: str) -> Verdict:
        """Right is the echoed call with its result, or the result alone."""
        return judge(problem.answer, reply)

    def space(self, level: int) -> int:
        """How many different calls the level has."""
        return level_of(level).space
