"""The skill: what the core asks of it, put together from the other modules, which are imported when they are used.

Who only looks at the realm opens the skill and asks how large it is, no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from realm_cli.errors import UsageError
from realm_cli.skills import Problem, Verdict
from realm_sy import MAX_LEVEL

if TYPE_CHECKING:
    import random

    from realm_sy.puzzle import Puzzle


class SySkill:
    """Word Weaving. From level to level there are more, longer and rarer words, and less is said about them.

    The key is the sorted answers with their clues, whatever the wording and the form of the reply.
    """

    id = "sy"
    max_level = MAX_LEVEL

    def problem(self, level: int, rng: random.Random) -> Problem:
        """A puzzle with one solution, and one of the level's forms of replies."""
        if not 1 <= level <= self.max_level:
            raise UsageError(f"sy has no level {level}", f"its levels are 1 to {self.max_level}")
        from realm_sy import levels
        from realm_sy.puzzle import draw

        return worded(draw(level, rng), level, rng.choice(levels.formats(level)), rng.choice(levels.banks(level)))

    def judge(self, problem: Problem, reply: str) -> Verdict:
        """Right is a reply of the form that was asked for, with every value in its place."""
        from realm_sy.judge import judge

        return judge(problem.answer, reply)

    def space(self, level: int) -> None:
        """Without end, so that every level is open: the words alone go together in 862,924 ways at level 1, and in more above."""


def worded(puzzle: Puzzle, level: int, form: str, bank: str) -> Problem:
    """The puzzle as a level words it."""
    from realm_sy import levels
    from realm_sy.formats import FORMATS
    from realm_sy.wording import prompt_of

    hidden = level >= levels.HIDDEN_FROM
    return Problem(
        prompt=prompt_of(puzzle, form, levels.numbering(level), bank, hidden),
        answer=FORMATS[form].write(puzzle.solved()),
        key=puzzle.key(),
        meta={"kind": form},
    )
