"""Achievements: what a hero has reached, derived from what lies on disk, and kept in the realm for ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from realm_cli import store
from realm_cli.events import emit
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.snapshot_records import MasteryView
from realm_cli.watchtower import GOLD_PER_QUEST, STEPS_PER_LEVEL, Snapshot
from realm_tavern import deeds
from realm_tavern.records import AchievementsRecord, Earned

MILLION = 1_000_000
SHARP = 0.1
"""The loss below which the blade is sharp."""


@dataclass(frozen=True)
class Achievement:
    """One achievement as a hero stands to it."""

    id: str
    title: str
    text: str
    """In words of the game."""
    plain: str
    """What it really means."""
    at: str = ""
    """When it was reached; empty when it was not yet."""
    step: int = -1
    part: float = 0.0
    """How much of the way is done, 0 to 1."""


@dataclass(frozen=True)
class _Standing:
    """The facts on which achievements depend."""

    quests: int
    steps: int
    checkpoints: int
    mastered: list[MasteryView]
    """Every mastered level of every skill."""
    crowned: bool
    loss: float | None
    tokens: int
    days: int

    @property
    def highest(self) -> int:
        """The highest level that was mastered in any skill."""
        return max((mastery.level for mastery in self.mastered), default=0)

    def knows(self, *, closed: bool) -> bool:
        """Whether a closed level, or an open one, was mastered."""
        return any(mastery.closed is closed for mastery in self.mastered)


@dataclass(frozen=True)
class _Goal:
    """An achievement and what it takes."""

    id: str
    title: str
    text: str
    plain: str
    have: Callable[[_Standing], float]
    want: float = 1


def _quests(standing: _Standing) -> float:
    return standing.quests


def _levels(standing: _Standing) -> float:
    return standing.steps / STEPS_PER_LEVEL


def _highest(standing: _Standing) -> float:
    return standing.highest


def _never(standing: _Standing) -> float:
    """What a single line of the journal or the events shows, no standing does."""
    return 0


GOALS = (
    _Goal("first_quest", "First blood", "The first quest is won.", "1 training file was trained to its end", _quests),
    _Goal("quests_10", "Adventurer", "Ten quests are won.", "10 training files completed", _quests, 10),
    _Goal("quests_100", "Veteran", "A hundred quests are won.", "100 training files completed", _quests, 100),
    _Goal("quests_1000", "Legend of the board", "A thousand quests are won.", "1,000 training files completed",
          _quests, 1000),
    _Goal("first_checkpoint", "Camp fire", "A place to return to after any defeat.", "the first checkpoint was saved",
          lambda standing: standing.checkpoints),
    _Goal("level_1", "Out of the egg", "The hero reached level 1.", "1,000 training steps", _levels, 1),
    _Goal("level_10", "Seasoned", "The hero reached level 10.", "10,000 training steps", _levels, 10),
    _Goal("level_50", "In shining armour", "The hero reached level 50.", "50,000 training steps", _levels, 50),
    _Goal("level_100", "The long road", "The hero reached level 100.", "100,000 training steps", _levels, 100),
    _Goal("first_mastery", "Apprentice", "The guild grants the first level of a skill.",
          "mean accuracy of 3 evals on 3 checkpoints reached the threshold", _highest),
    _Goal("skill_5", "Journeyman", "Level 5 of a skill is mastered.", "level 5 of one skill passed its evals",
          _highest, 5),
    _Goal("skill_10", "Expert", "Level 10 of a skill is mastered.", "level 10 of one skill passed its evals",
          _highest, 10),
    _Goal("skill_30", "Grand master", "Level 30 of a skill is mastered.", "level 30 of one skill passed its evals",
          _highest, 30),
    _Goal("closed_mastered", "By heart", "A closed level is mastered: every answer is known by heart.",
          "a level with under 5,000 problems, all of them trained, was mastered",
          lambda standing: standing.knows(closed=True)),
    _Goal("open_mastered", "True understanding", "An open level is mastered: the foes were never met before.",
          "a level was mastered whose eval problems are never trained", lambda standing: standing.knows(closed=False)),
    _Goal("first_champion", "Crowned", "The guild has a champion.", "a checkpoint was promoted to champion",
          lambda standing: standing.crowned),
    _Goal(deeds.PHOENIX, "Phoenix", "The hero fell, rose, and fought on where it stood.",
          "a battle that died without a stop was resumed from its checkpoint", _never),
    _Goal(deeds.MENDED, "Second wind", "A lost quest was taken up again and won.",
          "a failed training file was retried and completed", _never),
    _Goal("sharp_blade", "Sharp blade", "One blow deals over 10 damage.", f"the training loss fell under {SHARP}",
          lambda standing: standing.loss is not None and standing.loss < SHARP),
    _Goal("million_tokens", "Devourer of scrolls", "A million words are learned.", "1,000,000 trained tokens",
          lambda standing: standing.tokens, MILLION),
    _Goal("seven_days", "A week in the field", "Battles were won on seven days.",
          "training files were completed on 7 different days (UTC)", lambda standing: standing.days, deeds.DAYS),
    _Goal(deeds.NIGHT, "Night owl", "A quest was won while the village slept.",
          f"a training file was completed between midnight and {deeds.DAWN} o'clock", _never),
)  # fmt: skip


def look(realm: Realm, hero: str, snapshot: Snapshot) -> list[Achievement]:
    """All achievements, those that were reached first, in that order. Changes nothing."""
    record = store.read_or_set_aside(_path(realm, hero), AchievementsRecord) or AchievementsRecord(hero=hero)
    return _shown(record, _standing(record, snapshot))


def award(realm: Realm, manager: Manager, snapshot: Snapshot) -> list[Achievement]:
    """Write down what the active hero has reached since the last time, tell it, and return it."""
    hero = snapshot.hero.name
    with store.locked(realm.status / "tavern" / ".achievements.lock"):
        before = store.read_or_rebuild(_path(realm, hero), AchievementsRecord, lambda: AchievementsRecord(hero=hero))
        after, told = deeds.read_on(realm, _weighed(realm, before, snapshot))
        standing = _standing(after, snapshot)
        for goal in GOALS:
            if goal.have(standing) >= goal.want:
                after = deeds.earn(after, Earned(goal.id, now(), snapshot.hero.step))
        if after != before:
            store.write_record(_path(realm, hero), after, durable=after.earned != before.earned)
    told |= {earned.id for earned in before.earned}
    found = [one for one in _shown(after, standing) if one.at and one.id not in told]
    for one in found:
        emit(
            realm, manager, "achievement", hero=hero, step=one.step, id=one.id, title=one.title, text=one.text,
            plain=one.plain,
        )  # fmt: skip
    return found


def _path(realm: Realm, hero: str) -> Path:
    return realm.status / "tavern" / f"achievements-{hero}.json"


def _weighed(realm: Realm, record: AchievementsRecord, snapshot: Snapshot) -> AchievementsRecord:
    """The record with the tokens of the newest checkpoint, until they are enough."""
    if record.tokens >= MILLION or snapshot.hero.checkpoints == 0:
        return record
    newest = Ledger(realm, record.hero).list_all(1)
    return msgspec.structs.replace(record, tokens=newest[0].tokens_seen) if newest else record


def _standing(record: AchievementsRecord, snapshot: Snapshot) -> _Standing:
    """The facts of the hero in the snapshot; of another one nothing is known beside what was earned."""
    hero = snapshot.hero
    return _Standing(
        quests=hero.gold // GOLD_PER_QUEST,
        steps=hero.step,
        checkpoints=hero.checkpoints,
        mastered=[mastery for skill in snapshot.skills.values() for mastery in skill.mastered],
        crowned=snapshot.champion is not None,
        loss=hero.loss,
        tokens=record.tokens,
        days=len(record.days),
    )


def _shown(record: AchievementsRecord, standing: _Standing) -> list[Achievement]:
    order = {earned.id: (number, earned) for number, earned in enumerate(record.earned)}
    reached, open_ones = [], []
    for goal in GOALS:
        if goal.id in order:
            number, earned = order[goal.id]
            reached.append((number, _achievement(goal, earned.at, earned.step, 1.0)))
        else:
            open_ones.append(_achievement(goal, "", -1, min(1.0, goal.have(standing) / goal.want)))
    return [one for _, one in sorted(reached, key=lambda pair: pair[0])] + open_ones


def _achievement(goal: _Goal, at: str, step: int, part: float) -> Achievement:
    return Achievement(goal.id, goal.title, goal.text, goal.plain, at, step, part)
