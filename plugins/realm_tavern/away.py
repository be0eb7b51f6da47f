"""While you were away, on the page: since anybody last looked at it. One account for all browsers."""

from __future__ import annotations

from pathlib import Path

from realm_cli import away, store
from realm_cli.realm import Realm
from realm_cli.records import is_moment, now, seconds_since
from realm_cli.terminal import human_seconds
from realm_cli.watchtower import Snapshot
from realm_tavern.records import SeenRecord

AWAY_SECONDS = 600.0
"""Who was gone for less has missed nothing."""
AWAY_BYTES = 4 * 1024 * 1024
"""How much of the end of the events is read."""


def seen(realm: Realm) -> SeenRecord | None:
    """How the hero stood when the page was last looked at; None for the first time."""
    found = store.read_or_set_aside(_path(realm), SeenRecord)
    if found is not None and not is_moment(found.at):
        store.quarantine(_path(realm), f"the time is {found.at!r}")
        return None
    return found


def remember(realm: Realm, snapshot: Snapshot) -> None:
    """Write down how the hero stands, for the next time."""
    hero = snapshot.hero
    levels = {name: skill.level for name, skill in snapshot.skills.items()}
    record = SeenRecord(at=now(), hero=hero.name, step=hero.step, levels=levels)
    store.make_folders([_path(realm).parent])
    store.write_record(_path(realm), record)


def summary(realm: Realm, snapshot: Snapshot, seen: SeenRecord | None) -> list[str]:
    """How long nobody looked, and what happened meanwhile; empty after a short time, or when nothing did."""
    if seen is None or seen.hero != snapshot.hero.name or seconds_since(seen.at) < AWAY_SECONDS:
        return []
    found = away.account(realm, snapshot, away.Before(seen.at, seen.step, seen.levels), AWAY_BYTES)
    return [f"nobody looked for {human_seconds(found.seconds)}", *found.lines] if found.lines else []


def _path(realm: Realm) -> Path:
    return realm.status / "tavern" / "seen.json"
