"""While you were away: what happened since anybody last looked at the page. One account for all browsers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from realm_cli import eventwords, phrases, store
from realm_cli.realm import Realm
from realm_cli.records import EventRecord, is_moment, now, seconds_since
from realm_cli.terminal import human_seconds
from realm_cli.watchtower import GOLD_PER_QUEST, STEPS_PER_LEVEL, Snapshot
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
    levels = {name: skill["level"] for name, skill in snapshot.skills.items()}
    record = SeenRecord(
        at=now(), hero=hero["name"], step=hero["step"], levels=levels, gold=hero["gold"],
        events_offset=_length(realm.events),
    )  # fmt: skip
    store.make_folders([_path(realm).parent])
    store.write_record(_path(realm), record)


def summary(realm: Realm, snapshot: Snapshot, seen: SeenRecord | None) -> list[str]:
    """How long nobody looked, and what happened meanwhile; empty after a short time, or when nothing did."""
    if seen is None or seen.hero != snapshot.hero["name"] or seconds_since(seen.at) < AWAY_SECONDS:
        return []
    events, about = _events_since(realm, seen)
    lines = [*_gains(seen, snapshot), *_told(events, about)]
    return [f"nobody looked for {human_seconds(seconds_since(seen.at))}", *lines] if lines else []


def _path(realm: Realm) -> Path:
    return realm.status / "tavern" / "seen.json"


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _events_since(realm: Realm, seen: SeenRecord) -> tuple[list[EventRecord], str]:
    """(the events after `seen`, `at least ` when there are more than are read)."""
    length = _length(realm.events)
    fresh = length - seen.events_offset if length >= seen.events_offset else length  # else it is another file
    # One byte more: the line end before the first of them, as a cut first line is left out.
    tail = store.read_tail(realm.events, min(fresh + 1, AWAY_BYTES)) if fresh else []
    found = [EventRecord.from_dict(data, str(realm.events)) for data in tail if str(data.get("time")) > seen.at]
    return found, "at least " if fresh >= AWAY_BYTES else ""


def _gains(seen: SeenRecord, snapshot: Snapshot) -> list[str]:
    """What the hero has more than it had."""
    hero, lines = snapshot.hero, []
    quests = (hero["gold"] - seen.gold) // GOLD_PER_QUEST
    if quests > 0:
        lines.append(f"{quests:,} quest{'' if quests == 1 else 's'} done, {quests * GOLD_PER_QUEST:,} gold")
    if hero["step"] > seen.step:
        risen = hero["level"] - seen.step // STEPS_PER_LEVEL
        level = f", {hero['name']} is level {hero['level']} now" if risen > 0 else ""
        lines.append(f"{hero['step'] - seen.step:,} steps: {seen.step:,} to {hero['step']:,}{level}")
    for name, skill in snapshot.skills.items():
        before = seen.levels.get(name, 1)
        if skill["level"] != before:
            lines.append(f"{name} from level {before} to level {skill['level']}: {phrases.accuracy(skill)}")
    return lines


def _told(events: list[EventRecord], about: str) -> list[str]:
    """What only the events tell: champions, checkpoints, troubles."""
    lines = [eventwords.words(event) for event in events if event.name == "new_champion"][-1:]
    saved = Counter(event.name for event in events)["checkpoint_saved"]
    if saved:
        lines.append(f"{about}{saved:,} checkpoint{'' if saved == 1 else 's'} saved")
    troubles = [event for event in events if eventwords.worth(event) == eventwords.BAD]
    if troubles:
        last = f"{eventwords.clock(troubles[-1])} {eventwords.words(troubles[-1])}"
        lines.append(f"{about}{len(troubles):,} trouble{'' if len(troubles) == 1 else 's'}, last: {last}")
    return lines
