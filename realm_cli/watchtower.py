"""The watchtower: reads everything into one snapshot, changes nothing. `realm status` and the page show it."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from realm_cli import belonging, champions, inbox, journal, skillstate, status, store, surroundings
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.process import is_running
from realm_cli.questfiles import FILE_NAME
from realm_cli.quests import STATES, Board
from realm_cli.realm import Realm
from realm_cli.records import EventRecord, TrainingStatus, seconds_since
from realm_cli.skill_records import EvalLine, Mastery, SkillState
from realm_cli.skillbook import GuildSkill, open_skills
from realm_cli.skills import is_closed
from realm_cli.snapshot_records import BattleView, BoardView, ChampionView, HeroView, MasteryView, SkillView
from realm_cli.surroundings import Surroundings

log = logging.getLogger("realm.watchtower")

STEPS_PER_LEVEL = 1000
GOLD_PER_QUEST = 100
ENDED = ("stopped", "failed")
UNCHANGED_NS = 2_000_000_000
"""A folder that changed later than this before it was listed may change once more within the same tick of its clock."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the realm."""

    hero: HeroView
    battle: BattleView
    board: BoardView
    skills: dict[str, SkillView]
    training: TrainingStatus | None
    """What the battle wrote last, whole."""
    champion: ChampionView | None
    pending_evals: int
    around: Surroundings
    """Services, tasks, GPUs, disk, health, transfers, what the Oracle has loaded."""

    @property
    def battle_state(self) -> str:
        """The state of the battle, `dead` when it ended without saying so."""
        return self.battle.state

    def as_json(self) -> dict[str, Any]:
        """The document of `realm status --json`."""
        shown = {name: getattr(self, name) for name in ("hero", "battle", "board", "skills", "champion")}
        plain: dict[str, Any] = msgspec.to_builtins({**shown, "pending_evals": self.pending_evals})
        return {**plain, **msgspec.to_builtins(self.around)}


def gaze(realm: Realm, manager: Manager) -> Snapshot:
    """Look at everything once."""
    training, skills = status.read(realm), _skills(realm, manager)
    return Snapshot(
        hero=_hero(realm, training, skills),
        battle=_battle(training),
        board=_board(realm),
        skills=skills,
        training=training,
        champion=_champion(realm),
        pending_evals=sum(1 for _ in realm.pending_evals.glob("*.json")),
        around=surroundings.look(realm, manager),
    )


def refreshed(before: Snapshot, training: TrainingStatus | None) -> Snapshot:
    """The snapshot with what the battle says now; nothing else is read again."""
    hero = before.hero
    if training is not None and training.hero == hero.name and is_running(training.process):
        loss, val_loss, step = training.smoothed_loss, training.val_loss, training.step
        hero = replace(
            hero, step=step, xp=step, level=step // STEPS_PER_LEVEL, atk=_inverse(loss), defence=_inverse(val_loss),
            loss=loss, val_loss=val_loss,
        )  # fmt: skip
    return replace(before, hero=hero, battle=_battle(training), training=training)


def _hero(realm: Realm, training: TrainingStatus | None, skills: dict[str, SkillView]) -> HeroView:
    name = realm.config.hero
    ledger = Ledger(realm, name)
    steps = ledger.steps()
    mine = training if training is not None and training.hero == name else None
    alive = mine is not None and is_running(mine.process)
    step = mine.step if alive and mine else (steps[0] if steps else 0)
    newest = next(iter(ledger.list_all(1)), None) if mine is None else None
    loss = mine.smoothed_loss if mine else (newest.train_loss if newest else None)
    val_loss = mine.val_loss if mine else (newest.val_loss if newest else None)
    return HeroView(
        name=name, step=step, level=step // STEPS_PER_LEVEL, xp=step,
        gold=GOLD_PER_QUEST * journal.count_completed(realm.journal, name), atk=_inverse(loss),
        defence=_inverse(val_loss), acc=_accuracy(skills), loss=loss, val_loss=val_loss, checkpoints=len(steps),
    )  # fmt: skip


def _accuracy(skills: dict[str, SkillView]) -> float | None:
    """ACC: mean eval accuracy of the levels in training, over the skills that were evaluated."""
    found = [skill.accuracy for skill in skills.values() if skill.accuracy is not None]
    return sum(found) / len(found) if found else None


def _inverse(value: float | None) -> float | None:
    """1/loss, guarded at 0."""
    return None if value is None or value <= 0 else round(1 / value, 4)


def _battle(training: TrainingStatus | None) -> BattleView:
    if training is None:
        return BattleView(state="stopped", reason="no battle has run yet")
    alive = is_running(training.process)
    state, reason = training.state, training.reason
    if not alive and state not in ENDED:
        state = "dead"
        what = belonging.COPIED if belonging.is_nobody(training.process) else "it ended without saying so"
        reason = f"{what} while {training.state} at step {training.step}; the next start goes on exactly"
    return BattleView(
        state=state, reason=reason, quest=training.quest or None, quest_name=training.quest_name or None,
        step=training.step, epoch=training.epoch, samples_done=training.samples_done,
        samples_total=training.samples_total, loss=training.loss,
        tokens_per_s=training.tokens_per_s if alive else None, eta_s=training.eta_s if alive else None,
        board_eta_s=training.board_eta_s if alive else None,
        heartbeat_age_s=round(seconds_since(training.heartbeat), 1), pid=training.process.pid if alive else None,
    )  # fmt: skip


def _board(realm: Realm) -> BoardView:
    board = Board(realm)
    counts = {state: _count(board.folder(state)) for state in STATES if state != "recently_completed"}
    return BoardView(inbox=inbox.waiting(realm), **counts, completed=journal.count_completed(realm.journal))


_counted: dict[Path, tuple[tuple[int, int], int]] = {}
"""(time and inode of the folder, how many quests it held), for a process that looks again and again."""


def _count(folder: Path) -> int:
    """How many quests lie in a folder; one that has not changed since is not listed again."""
    try:
        facts = folder.stat()
        mark = (facts.st_mtime_ns, facts.st_ino)
        known = _counted.get(folder)
        if known is not None and known[0] == mark:
            return known[1]
        count = sum(1 for name in os.listdir(folder) if FILE_NAME.fullmatch(name))
    except FileNotFoundError:
        return 0
    if time.time_ns() - facts.st_mtime_ns > UNCHANGED_NS:
        _counted[folder] = (mark, count)
    return count


def _skills(realm: Realm, manager: Manager) -> dict[str, SkillView]:
    """Every usable skill at the level in training, as the active hero stands."""
    usable, broken = open_skills(realm, manager)
    for name, problem in broken.items():
        log.warning("skill '%s' is left out: %s", name, problem)
    return {entry.config.id: _skill(realm, entry) for entry in usable}


def _skill(realm: Realm, entry: GuildSkill) -> SkillView:
    hero, name = realm.config.hero, entry.config.id
    state = skillstate.read(realm, hero, name) or SkillState(hero=hero, skill=name)
    lines = skillstate.lines(realm, hero, name, recent=True)
    found = skillstate.standing(lines, state.level, since=state.counts_from)
    return SkillView(
        level=state.level,
        accuracy=found.accuracy,
        interval=found.interval,
        evals=len(found.steps),
        closed=is_closed(entry.skill, state.level),
        threshold=entry.config.eval.threshold,
        max_level=entry.config.max_level,
        mastered=[_mastery(entry, mastery, lines) for mastery in state.mastered],
        recent=[round(line.accuracy, 4) for line in lines if line.level == state.level and line.state == "ok"][-12:],
        flagged=lines[-1].flagged if lines else "",
        unlock=skillstate.locked_by(realm, hero, entry.config.unlock),
    )


def _mastery(entry: GuildSkill, mastery: Mastery, lines: list[EvalLine]) -> MasteryView:
    last = next((line for line in reversed(lines) if line.level == mastery.level and line.state == "ok"), None)
    return MasteryView(
        level=mastery.level, step=mastery.step, accuracy=mastery.accuracy, interval=mastery.interval,
        closed=is_closed(entry.skill, mastery.level), now=last.accuracy if last else None,
    )  # fmt: skip


def _champion(realm: Realm) -> ChampionView | None:
    record = champions.read(realm, realm.config.hero)
    return None if record is None else ChampionView(step=record.step, name=record.checkpoint, by=record.by)


def recent_events(realm: Realm, count: int) -> list[EventRecord]:
    """The last events, oldest first."""
    tail = store.read_tail(realm.events, 64 * 1024)[-count:]
    return [EventRecord.from_dict(data, str(realm.events)) for data in tail]
