"""What `realm play` remembers from one time to the next."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from realm_cli.records import Record


class PlayRecord(Record, frozen=True, kw_only=True):
    """How the hero stood when play was last looked at (`status/play.json`)."""

    kind: ClassVar[str] = "play"

    left_at: str
    hero: str
    step: int
    levels: dict[str, int] = msgspec.field(default_factory=dict)
    """The level in training of every skill."""
