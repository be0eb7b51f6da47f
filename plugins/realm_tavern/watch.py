"""One look at the realm for all browsers: what changed is read once, worded once, and told to every open stream."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from realm_cli import control, eventwords, questview, status
from realm_cli.errors import RealmError
from realm_cli.eventtail import EventTail
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import FLAGS, PRIORITIES, Realm
from realm_cli.records import EventRecord, FlagRecord
from realm_cli.watchtower import Snapshot, gaze, refreshed
from realm_tavern import achievements, away, hints, values
from realm_tavern.gauges import Gauges
from realm_tavern.topics import Topics, Watched

log = logging.getLogger("realm.tavern")

LOOK_SECONDS = 1.0
"""How often the files are looked at while somebody watches, and how old an answer may be."""
GAZE_SHARE = 0.05
"""Share of one core that reading the whole realm may take."""
AWARD_SECONDS = 10.0
"""How often it is looked for new achievements."""
REMEMBER_SECONDS = 10.0
"""How often it is written down what somebody who watches has seen."""
VISIT_SECONDS = 600.0
"""After so long without a page a new visit begins."""
FEED = 60
"""Events that are kept for the feed."""
QUEUE = 8
"""Waiting quests that are shown."""
MISSED_BYTES = 64 * 1024
"""How much of the events a browser that comes back is told; more makes it load the page again."""
SLOW_TOPICS = ("board", "skills", "ledger", "champion", "config")


@dataclass(frozen=True)
class Look:
    """The realm at one moment, ready to be shown."""

    number: int
    """Grows with every change."""
    snapshot: Snapshot
    topics: dict[str, str]
    values: dict[str, str]
    flags: dict[str, FlagRecord | None]
    gauges: dict[str, Any]
    queue: list[dict[str, Any]]


@dataclass(frozen=True)
class Told:
    """A message of the stream, encoded once for all."""

    number: int
    data: bytes


@dataclass
class _Memory:
    """What the watcher knows between two looks."""

    look: Look | None = None
    looked_at: float = 0.0
    gaze_after: float = 0.0
    award_after: float = 0.0
    awarded: int = 0
    remember_after: float = 0.0
    visited_at: float | None = None
    """When a page was asked for last."""
    away: list[str] = field(default_factory=list)
    slow: dict[str, str] = field(default_factory=dict)
    """The slow topics' versions that the snapshot shows."""


class Watch:
    """Looks at the realm when somebody asks, and by itself as long as a stream is open."""

    def __init__(self, realm: Realm, manager: Manager, watched: Mapping[str, Watched] | None = None) -> None:
        self.realm = realm
        self.manager = manager
        self.closing = False
        self._topics = Topics(realm, watched or {})
        self._gauges = Gauges(realm)
        self._memory = _Memory()
        self._looking = threading.RLock()
        self._news = threading.Condition()
        self._told: deque[Told] = deque(maxlen=200)
        self._number = 0
        self._seats = 0
        self._trouble = ""
        self._tail = EventTail(realm.events)
        self.feed: deque[tuple[int, EventRecord]] = deque(self._tail.read_placed(), maxlen=FEED)
        self._thread: threading.Thread | None = None

    # -- looking -------------------------------------------------------------------------------------------------

    def look(self) -> Look:
        """The realm now, at most a second old."""
        with self._looking:
            memory = self._memory
            if memory.look is None or time.monotonic() - memory.looked_at >= LOOK_SECONDS:
                self._look_again()
            assert memory.look is not None
            return memory.look

    def look_now(self) -> Look:
        """The realm after a change of our own."""
        with self._looking:
            self._memory.looked_at = 0.0
            return self.look()

    @property
    def place(self) -> int:
        """The offset in the events up to which the feed has been told."""
        return self._tail.place

    def _look_again(self) -> None:
        memory, before = self._memory, self._memory.look
        topics = self._topics.read()
        if before is None or topics["config"] != before.topics["config"]:
            self._read_config()  # also at the first look: it may come long after the start
            topics = self._topics.read()
        snapshot = self._snapshot(before, topics)
        topics["achievements"] = str(memory.awarded)
        flags = {flag: control.read(self.realm, flag) for flag in FLAGS}
        words = {flag: _flag_words(flag, record, snapshot) for flag, record in flags.items()}
        gauges = self._gauges.read()
        found = {**values.of(snapshot, words, gauges), "realm.trouble": self._trouble}
        if before is None or before.topics != topics or before.values != found:
            self._number += 1
            queue = self._queue() if before is None or before.topics["board"] != topics["board"] else before.queue
            memory.look = Look(self._number, snapshot, topics, found, flags, gauges, queue)
            self._tell_state(before, memory.look)
        self._tell_events()
        memory.looked_at = time.monotonic()

    def _read_config(self) -> None:
        """The changed `realm.yaml`. With a mistake in it the page goes on with the one before, and says so."""
        try:
            config = Realm(self.realm.root).config
        except RealmError as error:
            self._trouble = f"{error.message}; until it is mended the page goes on with what it was before"
            return
        self._trouble = ""
        vars(self.realm)["config"] = config  # a cached property

    def _snapshot(self, before: Look | None, topics: dict[str, str]) -> Snapshot:
        """The whole realm where its slow matters changed, as often as its size allows; else the battle alone."""
        memory = self._memory
        slow = {name: topics[name] for name in SLOW_TOPICS}
        if before is None or (slow != memory.slow and time.monotonic() >= memory.gaze_after):
            begun = time.monotonic()
            found = gaze(self.realm, self.manager)
            memory.gaze_after = time.monotonic() + (time.monotonic() - begun) / GAZE_SHARE
            memory.slow = slow
        else:
            found = refreshed(before.snapshot, status.read(self.realm))
        return found

    def _queue(self) -> list[dict[str, Any]]:
        """The next quests, in the order in which they will be fought."""
        board = Board(self.realm)
        files = [file for state in ("processing", *PRIORITIES) for file in board.files(state)[:QUEUE]]
        rows = []
        for file in files[:QUEUE]:
            try:
                rows.append(questview.quest_json(board.record(file.id), file.state))
            except RealmError as error:
                log.warning("%s", error.message)
        return rows

    # -- telling -------------------------------------------------------------------------------------------------

    def _tell_state(self, before: Look | None, look: Look) -> None:
        if before is None:
            return
        news = {
            "values": {key: text for key, text in look.values.items() if before.values.get(key) != text},
            "topics": {name: mark for name, mark in look.topics.items() if before.topics.get(name) != mark},
        }
        self._tell(_message("state", news))

    def _tell_events(self) -> None:
        for place, event in self._tail.read_placed():
            self.feed.append((place, event))
            self._tell(_message("happened", event_row(event), place))

    def _tell(self, data: bytes) -> None:
        with self._news:
            self._number += 1
            self._told.append(Told(self._number, data))
            self._news.notify_all()

    # -- streams -------------------------------------------------------------------------------------------------

    @property
    def seats(self) -> int:
        """Open streams."""
        return self._seats

    def sit_down(self, most: int) -> bool:
        """Take a place in the audience; False when `most` are taken. As long as one is, the watcher looks by itself."""
        with self._news:
            if self._seats >= most:
                return False
            self._seats += 1
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._keep_looking, name="watcher", daemon=True)
                self._thread.start()
            return True

    def stand_up(self) -> None:
        """Give the place back."""
        with self._news:
            self._seats -= 1

    def hello(self, after: int | None) -> tuple[int, bytes]:
        """(number to go on from, the whole state and the events since `after`), for a stream that begins."""
        look = self.look()
        missed = self.events_after(after)
        parts = [_message("state", {"values": look.values, "topics": look.topics})]
        parts += [_message("happened", event_row(event), place) for place, event in missed]
        return self._number, b"".join(parts)

    def events_after(self, after: int | None) -> list[tuple[int, EventRecord]]:
        """The events behind an offset, the last 64 KB at most; none without one."""
        if after is None or after >= self.place:
            return []
        known = EventTail(self.realm.events, MISSED_BYTES, at=after).read_placed()
        return [(place, event) for place, event in known if after < place <= self.place]

    def wait(self, number: int, seconds: float) -> tuple[int, bytes]:
        """What was told since `number`, waiting for it; nothing after `seconds`, or at the end."""
        with self._news:
            self._news.wait_for(lambda: self.closing or self._newer(number), seconds)
            news = [told for told in self._told if told.number > number]
        return (news[-1].number, b"".join(told.data for told in news)) if news else (number, b"")

    def _newer(self, number: int) -> bool:
        return bool(self._told) and self._told[-1].number > number

    def close(self) -> None:
        """End all streams."""
        with self._news:
            self.closing = True
            self._news.notify_all()

    def _keep_looking(self) -> None:
        while not self.closing:
            with self._news:
                if self._seats == 0:
                    self._thread = None
                    return
            self._look_once()
            time.sleep(LOOK_SECONDS)

    def _look_once(self) -> None:
        """One turn; what cannot be read now is said in the log and tried again."""
        try:
            look, memory = self.look(), self._memory
            self.award(look)
            if time.monotonic() >= memory.remember_after:
                memory.remember_after = time.monotonic() + REMEMBER_SECONDS
                away.remember(self.realm, look.snapshot)
        except (RealmError, OSError) as error:
            log.warning("%s", error)

    def award(self, look: Look) -> None:
        """Write down what was achieved, when that was not just done. That it failed keeps no page from being shown."""
        with self._looking:
            memory = self._memory
            if time.monotonic() < memory.award_after:
                return
            memory.award_after = time.monotonic() + AWARD_SECONDS
            try:
                memory.awarded += len(achievements.award(self.realm, self.manager, look.snapshot))
            except (RealmError, OSError) as error:
                log.warning("%s", error)

    def away(self, look: Look) -> list[str]:
        """What happened while nobody looked: the same for the whole of a visit, on every device."""
        with self._looking:
            memory, now = self._memory, time.monotonic()
            if memory.visited_at is None or now - memory.visited_at > VISIT_SECONDS:
                memory.away = away.summary(self.realm, look.snapshot, away.seen(self.realm))
            memory.visited_at = now
            return memory.away

    # -- documents -----------------------------------------------------------------------------------------------

    def hints(self, look: Look) -> list[hints.Hint]:
        """What to do next."""
        needed = self.realm.config.training.reserve_mb * 1_000_000
        return hints.hints(self.realm, look.snapshot, look.flags, look.gauges["disk"]["free"], needed)


def event_row(event: EventRecord) -> dict[str, str]:
    """An event as pages show it."""
    return {
        "name": event.name, "text": eventwords.words(event), "worth": eventwords.worth(event), "time": event.time,
    }  # fmt: skip


def _message(kind: str, data: dict[str, Any], place: int | None = None) -> bytes:
    """A server-sent event (WHATWG HTML, 9.2)."""
    head = f"id: {place}\n" if place is not None else ""
    return f"{head}event: {kind}\n".encode() + b"data: " + msgspec.json.encode(data) + b"\n\n"


def _flag_words(flag: str, record: FlagRecord | None, snapshot: Snapshot) -> str:
    """A raised flag, or the battle's last answer to one."""
    if record is not None:
        return f"asked by {record.who or 'somebody'}" + (f": {record.reason}" if record.reason else "")
    answer = snapshot.training.acknowledged.get(flag) if snapshot.training else None
    if answer is None:
        return ""
    return f"done at step {answer.step:,}" + (f": {answer.note}" if answer.note else "")
