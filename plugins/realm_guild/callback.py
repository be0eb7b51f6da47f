"""The guild in a battle's process: evals at checkpoints, levels, champions, and quests when the board is empty."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping

from realm_cli import curriculum as core_curriculum
from realm_cli import inference, skillstate
from realm_cli.callbacks import BattleFace
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.config import CurriculumConfig
from realm_cli.errors import RealmError, SkillAwayError
from realm_cli.ledger import Ledger
from realm_cli.records import EvalView, QuestRecord, SampleView
from realm_cli.skillbook import GuildSkill, open_skills
from realm_guild import curriculum, evaluating, requests, schedule, settling, standing
from realm_guild.records import EvalItem, EvalResult
from realm_guild.schedule import Decision, Turn

log = logging.getLogger("realm.guild")


class GuildCallback:
    """What the guild does between steps. All it knows is on disk, so that a battle that was killed does the same."""

    def __init__(self) -> None:
        self._entries: dict[str, GuildSkill] | None = None
        self._made_up_for: set[str] = set()
        """Skills of which no forge was left half done."""
        self._left_out: dict[str, str] = {}
        """Skills that could not be used when that was tried last, and why."""
        self._settings: CurriculumConfig | None = None
        """The curriculum's settings, as the last good file had them."""

    def at_checkpoint(self, battle: BattleFace) -> None:
        """Evals of the skills that the hero has met, then levels, then the crown.

        With an inference host they are only asked for: whoever makes them there does the rest.
        """
        realm, record = battle.realm, Ledger(battle.realm, battle.hero).get(battle.step)
        learned = self._learned(battle, record)

        def ask(entry: GuildSkill) -> None:
            evaluating.ask_for_checkpoint(realm, entry, record)

        if self._is_elsewhere(battle):
            for entry in learned:
                ask(entry)
        else:
            examine = functools.partial(self._examine, battle)
            settling.settle(realm, battle.manager, self._all(battle), record, learned, ask, examine)
        self._check_goals(battle)

    def on_empty_board(self, battle: BattleFace) -> bool:
        """Forge the next quest, unless someone's own quest waits in low."""
        if not curriculum.only_stale_left(battle.realm, battle.hero):
            return False
        away: dict[str, str] = {}
        while (turn := (decision := self._decide(battle, away)).next) is not None:
            record = self._forge(battle, turn, away)
            if record is not None:
                log.info("forged %s: %d samples", record.name, record.samples)
                return True
        battle.explain(decision.why_nothing)
        return False

    def _decide(self, battle: BattleFace, away: Mapping[str, str]) -> Decision:
        """Which skill is next, by the settings as they are at this moment; those that are `away` were just tried."""
        entries = self._all(battle)
        try:
            self._settings = core_curriculum.settings(battle.realm)
        except RealmError as error:
            log.warning("the curriculum stays as it was: %s", error.message)
        settings = self._settings or battle.realm.config.curriculum
        configs = [entry.config for entry in entries.values()]
        away = {**self._left_out, **away}
        return schedule.decide(settings, curriculum.contenders(battle.realm, battle.hero, configs, settings, away))

    def _forge(self, battle: BattleFace, turn: Turn, away: dict[str, str]) -> QuestRecord | None:
        """A quest that was counted and is missing, else the next one; None when a server turned out to be away."""
        entries = self._all(battle)
        trying = ""
        try:
            for trying in skillstate.met(battle.realm, battle.hero):
                if trying in entries and trying not in {*self._made_up_for, *away}:
                    record = curriculum.forge_missing(battle.realm, battle.manager, entries[trying], battle.hero)
                    self._made_up_for.add(trying)
                    if record is not None:
                        return record
            trying = turn.skill
            return self._next(battle, entries[trying], turn)
        except SkillAwayError as error:
            # Counting its next quest would lose the one that was counted: it is out until its server is back.
            away[trying] = error.message
            return None

    def _next(self, battle: BattleFace, entry: GuildSkill, turn: Turn) -> QuestRecord:
        """The next quest. Where the disk refuses it half-way, the next call looks for it."""
        name = entry.config.id
        self._made_up_for.discard(name)
        record = curriculum.forge_next(battle.realm, battle.manager, entry, battle.hero, turn)
        self._made_up_for.add(name)
        return record

    def _all(self, battle: BattleFace) -> dict[str, GuildSkill]:
        """The skills of the realm; one that cannot be used is said once, and tried again each time."""
        if self._entries is None or self._left_out:
            usable, broken = open_skills(battle.realm, battle.manager)
            for name, why in broken.items():
                if name not in self._left_out:
                    log.warning("skill '%s' is left out: %s", name, why)
            self._entries = {entry.config.id: entry for entry in usable} | (self._entries or {})
            self._left_out = broken
        return self._entries

    def _learned(self, battle: BattleFace, record: LedgerRecord) -> list[GuildSkill]:
        """The skills that the hero has met; one met for the first time is the one that was just trained."""
        entries = self._all(battle)
        if record.skill_name in entries:
            standing.meet(battle.realm, battle.hero, record.skill_name)
        return settling.met(battle.realm, entries, battle.hero)

    def _is_elsewhere(self, battle: BattleFace) -> bool:
        """Whether another machine makes the evals. Which one cannot be read only keeps them waiting."""
        try:
            return inference.host_of(battle.realm) is not None
        except RealmError as error:
            log.warning("evals stay pending: %s", error.message)
            return True

    def _examine(self, battle: BattleFace, entry: GuildSkill) -> None:
        generator = battle.generator()
        only = {entry.config.id: entry}
        try:
            made = evaluating.make_pending(battle.realm, battle.manager, only, generator, battle.breathe)
        except SkillAwayError as error:
            requests.explain(battle.realm, battle.hero, battle.step, error.message, entry.config.id)
            log.warning("evals of %s at step %d stay pending: %s", entry.config.id, battle.step, error.message)
            return
        state = standing.meet(battle.realm, battle.hero, entry.config.id)
        for result in made:
            if result.level == state.level:
                battle.show_eval(_view(result))
            settling.look_for_loss(battle.realm, battle.manager, entry, result)

    def _check_goals(self, battle: BattleFace) -> None:
        goals = battle.orders.until
        levels = {skill: self._level(battle, skill) for skill in goals}
        if goals and all(levels[skill] >= level for skill, level in goals.items()):
            reached = ", ".join(f"{skill} is at level {level}" for skill, level in levels.items())
            battle.end(f"the goal is reached: {reached}")

    def _level(self, battle: BattleFace, skill: str) -> int:
        state = skillstate.read(battle.realm, battle.hero, skill)
        return state.level if state else 1


def _view(result: EvalResult) -> EvalView:
    return EvalView(
        skill=result.skill, level=result.level, step=result.step, correct=result.correct, size=result.size,
        closed=result.closed, right=_sample(result, True), wrong=_sample(result, False),
    )  # fmt: skip


def _sample(result: EvalResult, correct: bool) -> SampleView | None:
    item: EvalItem | None = next((item for item in result.items if item.correct is correct), None)
    return SampleView(prompt=item.prompt, golden=item.expected, answer=item.reply) if item else None
