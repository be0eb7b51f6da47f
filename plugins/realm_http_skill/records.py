"""What is kept of a skill server, so that a look at the realm does not need it."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from realm_cli.records import Record


class ServedLevel(msgspec.Struct, frozen=True, kw_only=True):
    """One level as its server describes it."""

    level: int
    name: str = ""
    space: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """How many distinct problems it has; None = endless, or not said."""


class ServerRecord(Record, frozen=True, kw_only=True):
    """What a skill server said of itself last (`status/skill_servers/<skill>.json`); derived, may be deleted."""

    kind: ClassVar[str] = "skill_server"

    skill: str
    url: str
    skill_version: str = ""
    """In the server's words."""
    most: int = 0
    """Most problems of one answer; 0 = not said, as by servers other than Realm's."""
    levels: list[ServedLevel] = msgspec.field(default_factory=list)
    since: str = ""
    """When it said this first."""
