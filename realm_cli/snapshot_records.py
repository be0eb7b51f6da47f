"""The parts of the watchtower's snapshot: typed, with the stable keys of `realm status --json`."""

from __future__ import annotations

import msgspec


class HeroView(msgspec.Struct, frozen=True, kw_only=True, rename={"defence": "def"}):
    """The active hero."""

    name: str
    step: int
    level: int
    xp: int
    gold: int
    atk: float | None
    """1 / loss."""
    defence: float | None
    """1 / val_loss; in JSON it is called `def`."""
    acc: float | None
    """Mean eval accuracy of the levels in training, over the skills that were evaluated."""
    loss: float | None
    val_loss: float | None
    checkpoints: int


class BattleView(msgspec.Struct, frozen=True, kw_only=True):
    """The battle that runs, or how the last one ended. What only a running one has is None otherwise."""

    state: str
    """As the battle wrote it; `dead` when it ended without saying so."""
    reason: str
    quest: str | None = None
    quest_name: str | None = None
    step: int | None = None
    epoch: float | None = None
    samples_done: int | None = None
    samples_total: int | None = None
    loss: float | None = None
    tokens_per_s: float | None = None
    eta_s: float | None = None
    board_eta_s: float | None = None
    heartbeat_age_s: float | None = None
    pid: int | None = None


class BoardView(msgspec.Struct, frozen=True, kw_only=True):
    """How many quests lie where."""

    inbox: int
    high: int
    normal: int
    low: int
    processing: int
    failed: int
    completed: int
    """Of all time; the others count files."""

    @property
    def queued(self) -> int:
        """Files that wait, inspected or not."""
        return self.inbox + self.high + self.normal + self.low

    def counts(self) -> dict[str, int]:
        """By name."""
        return msgspec.structs.asdict(self)


class MasteryView(msgspec.Struct, frozen=True, kw_only=True):
    """A mastered level, with its last eval: what was mastered once may be lost again."""

    level: int
    step: int
    accuracy: float
    interval: tuple[float, float]
    closed: bool
    now: float | None
    """Accuracy of the last eval."""


class SkillView(msgspec.Struct, frozen=True, kw_only=True):
    """A skill at the level in training, as the active hero stands."""

    level: int
    accuracy: float | None
    """Mean of the last evals that count."""
    interval: tuple[float, float] | None
    evals: int
    closed: bool
    threshold: float
    max_level: int
    mastered: list[MasteryView]
    recent: list[float]
    """Accuracies of the last evals of this level, oldest first."""
    flagged: str
    """Why the last eval is suspicious."""
    unlock: dict[str, int]
    """Skills and levels that have to be mastered before this one is trained; empty for an open one."""


class ChampionView(msgspec.Struct, frozen=True, kw_only=True):
    """The deployed checkpoint."""

    step: int
    name: str
    by: str
