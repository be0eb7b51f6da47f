"""Checks of a realm's health: what a plugin offers at `realm_checks`, and what was found the last time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from realm_cli import store
from realm_cli.records import Record

if TYPE_CHECKING:
    from realm_cli.manager import Manager
    from realm_cli.realm import Realm

Grade = Literal["ok", "warning", "error", "unknown"]
"""unknown: could not be looked at, and the evidence says why."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a check saw."""

    check: str
    grade: Grade
    message: str
    """One line: what is the matter, or that all is well."""
    evidence: str = ""
    """What was measured or read, with its value and place."""
    remedy: str = ""
    """What a person does about it: a command where there is one."""
    fix: str = ""
    """What `--fix` would do; empty = nothing can be mended without a person."""


@dataclass(frozen=True)
class Check:
    """One look at one matter."""

    name: str
    title: str
    look: Callable[[Realm, Manager], list[Finding]]
    """Reads and measures, changes nothing. What it raises becomes a finding of its own."""
    mend: Callable[[Realm, Manager, Finding], str] | None = None
    """Does what the finding's `fix` says; gives one line of what was done. Never deletes what cannot be made again."""


class FindingsRecord(Record, frozen=True, kw_only=True):
    """The last examination (`status/doctor.json`)."""

    kind: ClassVar[str] = "findings"

    at: str
    findings: list[Finding] = msgspec.field(default_factory=list)


def findings_file(realm: Realm) -> Path:
    """Where the last examination is written."""
    return realm.status / "doctor.json"


def last_findings(realm: Realm) -> FindingsRecord | None:
    """The last examination; None before the first."""
    return store.read_or_set_aside(findings_file(realm), FindingsRecord)
