"""What follows from a checkpoint's evals: levels, and after a rise evals of all that is mastered, stale quests, the crown.

A battle does it between steps, `asking` for evals that are made outside of one. All of it is on disk, so that doing it
again after a kill changes nothing and tells nothing twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from realm_cli import skillstate
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skillbook import GuildSkill
from realm_guild import crown, curriculum, evaluating, standing
from realm_guild.records import EvalResult
from realm_guild.telling import emit_once

log = logging.getLogger("realm.guild")
Act = Callable[[GuildSkill], None]


def settle(
    realm: Realm,
    manager: Manager,
    entries: dict[str, GuildSkill],
    record: LedgerRecord,
    due: list[GuildSkill],
    ask: Act,
    examine: Act,
) -> None:
    """Have the evals of the skills in `due` asked for and made at a checkpoint, and do all that follows from them."""
    rose = [_review(realm, manager, record, entry, ask, examine) for entry in due]
    if any(rose):
        _after_rise(realm, manager, entries, record, examine)


def _review(
    realm: Realm, manager: Manager, record: LedgerRecord, entry: GuildSkill, ask: Act, examine: Act
) -> bool:  # fmt: skip
    """The evals of one skill, then its level; whether that rose at this checkpoint."""
    hero = record.hero
    standing.mend(realm, manager, hero, entry.config.id, record.step)
    ask(entry)
    examine(entry)
    risen = standing.review(realm, manager, entry, hero, record)
    state = standing.meet(realm, hero, entry.config.id)
    # Also when a kill came right after the rise: what follows from it is done by now or done then.
    return bool(risen) or any(mastery.step == record.step for mastery in state.mastered)


def _after_rise(
    realm: Realm, manager: Manager, entries: dict[str, GuildSkill], record: LedgerRecord, examine: Act
) -> None:
    """What a level-up asks for: evals of all that is mastered, in every skill, and a champion if nothing was lost."""
    for entry in met(realm, entries, record.hero):
        evaluating.ask_for_mastered(realm, entry, record)
        examine(entry)
    curriculum.move_stale(realm, manager, record.hero)
    for flaw in crown.crown(realm, manager, entries, record):
        log.info("no new champion: %s", flaw)


def met(realm: Realm, entries: dict[str, GuildSkill], hero: str) -> list[GuildSkill]:
    """The usable skills that a hero has met."""
    return [entries[name] for name in skillstate.met(realm, hero) if name in entries]


def look_for_loss(realm: Realm, manager: Manager, entry: GuildSkill, result: EvalResult) -> None:
    """A mastered level that fell below its threshold is told; replay brings it back, and no champion comes of it."""
    state = skillstate.read(realm, result.hero, entry.config.id)
    mastered = state.mastered_levels if state else []
    if result.state == "ok" and result.level in mastered and result.accuracy < entry.config.eval.threshold:
        log.warning("%s level %d fell to %.0f %%", result.skill, result.level, 100 * result.accuracy)
        emit_once(
            realm, manager, "skill_regressed", result.at, hero=result.hero, step=result.step, skill=result.skill,
            level=result.level, accuracy=result.accuracy,
        )  # fmt: skip
