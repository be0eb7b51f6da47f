"""While you were away: what happened since a moment, read from journal, events and ledger. Status, play and page tell it.

Only the end of the logs is read: the place of the moment is found by halving.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import ClassVar

import msgspec

from realm_cli import eventwords, journal, phrases, store
from realm_cli.errors import NotFoundError, RealmError, UsageError
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm
from realm_cli.records import EventRecord, Record, is_moment, now, seconds_since
from realm_cli.snapshot_records import HeroView
from realm_cli.terminal import human_seconds
from realm_cli.watchtower import GOLD_PER_QUEST, STEPS_PER_LEVEL, Snapshot

READ_BYTES = 64 * 1024 * 1024
"""How much of the end of a log `realm status --since` reads at most."""
SHOWN_TROUBLES = 20
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_STAMPED = re.compile(r"checkpoint-(\d+)-(\d{8}-\d{4})\.json")


class LookedRecord(Record, frozen=True, kw_only=True):
    """When `realm status --since last` was asked for last (`status/looked.json`)."""

    kind: ClassVar[str] = "looked"

    at: str


class Change(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """A number then and now."""

    before: int
    after: int


class Told(msgspec.Struct, frozen=True):
    """One event, in words."""

    time: str
    name: str
    text: str


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What happened since a moment."""

    since: str
    until: str
    seconds: float
    hero: str
    steps: Change
    quests: dict[str, int]
    """Ends by outcome."""
    levels: dict[str, Change]
    """Skills whose level in training is another one now."""
    champion: Told | None
    """The last that was chosen."""
    troubles: list[Told]
    """The last of them, oldest first."""
    events: dict[str, int]
    """Counts by name."""
    complete: bool
    """Whether all of the time was read; else there was at least so much."""
    lines: list[str]
    """The same for people, the most important first; empty when nothing happened."""


@dataclass(frozen=True)
class Before:
    """How the hero stood at a moment; what is None is found out from the disk."""

    at: str
    step: int | None = None
    levels: dict[str, int] | None = None


def moment_of(realm: Realm, text: str) -> str:
    """The moment that `8h`, `2d`, a date, a date with time, or `last` means. Raises `UsageError` or `NotFoundError`."""
    if text == "last":
        found = store.read_or_set_aside(looked_file(realm), LookedRecord)
        if found is None or not is_moment(found.at):
            raise NotFoundError(
                "`--since last` was not asked for before, so there is no last time",
                "it counts from now on; name a time for once: --since 8h",
            )
        return found.at
    age = _AGE.fullmatch(text.strip())
    try:
        if age:
            moment = datetime.now(timezone.utc) - timedelta(seconds=float(age[1]) * _SECONDS[age[2]])
        else:
            moment = datetime.fromisoformat(text.strip()).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise UsageError(f"'{text}' is no time", "8h, 30m, 2d, 2026-05-01, '2026-05-01 07:30', or last") from None
    if moment > datetime.now(timezone.utc):
        raise UsageError(f"{text} is still to come", "name a time that has passed")
    return moment.isoformat(timespec="milliseconds")


def looked_file(realm: Realm) -> Path:
    """Where it is remembered when somebody looked."""
    return realm.status / "looked.json"


def remember(realm: Realm) -> None:
    """Somebody looks now: `last` is this moment from now on."""
    store.write_record(looked_file(realm), LookedRecord(at=now()))


def account(realm: Realm, snapshot: Snapshot, before: Before, most: int = READ_BYTES) -> Account:
    """What happened since `before`, reading `most` bytes of each log at most."""
    hero = str(snapshot.hero.name)
    heads, events_whole = _events(realm, before.at, most)
    ends, ends_whole = _ends(realm, hero, before.at, most)
    known = [event for event in map(_whole, heads) if event is not None]
    levels = _risen(known, hero, snapshot) if before.levels is None else _changed(before.levels, snapshot)
    step = _step_at(realm, hero, before.at) if before.step is None else before.step
    troubles = [event for event in known if eventwords.worth(event) == eventwords.BAD]
    found = Account(
        since=before.at, until=now(), seconds=round(seconds_since(before.at), 1), hero=hero,
        steps=Change(step, int(snapshot.hero.step)), quests=dict(ends), levels=levels,
        champion=next((_told(event) for event in reversed(known) if event.name == "new_champion"), None),
        troubles=[_told(event) for event in troubles[-SHOWN_TROUBLES:]],
        events=dict(Counter(head.name for head, _ in heads)), complete=events_whole and ends_whole, lines=[],
    )  # fmt: skip
    return msgspec.structs.replace(found, lines=list(_lines(found, snapshot, troubles)))


# -- reading -----------------------------------------------------------------------------------------------------


class _Head(msgspec.Struct):
    """What has to be known of every line of the events."""

    name: str
    time: str


class _End(msgspec.Struct):
    """What has to be known of every line of the journal."""

    entry: str
    time: str
    hero: str = ""
    quest: str = ""
    outcome: str = ""


_HEAD = msgspec.json.Decoder(_Head)
_END = msgspec.json.Decoder(_End)


def _events(realm: Realm, moment: str, most: int) -> tuple[list[tuple[_Head, bytes]], bool]:
    """(name, time and line of every event after the moment, whether these are all)."""
    lines, whole = journal.lines_since(realm.events, moment, most)
    found = []
    for line in lines:
        try:
            head = _HEAD.decode(line)
        except store.DAMAGED:
            continue  # a torn line, which whoever reads the whole file reports
        if head.time > moment:
            found.append((head, line))
    return found, whole


def _whole(pair: tuple[_Head, bytes]) -> EventRecord | None:
    """The event itself, for those whose facts are told; None for the many that are only counted."""
    head, line = pair
    told = head.name in ("new_champion", "skill_level_up", "skill_relearned")
    if not told and eventwords.worth(EventRecord(name=head.name, time=head.time)) != eventwords.BAD:
        return None
    try:
        return EventRecord.from_dict(msgspec.json.decode(line), "events.jsonl")
    except (*store.DAMAGED, RealmError):
        return None


def _ends(realm: Realm, hero: str, moment: str, most: int) -> tuple[Counter[str], bool]:
    """(the hero's quests that ended after the moment, by outcome, whether these are all); each quest counts once."""
    lines, whole = journal.lines_since(realm.journal, moment, most)
    last: dict[str, str] = {}
    for line in lines:
        try:
            end = _END.decode(line)
        except store.DAMAGED:
            continue
        if end.entry == journal.QUEST_END and end.time > moment and end.hero in ("", hero):
            last[end.quest] = end.outcome
    return Counter(last.values()), whole


def _step_at(realm: Realm, hero: str, moment: str) -> int:
    """The step of the newest checkpoint that was there at the moment, deleted ones too; 0 before the first."""
    stamp = datetime.fromisoformat(moment).astimezone(timezone.utc).strftime("%Y%m%d-%H%M")
    ledger = Ledger(realm, hero)
    graves = realm.ledger / hero / "deleted"
    names = map(_STAMPED.fullmatch, os.listdir(graves) if graves.is_dir() else ())
    found = [(match[2], int(match[1])) for match in names if match and match[2] < stamp]
    steps = ledger.steps()
    low, high = 0, len(steps)
    while low < high:  # newest first: those before `low` are younger than the moment
        middle = (low + high) // 2
        try:
            created = ledger.get(steps[middle]).created_at
        except RealmError:  # deleted this moment, or damaged for good
            created = ""
        if created > moment:
            low = middle + 1
        else:
            high = middle
    return max([step for _, step in sorted(found)[-1:]] + steps[low : low + 1], default=0)


# -- what changed ------------------------------------------------------------------------------------------------


def _changed(before: dict[str, int], snapshot: Snapshot) -> dict[str, Change]:
    pairs = {name: Change(before.get(name, 1), skill.level) for name, skill in snapshot.skills.items()}
    return {name: change for name, change in pairs.items() if change.before != change.after}


def _risen(events: list[EventRecord], hero: str, snapshot: Snapshot) -> dict[str, Change]:
    """The levels before, by the first event of each skill."""
    first: dict[str, int] = {}
    for event in events:
        key = "level" if event.name == "skill_level_up" else "from_level"
        level = event.facts.get(key)
        if isinstance(level, int) and event.facts.get("hero", hero) == hero and event.name.startswith("skill_"):
            first.setdefault(str(event.facts.get("skill")), level)
    return _changed({**{name: skill.level for name, skill in snapshot.skills.items()}, **first}, snapshot)


def _told(event: EventRecord) -> Told:
    return Told(event.time, event.name, eventwords.words(event))


# -- in words ----------------------------------------------------------------------------------------------------


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _lines(found: Account, snapshot: Snapshot, troubles: list[EventRecord]) -> Iterator[str]:
    about = "" if found.complete else "at least "
    events = found.events
    if events.get("battle_crashed"):
        resumed = events.get("battle_resumed", 0)
        yield f"the battle crashed {_times(events['battle_crashed'])}" + (
            f" and went on {_times(resumed)}" if resumed else ""
        )
    if troubles:
        yield f"{about}{_troubles(troubles, found.seconds)}"
    if found.champion is not None:
        yield found.champion.text
    for name, change in found.levels.items():
        standing = phrases.accuracy(snapshot.skills[name])
        yield f"{name} from level {change.before} to level {change.after}: {standing}"
    if found.quests:
        yield about + _quests(found.quests)
    if found.steps.after > found.steps.before:
        yield _steps(found, snapshot.hero)
    for event, noun, done in (("eval_done", "eval", "made"), ("checkpoint_saved", "checkpoint", "saved")):
        if events.get(event):
            yield f"{about}{_many(events[event], noun)} {done}"


def _troubles(troubles: list[EventRecord], seconds: float) -> str:
    """How many, of which kinds, and the last of them."""
    kinds = Counter(event.name.replace("_", " ") for event in troubles).most_common()
    named = ", ".join(f"{count:,} {kind}" for kind, count in kinds)
    last = troubles[-1]
    when = datetime.fromisoformat(last.time).astimezone().strftime("%m-%d %H:%M:%S" if seconds >= 86400 else "%H:%M:%S")
    several = f" ({named})" if len(kinds) > 1 else ""
    return f"{_many(len(troubles), 'trouble')}{several}, last: {when} {eventwords.words(last)}"


def _quests(outcomes: dict[str, int]) -> str:
    done = outcomes.get("completed", 0)
    told = [f"{_many(done, 'quest')} done, {done * GOLD_PER_QUEST:,} gold"] if done else []
    others = [f"{count:,} {outcome}" for outcome, count in sorted(outcomes.items()) if outcome != "completed"]
    return "; ".join([*told, *([", ".join(others) if told else f"quests: {', '.join(others)}"] if others else [])])


def _steps(found: Account, hero: HeroView) -> str:
    before, after = found.steps.before, found.steps.after
    risen = after // STEPS_PER_LEVEL > before // STEPS_PER_LEVEL
    level = f", {hero.name} is level {hero.level} now" if risen else ""
    return f"{_many(after - before, 'step')}: {before:,} to {after:,}{level}"


def heading(found: Account) -> str:
    """`since 2026-05-01 07:30 (8h 00m ago)`, by the clock on the wall."""
    begun = datetime.fromisoformat(found.since).astimezone()
    return f"since {begun:%Y-%m-%d %H:%M} ({human_seconds(found.seconds)} ago)"


def folded(line: str) -> str:
    """A line of an account on a screen of 80 columns; what is too long goes on below."""
    return textwrap.fill(line, 78, subsequent_indent="    ", break_on_hyphens=False)
