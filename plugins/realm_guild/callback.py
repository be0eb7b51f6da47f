"""The guild in a battle's process: evals at checkpoints, levels, champions, and quests when the board is empty."""

from __future__ import annotations

import logging

from realm_cli import skillstate
from realm_cli.callbacks import BattleFace
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.events import emit
from realm_cli.ledger import Ledger
from realm_cli.records import EvalView, QuestRecord, SampleView
from realm_cli.skillbook import GuildSkill, open_skills
from realm_guild import crown, curriculum, evaluating, standing
from realm_guild.records import EvalItem, EvalResult

log = logging.getLogger("realm.guild")


class GuildCallback:
    """What the guild does between steps. All it knows is on disk, so that a battle that was killed does the same."""

    def __init__(self) -> None:
        self._entries: dict[str, GuildSkill] | None = None
        self._made_up_for: set[str] = set()
        """Skills of which no forge was left half done."""

    def at_checkpoint(self, battle: BattleFace) -> None:
        """Evals of the skills that the hero has met, then levels, then the crown."""
        record = Ledger(battle.realm, battle.hero).get(battle.step)
        learned = self._learned(battle, record)
        rose = [self._review(battle, entry, record) for entry in learned]
        if any(rose):
            self._after_rise(battle, learned, record)
        self._check_goals(battle)

    def on_empty_board(self, battle: BattleFace) -> bool:
        """Forge the next quest, unless someone's own quest waits in low."""
        if not curriculum.only_stale_left(battle.realm, battle.hero):
            return False
        entry = curriculum.next_skill(battle.realm, self._all(battle), battle.hero)
        if entry is None:
            battle.explain(
                "no skill can be forged: see `realm skill list`, and curriculum.skills in configs/realm.yaml"
            )
            return False
        record = self._missing(battle) or self._next(battle, entry)
        log.info("forged %s: %d samples", record.name, record.samples)
        return True

    def _next(self, battle: BattleFace, entry: GuildSkill) -> QuestRecord:
        """The next quest. Where the disk refuses it half-way, the next call looks for it."""
        name = entry.config.id
        self._made_up_for.discard(name)
        record = curriculum.forge_next(battle.realm, battle.manager, entry, battle.hero)
        self._made_up_for.add(name)
        return record

    def _missing(self, battle: BattleFace) -> QuestRecord | None:
        """A quest that was counted, but that a kill or a full disk kept from the board."""
        for name in skillstate.met(battle.realm, battle.hero):
            entry = self._all(battle).get(name)
            if entry is None or name in self._made_up_for:
                continue
            record = curriculum.forge_missing(battle.realm, battle.manager, entry, battle.hero)
            self._made_up_for.add(name)
            if record is not None:
                return record
        return None

    def _all(self, battle: BattleFace) -> dict[str, GuildSkill]:
        """The skills of the realm; one that cannot be used is said once."""
        if self._entries is None:
            usable, broken = open_skills(battle.realm, battle.manager)
            for name, why in broken.items():
                log.warning("skill '%s' is left out: %s", name, why)
            self._entries = {entry.config.id: entry for entry in usable}
        return self._entries

    def _learned(self, battle: BattleFace, record: LedgerRecord) -> list[GuildSkill]:
        """The skills that the hero has met; one met for the first time is the one that was just trained."""
        entries = self._all(battle)
        if record.skill_name in entries:
            standing.meet(battle.realm, battle.hero, record.skill_name)
        return [entries[name] for name in skillstate.met(battle.realm, battle.hero) if name in entries]

    def _review(self, battle: BattleFace, entry: GuildSkill, record: LedgerRecord) -> bool:
        """The evals of one skill, then its level; whether that rose at this checkpoint."""
        realm, manager, hero = battle.realm, battle.manager, battle.hero
        standing.mend(realm, manager, hero, entry.config.id, record.step)
        evaluating.ask_for_checkpoint(realm, entry, record)
        self._examine(battle, entry)
        risen = standing.review(realm, manager, entry, hero, record)
        state = standing.meet(realm, hero, entry.config.id)
        # Also when a kill came right after the rise: what follows from it is done by now or done then.
        return bool(risen) or any(mastery.step == record.step for mastery in state.mastered)

    def _after_rise(self, battle: BattleFace, learned: list[GuildSkill], record: LedgerRecord) -> None:
        """What a level-up asks for: evals of all that is mastered, in every skill, and a champion if nothing was lost."""
        for entry in learned:
            evaluating.ask_for_mastered(battle.realm, entry, record)
            self._examine(battle, entry)
        curriculum.move_stale(battle.realm, battle.manager, battle.hero)
        for flaw in crown.crown(battle.realm, battle.manager, self._all(battle), record):
            log.info("no new champion: %s", flaw)

    def _examine(self, battle: BattleFace, entry: GuildSkill) -> None:
        generator = battle.generator()
        only = {entry.config.id: entry}
        made = evaluating.make_pending(battle.realm, battle.manager, only, generator, battle.breathe)
        state = standing.meet(battle.realm, battle.hero, entry.config.id)
        for result in made:
            if result.level == state.level:
                battle.show_eval(_view(result))
            self._look_for_loss(battle, entry, result, state.mastered_levels)

    def _look_for_loss(self, battle: BattleFace, entry: GuildSkill, result: EvalResult, mastered: list[int]) -> None:
        """A mastered level that fell below its threshold is told; replay brings it back, and no champion comes of it."""
        if result.state == "ok" and result.level in mastered and result.accuracy < entry.config.eval.threshold:
            log.warning("%s level %d fell to %.0f %%", result.skill, result.level, 100 * result.accuracy)
            emit(
                battle.realm, battle.manager, "skill_regressed", hero=battle.hero, step=result.step, skill=result.skill,
                level=result.level, accuracy=result.accuracy,
            )  # fmt: skip

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
