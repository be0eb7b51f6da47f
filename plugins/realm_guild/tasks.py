"""What the guild offers for idle machines: the evals that wait, and quests in store."""

from __future__ import annotations

from realm_cli import inference, status
from realm_cli.errors import AwayError
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.skillbook import open_skill, skill_ids
from realm_cli.tasks import Task

SKILL = "bin"
ENOUGH = 3
"""Quests in high and normal with which nothing has to be forged in advance."""


def _no_evals(realm: Realm) -> str:
    if not any(realm.pending_evals.glob("*.json")) and not any(realm.pending_evals.glob(".claimed/*.json.*")):
        return "no eval is pending"
    if inference.host_of(realm) is None and status.battle_process(realm) is not None:
        return "a battle runs here, and makes the evals of its checkpoints itself"
    return ""


def make_evals(realm: Realm, manager: Manager) -> str:
    """Make the evals that wait, on the inference host when there is one. Raises `AwayError` when none could be made."""
    from realm_guild import asking

    outcome = asking.make_pending(realm, manager)
    count = len(outcome.made)
    if outcome.waiting and not count:
        raise AwayError(outcome.waiting[0])
    stayed = f"; {outcome.waiting[0]}" if outcome.waiting else ""
    return f"{count} {'eval' if count == 1 else 'evals'} made{stayed}"


def _no_quest(realm: Realm) -> str:
    """Why no quest is to be forged now."""
    if SKILL not in skill_ids(realm):
        return f"there is no skill {SKILL}"
    waiting = sum(len(Board(realm).files(priority)) for priority in ("high", "normal"))
    if waiting >= ENOUGH:
        return f"the board holds enough: {waiting} quests wait"
    from realm_guild import outlook

    seen = outlook.glance(realm)
    return "" if seen.turn_of(SKILL) else f"{SKILL}: {seen.reason_of(SKILL)}"


def forge_one(realm: Realm, manager: Manager) -> str:
    """Forge one quest at the hero's level, when the curriculum has a share for the skill."""
    from realm_guild import curriculum, outlook

    entry, hero = open_skill(realm, manager, SKILL), realm.config.hero
    seen = outlook.glance(realm)
    turn = seen.turn_of(SKILL)
    if turn is None:
        return f"nothing is forged; {SKILL}: {seen.reason_of(SKILL)}"
    missing = curriculum.forge_missing(realm, manager, entry, hero)
    record = missing or curriculum.forge_next(realm, manager, entry, hero, turn)
    return f"forged {record.name}: {record.samples:,} samples of level {curriculum.level_of(record)}"


EVALS = Task(
    id="process_eval_queue", title="Make pending evals of saved checkpoints", priority=10, gpu="inference",
    estimate_s=120, cooldown_s=60, run=make_evals, idle=_no_evals,
)  # fmt: skip
FORGE = Task(
    id="generate_binary", title="Forge a BIN quest at the hero's level", priority=6, gpu="none", estimate_s=60,
    cooldown_s=300, run=forge_one, idle=_no_quest,
)  # fmt: skip
