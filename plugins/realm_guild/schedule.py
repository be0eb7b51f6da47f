"""Which skill is forged next, and why: one function from settings and standings to a decision. Nothing is read or written.

Every quest is one turn. Shares are kept by a clock that counts turns: a skill whose share is a quarter is due again four
turns later. Of those that are not ahead of their share the one that is due first is chosen, so that each stays
within one quest of its share. One that comes later, or comes back, is due at the clock's time: what it missed is not
made up for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from realm_cli.config import CurriculumConfig, SkillPlan
from realm_cli.phrases import locked, percent

_EPSILON = 1e-9
STATES = ("next", "turns", "replays", "waits", "reached", "locked", "disabled", "away")
"""How a skill may stand: it is forged next, or by turns, or comes again as replay, or is not forged now."""


@dataclass(frozen=True)
class Contender:
    """What is known of a skill before the decision."""

    skill: str
    plan: SkillPlan = field(default_factory=SkillPlan)
    level: int = 1
    """The level in training."""
    mastered: int = 0
    """The highest mastered one."""
    replay: float = 0.3
    """Share of its quests that comes from mastered levels, by its YAML."""
    locked_by: Mapping[str, int] = field(default_factory=dict)
    away: str = ""
    """Why its problems cannot be had now."""
    forged: int = 0
    due: float | None = None
    """The clock's time up to which it has had its share, or at which it came; None for one that just came."""
    is_new: bool = False
    """Whether it has had no turn yet."""
    clock: int = 0
    """The clock when it had its last turn."""

    @property
    def has_reached(self) -> bool:
        """Whether its target level is mastered."""
        return self.plan.target is not None and self.mastered >= self.plan.target


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
    reason: str
    share: float = 0.0


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
        reasons = {one.skill: one.reason for one in self.verdicts}
        return _turn(skill, shares, contenders, reasons[skill]) if skill in shares else None


@dataclass
class _Draft:
    """What the strategy makes of the skills: weights of those with a share, reasons of those without."""

    weights: dict[str, float] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    """Why a skill has its share."""
    waits: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def decide(config: CurriculumConfig, contenders: Sequence[Contender]) -> Decision:
    """What is forged next. The same facts always give the same decision."""
    out = {one.skill: found for one in contenders if (found := _kept_out(one, config)) is not None}
    able = [one for one in contenders if one.skill not in out]
    trained = [one for one in able if not one.has_reached]
    draft = _STRATEGIES[config.strategy](config, contenders, trained, out)
    _add_replays(config, draft, [one for one in able if one.has_reached])
    draft.notes += [*_strangers(config, contenders), *_dead_ends(contenders)]
    total = sum(draft.weights.values())
    shares = {skill: weight / total for skill, weight in draft.weights.items()}
    chosen = _choose(shares, contenders)
    verdicts = [_verdict(one, draft, shares, out, chosen) for one in contenders]
    turn = None if chosen is None else _turn(chosen, shares, contenders, _why(draft, shares, chosen))
    return Decision(turn, verdicts, draft.notes)


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


# -- who takes part ----------------------------------------------------------------------------------------------


def _kept_out(one: Contender, config: CurriculumConfig) -> tuple[str, str] | None:
    """(state, reason) of a skill that cannot be forged, whatever the strategy."""
    if not one.plan.enabled:
        is_list = isinstance(config.skills, list)
        return "disabled", "curriculum.skills does not name it" if is_list else "it is disabled"
    if one.locked_by:
        return "locked", locked(one.locked_by)
    return ("away", one.away) if one.away else None


def _foremost(trained: Sequence[Contender], draft: _Draft) -> list[Contender]:
    """Those of the highest priority; the others wait."""
    top = max((one.plan.priority for one in trained), default=0)
    first = [one for one in trained if one.plan.priority == top]
    names = ", ".join(one.skill for one in first)
    for one in trained:
        if one.plan.priority < top:
            draft.waits[one.skill] = f"waits for {names}, of a higher priority ({top})"
    return first


Out = Mapping[str, tuple[str, str]]


def _equal(config: CurriculumConfig, contenders: Sequence[Contender], trained: list[Contender], out: Out) -> _Draft:
    draft = _Draft()
    for one in _foremost(trained, draft):
        draft.weights[one.skill] = 1.0
    return draft


def _weighted(config: CurriculumConfig, contenders: Sequence[Contender], trained: list[Contender], out: Out) -> _Draft:
    draft = _Draft()
    for one in _foremost(trained, draft):
        draft.weights[one.skill] = one.plan.weight
        draft.why[one.skill] = f", by its weight of {one.plan.weight:g}"
    return draft


def _catch_up(config: CurriculumConfig, contenders: Sequence[Contender], trained: list[Contender], out: Out) -> _Draft:
    draft = _Draft()
    first = _foremost(trained, draft)
    lowest = min((one.level for one in first), default=1)
    behind = [one for one in first if one.level == lowest]
    for one in first:
        if one in behind:
            draft.weights[one.skill] = 1.0
            draft.why[one.skill] = f", as its level, {lowest}, is the lowest"
        else:
            names = ", ".join(other.skill for other in behind)
            draft.waits[one.skill] = f"waits until {names} has caught up from level {lowest}"
    return draft


def _focus(config: CurriculumConfig, contenders: Sequence[Contender], trained: list[Contender], out: Out) -> _Draft:
    focused = next((one for one in trained if one.skill == config.focus), None)
    if focused is None:
        return _without_focus(config, contenders, trained, out)
    draft, rest = _Draft(), 1 - config.focus_share
    others = [one for one in trained if one is not focused]
    if rest < _EPSILON:
        draft.waits = {one.skill: f"waits: only {focused.skill} is forged (focus_share is 1)" for one in others}
        others = []
    others = _foremost(others, draft)
    draft.weights = {one.skill: rest / len(others) for one in others}
    draft.weights[focused.skill] = config.focus_share
    draft.why[focused.skill] = ", as the focus is on it"
    return draft


def _without_focus(
    config: CurriculumConfig, contenders: Sequence[Contender], trained: list[Contender], out: Out
) -> _Draft:  # fmt: skip
    """The skill to focus on cannot be forged: what it waits for is, else all others, in equal shares."""
    wanted = next((one for one in contenders if one.skill == config.focus), None)
    if not config.focus:
        why = "the strategy is focus, but curriculum.focus names no skill"
    elif wanted is None:
        why = f"the focus is on '{config.focus}', but there is no such skill here"
    elif config.focus in out:
        why = f"the focus is on {config.focus}, but that skill cannot be forged: {out[config.focus][1]}"
    else:
        why = f"the focus is on {config.focus}, which has reached its target level {wanted.plan.target}"
    keys = [one for one in trained if wanted is not None and one.skill in wanted.locked_by]
    draft = _Draft()
    for one in _foremost(keys or trained, draft):
        draft.weights[one.skill] = 1.0
        if keys:
            draft.why[one.skill] = f", as it unlocks {config.focus}"
    for one in trained:
        if keys and one not in keys:
            draft.waits[one.skill] = f"waits until {config.focus} is unlocked"
    meanwhile = f"forged meanwhile: {', '.join(draft.weights)}" if draft.weights else "nothing is forged meanwhile"
    draft.notes.append(f"{why}; {meanwhile}")
    return draft


_STRATEGIES = {"equal": _equal, "weighted": _weighted, "catch_up": _catch_up, "focus": _focus}


def _add_replays(config: CurriculumConfig, draft: _Draft, reached: list[Contender]) -> None:
    """A skill at its target keeps, of the share that it would have, what its quests gave to mastered levels."""
    common = len(draft.weights) and sum(draft.weights.values()) / len(draft.weights)
    if config.strategy == "focus" and config.focus in draft.weights:
        common = (1 - config.focus_share) / max(1, len(draft.weights) - 1)
    for one in reached:
        target = f"its target level {one.plan.target} is mastered"
        base = one.plan.weight if config.strategy == "weighted" and draft.weights else common
        if base * one.replay > _EPSILON:
            draft.weights[one.skill] = base * one.replay
            draft.why[one.skill] = f": {target}"
        else:
            draft.waits[one.skill] = target


def _strangers(config: CurriculumConfig, contenders: Sequence[Contender]) -> list[str]:
    """Skills that the settings name and that are not there."""
    known = {one.skill for one in contenders}
    names = [name for name in config.skills if name not in known]
    return [f"curriculum.skills names '{name}', but there is no such skill here" for name in names]


def _dead_ends(contenders: Sequence[Contender]) -> list[str]:
    """Skills that stay locked, as what they wait for is not trained up to there."""
    known, found = {one.skill: one for one in contenders}, []
    for one in contenders:
        for name, level in one.locked_by.items():
            key = known.get(name)
            if not one.plan.enabled or (key is not None and key.away):
                continue
            if key is None or not key.plan.enabled:
                why = "there is no such skill here" if key is None else f"{name} is disabled"
                found.append(f"{one.skill} stays locked: it waits for {name} level {level}, but {why}")
            elif key.plan.target is not None and key.plan.target < level:
                why = f"the target of {name} is {key.plan.target}"
                found.append(f"{one.skill} stays locked: it waits for {name} level {level}, but {why}")
    return found


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


def _turn(skill: str, shares: Mapping[str, float], contenders: Sequence[Contender], reason: str) -> Turn:
    clock = clock_of(one.clock for one in contenders)
    mine = next(one for one in contenders if one.skill == skill)
    waiting = {
        one.skill: _since(one.due, clock, shares[one.skill])
        for one in contenders
        if one.is_new and one.skill in shares and one is not mine
    }
    level = mine.mastered if mine.has_reached else mine.level
    return Turn(skill, level, mine.has_reached, shares[skill], reason, mine.due, waiting)


def _why(draft: _Draft, shares: Mapping[str, float], skill: str) -> str:
    if len(shares) == 1 and not draft.waits:
        return "the only skill that can be forged"
    return f"{percent(shares[skill])} of the quests{draft.why.get(skill, '')}"


def _verdict(
    one: Contender, draft: _Draft, shares: Mapping[str, float], out: Out, chosen: str | None
) -> Verdict:  # fmt: skip
    name = one.skill
    if name in out:
        return Verdict(name, *out[name])
    if name in shares:
        state = "next" if name == chosen else "replays" if one.has_reached else "turns"
        words = "replayed with " if one.has_reached else ""
        return Verdict(name, state, words + _why(draft, shares, name), shares[name])
    return Verdict(name, "reached" if one.has_reached else "waits", draft.waits[name])
