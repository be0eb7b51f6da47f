"""Records of what a hero can do: its level in each skill, the line of every eval, the champion, what it sparred.

The guild writes them, the last one sparring.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from realm_cli.records import Record


class Mastery(msgspec.Struct, frozen=True, kw_only=True):
    """A level that was mastered, and what shows it."""

    level: int
    step: int
    checkpoint: str
    """Canonical name of the last of the checkpoints that show it; retention keeps it."""
    accuracy: float
    """Mean over the evals that count."""
    interval: tuple[float, float]
    """Wilson, 95 %, over all their problems."""
    steps: list[int]
    """The checkpoints of the evals that count."""
    at: str


class SkillState(Record, frozen=True, kw_only=True):
    """A hero's standing in one skill (`status/skills/<hero>/<skill>.json`)."""

    kind: ClassVar[str] = "skill_state"

    hero: str
    skill: str
    level: int = 1
    """The level in training: one above the mastered ones, the highest at most."""
    mastered: list[Mastery] = msgspec.field(default_factory=list)
    forged: int = 0
    """Quests forged for this hero and skill; the next one's counter is one more."""
    forged_level: int = 1
    """The level of the quest that was forged last."""
    forged_replay: bool = False
    """Whether that one was made of mastered levels alone."""
    due: float | None = None
    """The curriculum's clock, up to which the skill has had its share; None before its first turn."""
    clock: int = 0
    """The curriculum's clock, which counts turns, when the skill had its last one."""
    waiting: dict[str, float] = msgspec.field(default_factory=dict)
    """Skills that had no turn until then, and the clock when they came."""
    away: str = ""
    """Why the quest that was forged last is not on the board yet: the skill's server was away."""
    reviewed_step: int = -1
    """The checkpoint whose evals were asked for last."""
    reviews: int = 0
    """Checkpoints reviewed; decides which mastered level is examined again."""
    counts_from: int = 0
    """Evals of checkpoints before this step do not count for levels: it was relearned there."""

    @property
    def mastered_levels(self) -> list[int]:
        """The mastered levels, lowest first."""
        return sorted(mastery.level for mastery in self.mastered)


class EvalLine(Record, frozen=True, kw_only=True):
    """One eval in short, a line of `status/skills/<hero>/<skill>.jsonl`; the later line of a step and level wins."""

    kind: ClassVar[str] = "eval_line"

    step: int
    level: int
    state: str
    """ok, invalid or error; only ok counts."""
    correct: int
    size: int
    closed: bool
    set_sha256: str
    """The first 12 digits; evals of different sets are not compared."""
    at: str
    profile: str = "none"
    """Stamp of the data profile; evals under different ones are not compared."""
    flagged: str = ""
    """Why the accuracy contradicts the loss; empty when it does not."""

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return self.correct / self.size if self.size else 0.0


class ChampionRecord(Record, frozen=True, kw_only=True):
    """The checkpoint of a hero that is deployed (`status/champions/<hero>.json`)."""

    kind: ClassVar[str] = "champion"

    hero: str
    step: int
    checkpoint: str
    weights_sha256: str
    promoted_at: str
    by: str
    """Who chose it: a user's name, or guild for one crowned at a level-up."""
    override: str = ""
    """Why it was promoted although a check refused it."""
    refused_for: list[str] = msgspec.field(default_factory=list)
    """What the override passed over."""
    evals: dict[str, dict[str, float]] = msgspec.field(default_factory=dict)
    """Skill → level → accuracy, as they stood at the promotion."""


class SparringSample(msgspec.Struct, frozen=True):
    """A wrong answer to look at."""

    prompt: str
    golden: str
    answer: str


class SparringRun(msgspec.Struct, frozen=True, kw_only=True):
    """One sparring: a checkpoint's answers to fresh problems, and the quest that was made of the wrong ones."""

    at: str
    hero: str
    step: int
    weights_sha256: str
    skill: str
    level: int
    number: int = 0
    """Which one of this checkpoint, skill and level it is; 0 = its problems were drawn by a seed that a person named."""
    count: int
    """Problems that were wanted."""
    asked: int
    """Problems that were asked: a closed level may have fewer."""
    wrong: int
    empty: int = 0
    """Of the wrong answers those without any text, or not in the form of the data profile; no rows were made of them."""
    endless: int = 0
    """Those that came to no end; no rows were made of them."""
    known: int = 0
    """Those that an earlier sparring has rows of already."""
    unjudged: int = 0
    """Answers at which the judge failed."""
    rows: int = 0
    quest: str = ""
    """The quest's id; empty where nothing was queued."""
    file: str = ""
    """Where the rows lie that were not to be queued."""
    seconds: float = 0.0
    samples: list[SparringSample] = []


class SparringRecord(Record, frozen=True, kw_only=True):
    """The last sparrings, oldest first (`status/sparring.json`)."""

    kind: ClassVar[str] = "sparring"

    runs: list[SparringRun] = msgspec.field(default_factory=list)


SKILL_RECORDS: tuple[type[Record], ...] = (SkillState, EvalLine, ChampionRecord, SparringRecord)
