"""The canary: an accuracy that contradicts the loss is a bug somewhere (template, eval set, judge), not a result."""

from __future__ import annotations

import math

from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.errors import NotFoundError
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord
from realm_guild.curriculum import level_of
from realm_guild.records import EvalItem, EvalResult

KNOWS = 0.9
"""Expected accuracy, from the loss, from which a hero should answer nearly everything…"""
FAILS = 0.3
"""…so that an accuracy below this contradicts it."""
KNOWS_NOTHING = 0.001
"""Expected accuracy below which nearly every answer should be wrong…"""
SUCCEEDS = 0.8
"""…so that an accuracy from here on contradicts it."""
SHOWN = 3


def contradiction(realm: Realm, result: EvalResult, record: LedgerRecord) -> str:
    """Why the accuracy cannot be true, given the training loss at that checkpoint; empty when it can.

    A loss of l a token means that an answer of n tokens comes out right with probability exp(-l n). That is compared
    only where the checkpoint was trained on that very skill and level.
    """
    quests = _trained(realm, record)
    if result.state != "ok" or record.train_loss is None or not quests:
        return ""
    if any((quest.skill, level_of(quest)) != (result.skill, result.level) for quest in quests):
        return ""
    tokens = sum(quest.trained_tokens for quest in quests) / max(1, sum(quest.samples for quest in quests))
    if not tokens:
        return ""  # the inspection was too quick to count them
    expected = math.exp(-record.train_loss * tokens)
    said = f"a training loss of {record.train_loss:.4f} over {tokens:.0f} tokens an answer promises {expected:.1%}"
    if expected >= KNOWS and result.accuracy < FAILS:
        return f"accuracy {result.accuracy:.0%}, but {said}: do template and judge fit what was trained?"
    if expected <= KNOWS_NOTHING and result.accuracy >= SUCCEEDS:
        return f"accuracy {result.accuracy:.0%}, but {said}: does the prompt hold the answer?"
    return ""


def _trained(realm: Realm, record: LedgerRecord) -> list[QuestRecord]:
    """The quests that were trained since the checkpoint before; none when the record of one is gone."""
    board = Board(realm)
    try:
        return [board.record(share.id) for share in record.quests]
    except NotFoundError:
        return []


def samples_of(result: EvalResult) -> list[EvalItem]:
    """Three items to look at: wrong ones first."""
    return sorted(result.items, key=lambda item: item.correct)[:SHOWN]
