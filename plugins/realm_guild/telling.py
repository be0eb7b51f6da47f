"""Telling what happened exactly once, in the journal and as an event, also when a kill came between the two."""

from __future__ import annotations

from typing import Any

from realm_cli import journal, store
from realm_cli.events import emit
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import JournalRecord

_TAIL = 256 * 1024
"""What is told again after a kill happened right before it, so the end of the files decides."""


def tell_once(realm: Realm, manager: Manager, entry: JournalRecord, event: str) -> None:
    """Append the entry to the journal and emit the event with its facts, each unless it stands there already."""
    if not _is_in_journal(realm, entry):
        journal.append(realm.journal, entry)
    emit_once(realm, manager, event, entry.time, hero=entry.hero, step=entry.step, **entry.facts)


def emit_once(realm: Realm, manager: Manager, event: str, since: str, /, **facts: Any) -> None:
    """Emit an event unless one with these facts was told since that moment."""
    told = any(
        (line.get("name"), line.get("facts")) == (event, facts) and str(line.get("time")) >= since
        for line in store.read_tail(realm.events, _TAIL)
    )
    if not told:
        emit(realm, manager, event, **facts)


def _is_in_journal(realm: Realm, entry: JournalRecord) -> bool:
    wanted = (entry.entry, entry.time, entry.hero, entry.facts)
    return any(
        (line.get("entry"), line.get("time"), line.get("hero"), line.get("facts")) == wanted
        for line in store.read_tail(realm.journal, _TAIL)
    )
