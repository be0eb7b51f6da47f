"""Sparring quests that wait too long expire: they correct mistakes of a hero that has moved on."""

from __future__ import annotations

import logging

from realm_cli.callbacks import BattleFace
from realm_cli.errors import NotFoundError, RefusedError
from realm_cli.events import emit
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord
from realm_sparring import sources

log = logging.getLogger("realm.sparring")
OUTCOME = "expired"


def expire(realm: Realm, manager: Manager, hero: str, step: int) -> list[QuestRecord]:
    """End the queued sparring quests of a hero that are stale when it stands at `step`."""
    ended: list[QuestRecord] = []
    for file, _, source in sources.waiting(realm):
        if source.hero != hero or not sources.is_stale(realm, source, step):
            continue
        reason = (
            f"it corrects {hero} as it was at step {source.step}; at step {step} that is more than"
            f" {realm.config.sparring.stale_steps} steps ago"
        )
        try:
            record = Board(realm).cancel(file.id, reason, OUTCOME)
        except (NotFoundError, RefusedError) as error:
            log.info("quest %s did not expire: %s", file.id, error.message)
            continue  # a battle or a person was faster
        log.info("quest %s (%s) expired: %s", record.id, record.name, reason)
        emit(realm, manager, "quest_expired", quest=record.id, file=record.name, reason=reason)
        ended.append(record)
    return ended


class SparringCallback:
    """What sparring does between a battle's steps: before a quest is claimed, the stale ones expire."""

    def at_checkpoint(self, battle: BattleFace) -> None:
        """Let the stale ones expire."""
        expire(battle.realm, battle.manager, battle.hero, battle.step)

    def on_empty_board(self, battle: BattleFace) -> bool:
        """Nothing is queued from here: sparring needs time, and a battle is to train."""
        return False
