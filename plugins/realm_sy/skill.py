"""The skill: what the core asks of it, put together from the other modules."""

from __future__ import annotations

import random

from realm_cli.errors import UsageError
from realm_cli.skills import Problem, Verdict
from realm_sy import levels
from realm_sy.formats import FORMATS
from realm_sy.judge import judge
from realm_sy.puzzle import Puzzle, draw
from realm_sy.wording import prompt_of


class SySkill:
    """Word Weaving. From level to level there are more, longer and rarer words, and less is said about them.

    The key is the sorted answers with their clues, whatever the wording and the form of the reply.
    """

    id = "sy"
    max_level = levels.MAX_LEVEL

    def problem(self, level: int, rng: random.Random) -> Problem:
        """A puzzle with one solution, and one of the level's forms of replies."""
        if not 1 <= level <= self.max_level:
            raise UsageError(f"sy has no level {level}", f"its levels are 1 to {self.max_level}")
        return worded(draw(level, rng), level, rng.choice(levels.formats(level)), rng.choice(levels.banks(level)))

    def judge(self, problem: Problem, reply: str) -> Verdict:
        """Right is a reply of the form that was asked for, with every value in its place."""
        return judge(problem.answer, reply)

    def space(self, level: int) -> None:
        """Without end, so that every level is open: the words alone go together in 862,924 ways at level 1, and in more above."""


def worded(puzzle: Puzzle, level: int, form: str, bank: str) -> Problem:
    """The puzzle as a level words it."""
    hidden = level >= levels.HIDDEN_FROM
    return Problem(
        prompt=prompt_of(puzzle, form, levels.numbering(level), bank, hidden),
        answer=FORMATS[form].write(puzzle.solved()),
        key=puzzle.key(),
        meta={"kind": form},
    )
