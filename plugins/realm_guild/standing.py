"""A hero's standing in its skills: the one writer of `status/skills/<hero>/`, and the rule by which levels rise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from realm_cli import risks, skillstate, store
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.errors import RefusedError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import JournalRecord, now
from realm_cli.skill_records import Mastery, SkillState
from realm_cli.skillbook import GuildSkill
from realm_guild.telling import tell_once

LEVEL_UP = "skill_level"


@contextmanager
def _lock(realm: Realm, hero: str) -> Iterator[None]:
    with store.locked(realm.skill_states / f".{hero}.lock"):
        yield


def change(realm: Realm, hero: str, skill: str, **changes: Any) -> SkillState:
    """Change fields of a standing, durably; a skill that the hero has not met begins at level 1."""
    with _lock(realm, hero):
        return _write(realm, _present(realm, hero, skill), **changes)


def _present(realm: Realm, hero: str, skill: str) -> SkillState:
    return skillstate.read(realm, hero, skill) or SkillState(hero=hero, skill=skill)


def _write(realm: Realm, present: SkillState, **changes: Any) -> SkillState:
    """`change` for a holder of the lock."""
    changed = msgspec.structs.replace(present, **changes)
    path = skillstate.state_path(realm, present.hero, present.skill)
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_record(path, changed, durable=True)
    return changed


def meet(realm: Realm, hero: str, skill: str) -> SkillState:
    """The standing; made at level 1 when the hero meets the skill for the first time."""
    return skillstate.read(realm, hero, skill) or change(realm, hero, skill)


def review(realm: Realm, manager: Manager, entry: GuildSkill, hero: str, record: LedgerRecord) -> list[Mastery]:
    """Raise the level as often as the evals up to this checkpoint allow. Each rise is on disk before it is told."""
    risen = []
    while (mastery := _rise(realm, entry, hero, record)) is not None:
        tell(realm, manager, hero, entry.config.id, mastery)
        risen.append(mastery)
    return risen


def _rise(realm: Realm, entry: GuildSkill, hero: str, record: LedgerRecord) -> Mastery | None:
    """Raise the level by one when the rule gives it. All of it under the lock: a person may relearn meanwhile."""
    highest = entry.config.max_level
    with _lock(realm, hero):
        state = _present(realm, hero, entry.config.id)
        if state.level in state.mastered_levels and state.level < highest:  # max_level was raised since
            state = _write(realm, state, level=state.level + 1)
        mastery = _earned(realm, entry, state, record)
        if mastery is not None:
            _write(realm, state, level=min(state.level + 1, highest), mastered=[*state.mastered, mastery])
        return mastery


def _earned(realm: Realm, entry: GuildSkill, state: SkillState, record: LedgerRecord) -> Mastery | None:
    """The mastery of the level in training, when the rule gives it: mean over three checkpoints at the threshold."""
    if state.level in state.mastered_levels:
        return None  # the highest level
    lines = skillstate.lines(realm, state.hero, entry.config.id, recent=True)
    found = skillstate.standing(lines, state.level, since=state.counts_from, upto=record.step)
    if not found.passes(entry.config.eval.threshold) or found.accuracy is None or found.interval is None:
        return None
    return Mastery(
        level=state.level, step=record.step, checkpoint=record.canonical_name, accuracy=round(found.accuracy, 4),
        interval=found.interval, steps=found.steps, at=now(),
    )  # fmt: skip


def tell(realm: Realm, manager: Manager, hero: str, skill: str, mastery: Mastery) -> None:
    """Write a mastery into the journal and tell the listeners, unless that was done before a kill."""
    facts = {
        "skill": skill, "level": mastery.level, "accuracy": mastery.accuracy, "interval": list(mastery.interval),
        "evals": mastery.steps, "checkpoint": mastery.checkpoint,
    }  # fmt: skip
    entry = JournalRecord(entry=LEVEL_UP, time=mastery.at, hero=hero, step=mastery.step, facts=facts)
    tell_once(realm, manager, entry, "skill_level_up")


def mend(realm: Realm, manager: Manager, hero: str, skill: str, step: int) -> None:
    """Tell the masteries of this checkpoint when a kill came between the standing and the journal."""
    state = skillstate.read(realm, hero, skill)
    for mastery in state.mastered if state else []:
        if mastery.step == step:
            tell(realm, manager, hero, skill, mastery)


def relearn(realm: Realm, manager: Manager, entry: GuildSkill, hero: str, level: int, step: int) -> SkillState:
    """Go back to `level`: it and all above count as not mastered, and only evals after `step` count."""
    entry.check_level(level)
    risks.before(realm, manager, f"relearning {entry.config.id} level {level}")
    with _lock(realm, hero):
        state = _present(realm, hero, entry.config.id)
        if level not in state.mastered_levels:
            raise RefusedError(
                f"{hero} has not mastered {entry.config.id} level {level}; it trains level {state.level}",
                "only a mastered level can be relearned",
            )
        kept = [mastery for mastery in state.mastered if mastery.level < level]
        changed = _write(realm, state, level=level, mastered=kept, counts_from=step + 1)
    facts = {"skill": entry.config.id, "level": level, "from_level": state.level}
    told = JournalRecord(entry="relearn", time=now(), hero=hero, step=step, facts=facts)
    tell_once(realm, manager, told, "skill_relearned")
    return changed
