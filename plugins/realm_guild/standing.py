"""A hero's standing in its skills: the one writer of `status/skills/<hero>/`, and the rule by which levels rise."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from realm_cli import journal, skillstate, store
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.errors import RefusedError
from realm_cli.events import emit
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import JournalRecord, now
from realm_cli.skill_records import Mastery, SkillState
from realm_cli.skillbook import GuildSkill

LEVEL_UP = "skill_level"


@contextmanager
def _lock(realm: Realm, hero: str) -> Iterator[None]:
    with store.locked(realm.skill_states / f".{hero}.lock"):
        yield


def change(realm: Realm, hero: str, skill: str, **changes: Any) -> SkillState:
    """Change fields of a standing, durably; a skill that the hero has not met begins at level 1."""
    with _lock(realm, hero):
        present = skillstate.read(realm, hero, skill) or SkillState(hero=hero, skill=skill)
        changed = msgspec.structs.replace(present, **changes)
        path = skillstate.state_path(realm, hero, skill)
        path.parent.mkdir(parents=True, exist_ok=True)
        store.write_record(path, changed, durable=True)
        return changed


def meet(realm: Realm, hero: str, skill: str) -> SkillState:
    """The standing; made at level 1 when the hero meets the skill for the first time."""
    return skillstate.read(realm, hero, skill) or change(realm, hero, skill)


def review(realm: Realm, manager: Manager, entry: GuildSkill, hero: str, record: LedgerRecord) -> list[Mastery]:
    """Raise the level as often as the evals up to this checkpoint allow. Each rise is on disk before it is told."""
    risen = []
    while (mastery := _earned(realm, entry, hero, record)) is not None:
        state = meet(realm, hero, entry.config.id)
        level = min(state.level + 1, entry.config.max_level)
        change(realm, hero, entry.config.id, level=level, mastered=[*state.mastered, mastery])
        tell(realm, manager, hero, entry.config.id, mastery)
        risen.append(mastery)
    return risen


def _earned(realm: Realm, entry: GuildSkill, hero: str, record: LedgerRecord) -> Mastery | None:
    """The mastery of the level in training, when the rule gives it: mean over three checkpoints at the threshold."""
    state = meet(realm, hero, entry.config.id)
    if state.level in state.mastered_levels:
        return None  # the highest level
    lines = skillstate.lines(realm, hero, entry.config.id, recent=True)
    found = skillstate.standing(lines, state.level, since=state.counts_from, upto=record.step)
    if not found.passes(entry.config.eval.threshold) or found.accuracy is None or found.interval is None:
        return None
    return Mastery(
        level=state.level, step=record.step, checkpoint=record.canonical_name, accuracy=round(found.accuracy, 4),
        interval=found.interval, steps=found.steps, at=now(),
    )  # fmt: skip


def tell(realm: Realm, manager: Manager, hero: str, skill: str, mastery: Mastery) -> None:
    """Write a mastery into the journal and tell the listeners; nothing when the journal has it."""
    if _is_told(realm, hero, skill, mastery):
        return
    facts = {
        "skill": skill, "level": mastery.level, "accuracy": mastery.accuracy, "interval": list(mastery.interval),
        "evals": mastery.steps, "checkpoint": mastery.checkpoint,
    }  # fmt: skip
    entry = JournalRecord(entry=LEVEL_UP, time=mastery.at, hero=hero, step=mastery.step, facts=facts)
    journal.append(realm.journal, entry)
    emit(realm, manager, "skill_level_up", hero=hero, step=mastery.step, **facts)


def _is_told(realm: Realm, hero: str, skill: str, mastery: Mastery) -> bool:
    """Whether this very mastery stands in the journal. It is asked right after the rise, so the file's tail decides."""
    return any(
        line.get("entry") == LEVEL_UP
        and (line.get("hero"), line.get("time")) == (hero, mastery.at)
        and (line.get("facts") or {}).get("skill") == skill
        and (line.get("facts") or {}).get("level") == mastery.level
        for line in store.read_tail(realm.journal, 256 * 1024)
    )


def mend(realm: Realm, manager: Manager, hero: str, skill: str, step: int) -> None:
    """Tell the masteries of this checkpoint when a kill came between the standing and the journal."""
    state = skillstate.read(realm, hero, skill)
    for mastery in state.mastered if state else []:
        if mastery.step == step:
            tell(realm, manager, hero, skill, mastery)


def relearn(realm: Realm, manager: Manager, entry: GuildSkill, hero: str, level: int, step: int) -> SkillState:
    """Go back to `level`: it and all above count as not mastered, and only evals after `step` count."""
    entry.check_level(level)
    state = meet(realm, hero, entry.config.id)
    if level not in state.mastered_levels:
        raise RefusedError(
            f"{hero} has not mastered {entry.config.id} level {level}; it trains level {state.level}",
            "only a mastered level can be relearned",
        )
    kept = [mastery for mastery in state.mastered if mastery.level < level]
    changed = change(realm, hero, entry.config.id, level=level, mastered=kept, counts_from=step + 1)
    facts = {"skill": entry.config.id, "level": level, "from_level": state.level}
    journal.append(realm.journal, JournalRecord(entry="relearn", time=now(), hero=hero, step=step, facts=facts))
    emit(realm, manager, "skill_relearned", hero=hero, step=step, **facts)
    return changed


def is_unlocked(realm: Realm, entry: GuildSkill, hero: str) -> bool:
    """Whether the levels of other skills that `unlock` names are all mastered."""
    mastered = functools.partial(_mastered, realm, hero)
    return all(mastered(skill) >= level for skill, level in entry.config.unlock.items())


def _mastered(realm: Realm, hero: str, skill: str) -> int:
    state = skillstate.read(realm, hero, skill)
    return max(state.mastered_levels, default=0) if state else 0
