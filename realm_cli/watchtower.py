"""The watchtower: reads everything into one snapshot, changes nothing. `realm status` and the page show it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from realm_cli import inbox, journal, status
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.process import is_running
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import TrainingStatus, seconds_since
from realm_cli.skills import is_closed

log = logging.getLogger("realm.watchtower")

STEPS_PER_LEVEL = 1000
GOLD_PER_QUEST = 100
ENDED = ("stopped", "failed")


@dataclass(frozen=True)
class Snapshot:
    """One look at the realm; the dictionaries have the stable keys of `realm status --json`."""

    hero: dict[str, Any]
    battle: dict[str, Any]
    board: dict[str, Any]
    skills: dict[str, Any]
    training: TrainingStatus | None
    """What the battle wrote last, whole."""

    @property
    def battle_state(self) -> str:
        """The state of the battle, `dead` when it ended without saying so."""
        return str(self.battle["state"])

    def as_json(self) -> dict[str, Any]:
        """The document of `realm status --json`."""
        return {"hero": self.hero, "battle": self.battle, "board": self.board, "skills": self.skills}


def gaze(realm: Realm, manager: Manager) -> Snapshot:
    """Look at everything once."""
    training = status.read(realm)
    return Snapshot(
        hero=_hero(realm, training),
        battle=_battle(training),
        board=_board(realm),
        skills=_skills(manager),
        training=training,
    )


def _hero(realm: Realm, training: TrainingStatus | None) -> dict[str, Any]:
    name = realm.config.hero
    ledger = Ledger(realm, name)
    steps = ledger.steps()
    mine = training if training is not None and training.hero == name else None
    alive = mine is not None and is_running(mine.process)
    step = mine.step if alive and mine else (steps[0] if steps else 0)
    newest = next(iter(ledger.list_all(1)), None) if mine is None else None
    loss = mine.smoothed_loss if mine else (newest.train_loss if newest else None)
    val_loss = mine.val_loss if mine else (newest.val_loss if newest else None)
    return {
        "name": name,
        "step": step,
        "level": step // STEPS_PER_LEVEL,
        "xp": step,
        "gold": GOLD_PER_QUEST * journal.count_completed(realm.journal, name),
        "atk": _inverse(loss),
        "def": _inverse(val_loss),
        "acc": None,
        "loss": loss,
        "val_loss": val_loss,
        "checkpoints": len(steps),
    }


def _inverse(value: float | None) -> float | None:
    """1/loss, guarded at 0."""
    return None if value is None or value <= 0 else round(1 / value, 4)


def _battle(training: TrainingStatus | None) -> dict[str, Any]:
    if training is None:
        return {
            "state": "stopped", "reason": "no battle has run yet", "quest": None, "quest_name": None, "step": None,
            "epoch": None, "samples_done": None, "samples_total": None, "loss": None, "tokens_per_s": None,
            "eta_s": None, "board_eta_s": None, "heartbeat_age_s": None, "pid": None,
        }  # fmt: skip
    alive = is_running(training.process)
    state, reason = training.state, training.reason
    if not alive and state not in ENDED:
        state = "dead"
        reason = (
            f"it ended without saying so while {training.state} at step {training.step}; the next start goes on exactly"
        )
    return {
        "state": state,
        "reason": reason,
        "quest": training.quest or None,
        "quest_name": training.quest_name or None,
        "step": training.step,
        "epoch": training.epoch,
        "samples_done": training.samples_done,
        "samples_total": training.samples_total,
        "loss": training.loss,
        "tokens_per_s": training.tokens_per_s if alive else None,
        "eta_s": training.eta_s if alive else None,
        "board_eta_s": training.board_eta_s if alive else None,
        "heartbeat_age_s": round(seconds_since(training.heartbeat), 1),
        "pid": training.process.pid if alive else None,
    }


def _board(realm: Realm) -> dict[str, Any]:
    counts = Board(realm).counts()
    counts.pop("recently_completed")
    return {
        "inbox": inbox.waiting(realm),
        **counts,
        "completed": journal.count_completed(realm.journal),
    }


def _skills(manager: Manager) -> dict[str, Any]:
    """Every skill at the level in training; nothing is mastered before there are evals."""
    found = {}
    for name in sorted(manager.parts("realm_skills")):
        try:
            closed = is_closed(manager.skill(name), 1)
        except Exception as error:  # the edge of a plugin
            log.warning("skill '%s' is left out: %s", name, error)
            continue
        found[name] = {"level": 1, "accuracy": None, "interval": None, "evals": 0, "closed": closed}
    return found
