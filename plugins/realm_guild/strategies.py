"""Who takes part in the curriculum, and with what weight: what each strategy, targets and priorities make of the skills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from realm_cli.config import CurriculumConfig, SkillPlan
from realm_cli.phrases import locked

_EPSILON = 1e-9
Out = Mapping[str, tuple[str, str]]
"""(state, reason) of the skills that cannot be forged, whatever the strategy."""


@dataclass(frozen=True)
class Contender:
    """What is known of a skill before the decision."""

    skill: str
    plan: SkillPlan = field(default_factory=SkillPlan)
    level: int = 1
    """The level in training."""
    mastered: int = 0
    """The highest mastered one."""
    max_level: int = 1_000_000
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

    @property
    def is_complete(self) -> bool:
        """Whether there is no further level to train."""
        return self.mastered >= self.max_level


@dataclass
class Draft:
    """What the strategy makes of the skills: weights of those with a share, reasons of those without."""

    weights: dict[str, float] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    """Why a skill has its share."""
    waits: dict[str, str] = field(default_factory=dict)
    replayed: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    out: Out = field(default_factory=dict)


def draft_of(config: CurriculumConfig, contenders: Sequence[Contender]) -> Draft:
    """The weights of all that are forged or replayed, and why the others are not."""
    out = {one.skill: found for one in contenders if (found := _kept_out(one, config)) is not None}
    able = [one for one in contenders if one.skill not in out]
    short = [one for one in able if not one.has_reached]
    # With nothing else to train, a skill of which all levels are mastered goes on at the highest.
    trained = [one for one in short if not one.is_complete] or short
    draft = _STRATEGIES[config.strategy](config, contenders, trained, out)
    _add_replays(config, draft, [one for one in able if one not in trained])
    draft.notes += [*_strangers(config, contenders), *_dead_ends(contenders)]
    draft.out = out
    return draft


def _kept_out(one: Contender, config: CurriculumConfig) -> tuple[str, str] | None:
    """(state, reason) of a skill that cannot be forged, whatever the strategy."""
    if not one.plan.enabled:
        is_list = isinstance(config.skills, list)
        return "disabled", "curriculum.skills does not name it" if is_list else "it is disabled"
    if one.locked_by:
        return "locked", locked(one.locked_by)
    return ("away", one.away) if one.away else None


def _foremost(trained: Sequence[Contender], draft: Draft) -> list[Contender]:
    """Those of the highest priority; the others wait."""
    top = max((one.plan.priority for one in trained), default=0)
    first = [one for one in trained if one.plan.priority == top]
    names = ", ".join(one.skill for one in first)
    for one in trained:
        if one.plan.priority < top:
            draft.waits[one.skill] = f"waits for {names}, of a higher priority ({top})"
    return first


def _equal(config: CurriculumConfig, contenders: Sequence[Contender], trained: list[Contender], out: Out) -> Draft:
    draft = Draft()
    for one in _foremost(trained, draft):
        draft.weights[one.skill] = 1.0
    return draft


def _weighted(config: CurriculumConfig, contenders: Sequence[Contender], trained: list[Contender], out: Out) -> Draft:
    draft = Draft()
    for one in _foremost(trained, draft):
        draft.weights[one.skill] = one.plan.weight
        draft.why[one.skill] = f", by its weight of {one.plan.weight:g}"
    return draft


def _catch_up(config: CurriculumConfig, contenders: Sequence[Contender], trained: list[Contender], out: Out) -> Draft:
    draft = Draft()
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


def _focus(config: CurriculumConfig, contenders: Sequence[Contender], trained: list[Contender], out: Out) -> Draft:
    focused = next((one for one in trained if one.skill == config.focus), None)
    if focused is None:
        return _without_focus(config, contenders, trained, out)
    draft, rest = Draft(), 1 - config.focus_share
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
) -> Draft:  # fmt: skip
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
    draft = Draft()
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


def _add_replays(config: CurriculumConfig, draft: Draft, reached: list[Contender]) -> None:
    """A skill that has reached its end keeps, of the share that it would have, what its quests gave to mastered levels."""
    common = len(draft.weights) and sum(draft.weights.values()) / len(draft.weights)
    if config.strategy == "focus" and config.focus in draft.weights:
        common = (1 - config.focus_share) / max(1, len(draft.weights) - 1)
    for one in reached:
        target = f"its target level {one.plan.target} is mastered" if one.has_reached else "all its levels are mastered"
        base = one.plan.weight if config.strategy == "weighted" and draft.weights else common
        if base * one.replay > _EPSILON:
            draft.weights[one.skill] = base * one.replay
            draft.why[one.skill] = f": {target}"
            draft.replayed.add(one.skill)
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
