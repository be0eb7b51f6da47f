"""Files that the Tavern writes for itself: what the hero has achieved, and when the page was last looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from realm_cli.records import Migration, Record


class Earned(msgspec.Struct, frozen=True):
    """One achievement that was reached."""

    id: str
    at: str
    step: int


class Cursor(msgspec.Struct, frozen=True):
    """How far a file that only grows has been read."""

    inode: int = 0
    offset: int = 0


class AchievementsRecord(Record, frozen=True, kw_only=True):
    """What a hero has achieved (`status/tavern/achievements-<hero>.json`), and what was counted on the way to it."""

    kind: ClassVar[str] = "achievements"

    hero: str
    earned: list[Earned] = msgspec.field(default_factory=list)
    """In the order in which they were reached. Nothing is ever taken away."""
    tokens: int = 0
    """Trained tokens of the newest checkpoint."""
    days: list[str] = msgspec.field(default_factory=list)
    """The first days (UTC) on which a quest was completed."""
    failed: list[str] = msgspec.field(default_factory=list)
    """Quests that failed and were not completed since."""
    fighting: bool = False
    """Whether the last battle has not said goodbye yet."""
    journal: Cursor = Cursor()
    events: Cursor = Cursor()


def _without_counts(data: dict[str, Any]) -> dict[str, Any]:
    """Version 1 held numbers that journal and events tell as well."""
    return {key: value for key, value in data.items() if key not in ("gold", "events_offset")}


class SeenRecord(Record, frozen=True, kw_only=True):
    """How the hero stood when the page was last looked at (`status/tavern/seen.json`)."""

    kind: ClassVar[str] = "tavern_seen"
    version: ClassVar[int] = 2
    migrations: ClassVar[Mapping[int, Migration]] = {1: _without_counts}

    at: str
    hero: str
    step: int
    levels: dict[str, int] = msgspec.field(default_factory=dict)
    """The level in training of every skill."""
