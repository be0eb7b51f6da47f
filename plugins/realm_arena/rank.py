"""The hero's own level (steps // 1000): each one is told once, in the journal and as an event, whatever was killed."""

from __future__ import annotations

from realm_cli import journal, store
from realm_cli.events import emit
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import JournalRecord, now
from realm_cli.watchtower import STEPS_PER_LEVEL

HERO_LEVEL = "hero_level"


class Rank:
    """Knows which level the journal has told last."""

    def __init__(self, realm: Realm, manager: Manager, hero: str) -> None:
        self._realm, self._manager, self._hero = realm, manager, hero
        told = [
            (line.get("facts") or {}).get("level", 0)
            for line in store.read_lines(realm.journal)
            if line.get("entry") == HERO_LEVEL and line.get("hero") == hero
        ]
        self._told: int = max(told, default=0)

    def saved(self, step: int) -> None:
        """A checkpoint of that step is on disk: tell the level that it reached, if that is news."""
        level = step // STEPS_PER_LEVEL
        if level <= self._told:
            return
        facts = {"level": level}
        entry = JournalRecord(entry=HERO_LEVEL, time=now(), hero=self._hero, step=step, facts=facts)
        journal.append(self._realm.journal, entry)
        self._told = level
        emit(self._realm, self._manager, "level_up", hero=self._hero, step=step, **facts)
