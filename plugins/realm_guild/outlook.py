"""What is forged next and why, as it stands on disk: the same for the command, the page, tasks and JSON. Read only."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from realm_cli import curriculum as settings_of
from realm_cli import skillbook, skillstate
from realm_cli.config import CurriculumConfig
from realm_cli.errors import RealmError
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord
from realm_cli.skillbook import SkillConfig
from realm_guild import curriculum, presets, schedule
from realm_guild.schedule import Decision, Turn
from realm_guild.strategies import Contender

UPCOMING = 12
"""Turns that are foretold."""


@dataclass(frozen=True)
class Outlook:
    """The settings, how the skills stand, and what follows."""

    hero: str
    settings: CurriculumConfig
    configs: dict[str, SkillConfig]
    contenders: list[Contender]
    decision: Decision

    def turn_of(self, skill: str) -> Turn | None:
        """A turn of one skill, be it the next or not; None when it has no share."""
        return self.decision.turn_of(skill, self.contenders)

    def reason_of(self, skill: str) -> str:
        """Why a skill is forged or not."""
        verdict = self.decision.of(skill)
        return verdict.reason if verdict else "there is no such skill here"


def glance(realm: Realm) -> Outlook:
    """From settings and states alone: no skill's code is loaded."""
    configs, broken = dict[str, SkillConfig](), dict[str, str]()
    for name in skillbook.skill_ids(realm):
        try:
            configs[name] = skillbook.load_config(realm, name)
        except RealmError as error:
            broken[name] = f"it cannot be used: {error.message}"
    return _outlook(realm, configs, broken)


def look(realm: Realm, manager: Manager, settings: CurriculumConfig | None = None) -> Outlook:
    """With the skills themselves, so that one that cannot be used is known for it; under other `settings` if given."""
    usable, broken = skillbook.open_skills(realm, manager)
    reasons = {name: f"it cannot be used: {why}" for name, why in broken.items()}
    return _outlook(realm, {entry.config.id: entry.config for entry in usable}, reasons, settings)


def _outlook(
    realm: Realm, configs: dict[str, SkillConfig], broken: dict[str, str], settings: CurriculumConfig | None = None
) -> Outlook:  # fmt: skip
    settings, hero = settings or settings_of.settings(realm), realm.config.hero
    away = {name: state.away for name in configs if (state := skillstate.read(realm, hero, name)) and state.away}
    contenders = curriculum.contenders(realm, hero, configs.values(), settings, {**away, **broken})
    return Outlook(hero, settings, configs, contenders, schedule.decide(settings, contenders))


def as_json(realm: Realm, seen: Outlook) -> dict[str, Any]:
    """All of it as plain data."""
    settings, decision, board = seen.settings, seen.decision, Board(realm)
    return {
        "hero": seen.hero, "strategy": settings.strategy, "focus": settings.focus, "focus_share": settings.focus_share,
        "preset": presets.name_of(settings, seen.configs), "notes": decision.notes,
        "next": _turn(seen, decision.next) if decision.next else None,
        "why_nothing": "" if decision.next else decision.why_nothing,
        "upcoming": [_turn(seen, turn) for turn in schedule.upcoming(settings, seen.contenders, UPCOMING)],
        "skills": [_skill(seen, one) for one in seen.contenders],
        "waiting": {priority: len(board.files(priority)) for priority in ("high", "normal", "low")},
        "low_first": not curriculum.only_stale_left(realm, seen.hero),
        "stale": [_stale(one) for one in curriculum.stale_in(realm, seen.hero, "low")],
    }  # fmt: skip


def _turn(seen: Outlook, turn: Turn) -> dict[str, Any]:
    rows = seen.configs[turn.skill].forge.samples_at(turn.level)
    return {
        "skill": turn.skill, "level": turn.level, "is_replay": turn.is_replay, "rows": rows, "share": turn.share,
        "reason": turn.reason,
    }  # fmt: skip


def _skill(seen: Outlook, one: Contender) -> dict[str, Any]:
    verdict, config = seen.decision.of(one.skill), seen.configs.get(one.skill)
    return {
        "id": one.skill, "name": config.name if config else one.skill, "icon": config.icon if config else "",
        "color": config.color if config else "#888888",
        "state": verdict.state if verdict else "away", "reason": verdict.reason if verdict else "",
        "share": verdict.share if verdict else 0.0, "level": one.level, "max_level": config.max_level if config else None,
        "mastered": one.mastered, "locked_by": dict(one.locked_by), "forged": one.forged, "replay": one.replay,
        "enabled": one.plan.enabled, "priority": one.plan.priority, "weight": one.plan.weight, "target": one.plan.target,
    }  # fmt: skip


def _stale(record: QuestRecord) -> dict[str, Any]:
    level = curriculum.level_of(record)
    return {
        "id": record.id, "name": record.name, "skill": record.skill, "level": level, "priority": record.priority,
        "reason": f"{record.skill} level {level} is mastered",
    }  # fmt: skip


# -- in words ------------------------------------------------------------------------------------------------------


def words(turn: dict[str, Any]) -> str:
    """`bin 3`; a replay is called one."""
    return f"{turn['skill']} {turn['level']}{' (replay)' if turn['is_replay'] else ''}"


def runs(turns: list[dict[str, Any]]) -> str:
    """`bin 3, sy 1, bin 3 (4 times)`."""
    counted = [(text, len(list(same))) for text, same in groupby(turns, words)]
    return ", ".join(text if count == 1 else f"{text} ({count} times)" for text, count in counted)


def next_words(found: dict[str, Any]) -> str:
    """What is forged next and why, in one line."""
    turn = found["next"]
    if turn is None:
        return str(found["why_nothing"])
    what = f"a replay of {turn['skill']} up to level" if turn["is_replay"] else f"{turn['skill']} level"
    return f"{what} {turn['level']}, {turn['rows']:,} rows: {turn['reason']}"


def when_words(found: dict[str, Any]) -> str:
    """When that quest is forged."""
    waiting = found["waiting"]["high"] + found["waiting"]["normal"]
    text = f"once high and normal are empty ({waiting} {'quest waits' if waiting == 1 else 'quests wait'} there)"
    return f"{text} and the quests in low that a person put there are trained" if found["low_first"] else text


def value(given: Any) -> str:
    """A setting for people."""
    if given is None:
        return "none"
    if isinstance(given, bool):
        return "yes" if given else "no"
    return f"{given:g}" if isinstance(given, float) else str(given) or "none"
