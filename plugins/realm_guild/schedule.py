"""Which skill is forged next, and why: one function from settings and standings to a decision. Nothing is read or written.

Every quest is one turn. Shares are kept by a clock that counts turns: a skill whose share is a quarter is due again four
turns later, and the one that is due first is chosen, so that each stays within one quest of its share. What a skill missed
before it came, or while it was locked, disabled or away, is not made up for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from realm_cli.config import CurriculumConfig
from realm_guild.strategies import Contender, Draft, draft_of

_EPSILON = 1e-9


@dataclass(frozen=True)
class Turn:
    """One quest that is to be forged."""

    skill: str
    level: int
    """For a replay the highest of its levels."""
    is_replay: bool
    """Whether it is made of mastered levels alone."""
    share: float
    """The skill's share of the quests."""
    reason: str
    due: float | None = None
    """Up to when it has had its share, before this turn."""
    waiting: Mapping[str, float] = field(default_factory=dict)
    """Skills that have a share and no turn yet, and when they came."""


@dataclass(frozen=True)
class Verdict:
    """How one skill stands in the curriculum, and why."""

    skill: str
    state: str
    """next, turns, replays: it has a share; waits, reached, locked, disabled, away: it has none."""
    reason: str
    share: float = 0.0
    is_replay: bool = False
    """Whether it comes again as replay alone."""


@dataclass(frozen=True)
class Decision:
    """What is forged next, and how every skill stands."""

    next: Turn | None
    verdicts: list[Verdict]
    notes: list[str]
    """What keeps the settings from meaning what they say, and what happens meanwhile."""

    @property
    def why_nothing(self) -> str:
        """Why nothing can be forged."""
        reasons = [f"{one.skill}: {one.reason}" for one in self.verdicts] or ["there is no skill"]
        return f"no skill can be forged ({'; '.join(reasons)}); see: realm skill schedule show"

    def of(self, skill: str) -> Verdict | None:
        """The verdict on one skill."""
        return next((one for one in self.verdicts if one.skill == skill), None)

    def turn_of(self, skill: str, contenders: Sequence[Contender]) -> Turn | None:
        """A turn of one skill, though it may not be the next; None when it has no share."""
        shares = {one.skill: one.share for one in self.verdicts if one.share}
        verdict = self.of(skill)
        return _turn(verdict, shares, contenders) if verdict is not None and skill in shares else None


def decide(config: CurriculumConfig, contenders: Sequence[Contender]) -> Decision:
    """What is forged next. The same facts always give the same decision."""
    draft = draft_of(config, contenders)
    total = sum(draft.weights.values())
    shares = {skill: weight / total for skill, weight in draft.weights.items()}
    chosen = _choose(shares, contenders)
    verdicts = [_verdict(one, draft, shares, chosen) for one in contenders]
    decision = Decision(None, verdicts, draft.notes)
    return replace(decision, next=None if chosen is None else decision.turn_of(chosen, contenders))


def charge(due: float | None, clock: int, share: float) -> tuple[float, int]:
    """(due, clock) of a skill after one more turn at a clock that stands at `clock`."""
    return _since(due, clock, share) + 1 / share, clock + 1


def clock_of(clocks: Iterable[int]) -> int:
    """How many turns there were, from what each skill noted at its last one."""
    return max(clocks, default=0)


def after(contenders: Sequence[Contender], turn: Turn) -> list[Contender]:
    """How the skills stand once a turn is over."""
    clock = clock_of(one.clock for one in contenders)
    return [_after(one, turn, clock) for one in contenders]


def _after(one: Contender, turn: Turn, clock: int) -> Contender:
    if one.skill != turn.skill:
        return replace(one, due=turn.waiting.get(one.skill, one.due))
    due, now = charge(turn.due, clock, turn.share)
    return replace(one, forged=one.forged + 1, due=due, clock=now, is_new=False)


def upcoming(config: CurriculumConfig, contenders: Sequence[Contender], count: int) -> list[Turn]:
    """The next turns, as long as no level rises and nothing is changed."""
    turns = list[Turn]()
    while len(turns) < count and (turn := decide(config, contenders).next) is not None:
        turns.append(turn)
        contenders = after(contenders, turn)
    return turns


# -- whose turn it is --------------------------------------------------------------------------------------------


def _since(due: float | None, clock: int, share: float) -> float:
    """From when a skill's next turn counts: never more than one quest behind or ahead of its share."""
    return float(clock) if due is None else min(max(due, clock - 1 / share), clock + 1 / share)


def _choose(shares: Mapping[str, float], contenders: Sequence[Contender]) -> str | None:
    """Of those that one more quest brings hardly ahead of their share, the one that is due first; by name among equals.

    With the slack, no skill is ever a whole quest ahead or behind (Tijdeman's chairman assignment, 1980).
    """
    clock = clock_of(one.clock for one in contenders)
    slack = 1 / (2 * len(shares) - 2) if len(shares) > 1 else 0.0
    since = {one.skill: _since(one.due, clock, shares[one.skill]) for one in contenders if one.skill in shares}
    able = [skill for skill, start in since.items() if shares[skill] * (clock + 1 - start) >= slack - _EPSILON]
    ends = {skill: round(start + (1 - slack) / shares[skill], 6) for skill, start in since.items()}
    return min(able or since, key=lambda skill: (ends[skill], skill), default=None)


def _turn(verdict: Verdict, shares: Mapping[str, float], contenders: Sequence[Contender]) -> Turn:
    clock = clock_of(one.clock for one in contenders)
    mine = next(one for one in contenders if one.skill == verdict.skill)
    waiting = {
        one.skill: _since(one.due, clock, shares[one.skill])
        for one in contenders
        if one.is_new and one.skill in shares and one is not mine
    }
    level = mine.mastered if verdict.is_replay else mine.level
    return Turn(mine.skill, level, verdict.is_replay, verdict.share, verdict.reason, mine.due, waiting)


def _why(draft: Draft, shares: Mapping[str, float], skill: str) -> str:
    if len(shares) == 1 and not draft.waits:
        return "the only skill that can be forged"
    return f"{100 * shares[skill]:.0f} % of the quests{draft.why.get(skill, '')}"


def _verdict(
    one: Contender, draft: Draft, shares: Mapping[str, float], chosen: str | None
) -> Verdict:  # fmt: skip
    name = one.skill
    if name in draft.out:
        return Verdict(name, *draft.out[name])
    if name in shares:
        is_replay = name in draft.replayed
        state = "next" if name == chosen else "replays" if is_replay else "turns"
        words = "replayed with " if is_replay else ""
        return Verdict(name, state, words + _why(draft, shares, name), shares[name], is_replay)
    return Verdict(name, "reached" if one.has_reached or one.is_complete else "waits", draft.waits[name])
