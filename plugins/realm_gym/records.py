"""What is kept of the library's tasks, so that they are checked once for each version of it."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from realm_cli.records import Record


class TaskFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One task as its self-check found it."""

    category: str
    """The library's."""
    levels: int
    """Those that can be used."""
    ends: str = ""
    """Why it has no higher levels, where the library means it to have some."""
    trouble: str = ""
    """Why it must not be used; empty when it passed."""
    sample: str = ""
    """Twelve digits over the problems that were checked: the same wherever the library gives the same problems."""


class GymRecord(Record, frozen=True, kw_only=True):
    """The tasks of one version of reasoning-gym (`checked.json` here; `gym-<version>.json` in the user's cache)."""

    kind: ClassVar[str] = "gym"

    library: str
    """The version of reasoning-gym."""
    check: int
    """The version of the self-check; what another one found does not count."""
    tasks: dict[str, TaskFacts] = msgspec.field(default_factory=dict)
