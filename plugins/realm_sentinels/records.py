"""What the guardian remembers."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import msgspec

from realm_cli import store
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark, Record
from realm_sentinels.crash import Death

DEATHS = 20
"""Ends that are remembered."""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """The battle that is watched, as it was seen while it ran."""

    process: ProcessMark
    command: list[str] = []
    """Its line behind `realm --realm DIR`; empty when it could not be read."""
    keeper: str = ""
    """Who starts it again: weaver, play; empty = the guardian may."""
    code: int | None = None
    """Its exit status, where the guardian started it and it has ended."""


class BattleDeath(msgspec.Struct, frozen=True, kw_only=True):
    """A battle that hung or ended unasked."""

    at: str
    process: ProcessMark
    hero: str = ""
    quest: str = ""
    step: int = 0
    death: Death
    stacks: list[str] = []
    """The end of what it wrote of itself."""
    restarted: str = ""
    """What followed: that it was started again, or why not."""


class GuardianRecord(Record, frozen=True, kw_only=True):
    """`status/guardian.json`. Its writer is the guardian."""

    kind: ClassVar[str] = "guardian"

    watched: Watched | None = None
    restarts: list[str] = msgspec.field(default_factory=list)
    """When a battle was started again, newest last; older than an hour is dropped."""
    deaths: list[BattleDeath] = msgspec.field(default_factory=list)
    """The last ones, newest last."""


def guardian_file(realm: Realm) -> Path:
    """Where it lies."""
    return realm.status / "guardian.json"


def read(realm: Realm) -> GuardianRecord:
    """What the guardian remembers; nothing before its first look."""
    return store.read_or_set_aside(guardian_file(realm), GuardianRecord) or GuardianRecord()


def death_of(realm: Realm, process: ProcessMark) -> BattleDeath | None:
    """What the guardian found about the end of a battle."""
    return next((one for one in reversed(read(realm).deaths) if one.process == process), None)
