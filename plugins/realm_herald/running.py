"""The heralds at work: a thread for each, which reads events, sends what is due and writes down how far it is.

Nothing here is in a battle's way: the events are read without a lock, and the battle waits for nobody.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Protocol

import msgspec

from realm_cli import eventwords, services, store
from realm_cli.errors import RealmError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_herald import settings
from realm_herald.disk import DiskWatch
from realm_herald.following import Follower
from realm_herald.herald import Herald
from realm_herald.records import HeraldRecord, Message, record_path
from realm_herald.rules import GRADES
from realm_herald.settings import HeraldConfig, HeraldsConfig, Target

log = logging.getLogger("realm.herald")

LOOK_SECONDS = 0.5
"""How often each herald looks for new events."""
GATHER_SECONDS = 1.0
"""What happens within so many seconds after an event is told with it."""
BACKOFF_SECONDS = 300.0
"""The longest wait between two tries."""
BEAT_SECONDS = 2.0
SEND_SECONDS = 90.0
STUCK_SECONDS = 120.0
"""A herald whose thread has not come round for so long keeps the service from saying that it is well."""
LOG_BYTES = 5_000_000
"""A longer log becomes `heralds.log.1`."""
UNWRITTEN = 10_000
"""Lines that are kept while the disk refuses them."""

Send = Callable[[Target, Message, str], str]


class Worker(Protocol):
    """What a thread does again and again."""

    name: str

    def turn(self) -> None:
        """One round. Raises `RealmError` for what may pass."""


class HeraldWorker:
    """One herald with its file."""

    def __init__(self, realm: Realm, name: str, config: HeraldConfig, send: Send) -> None:
        self.name = name
        self._realm = realm
        self._config = config
        self._send = send
        self._path = record_path(realm, name)
        record = store.read_or_set_aside(self._path, HeraldRecord)
        self._follower = Follower(realm.events, record)
        self._herald = Herald(config, record or HeraldRecord(herald=name))
        self._gathered_at = self._next_try = 0.0
        self._speaking: threading.Thread | None = None
        self._save()

    def turn(self) -> None:
        """Read what is new; send what is due. A receiver that is away is asked again, less and less often."""
        events = self._follower.read()
        if events:
            self._herald.take(events, _now())
            self._gathered_at = self._gathered_at or time.monotonic() + GATHER_SECONDS
            self._save()
        if time.monotonic() >= max(self._gathered_at, self._next_try):
            self._gathered_at = 0.0
            self._tell()

    def _tell(self) -> None:
        message = self._herald.next_message(_now())
        if message is None:
            return
        self._save()  # before it goes out: after a kill the same message is sent, with the same id
        reason = self._sent(message)
        if reason:
            self._herald.failed(reason)
            self._next_try = time.monotonic() + min(BACKOFF_SECONDS, 2.0 ** min(self._herald.record.tries - 1, 20))
            log.warning("herald %s: %s; it is tried again", self.name, reason)
        else:
            self._herald.arrived(_now())
        self._save()

    def _sent(self, message: Message) -> str:
        """Empty, or why it did not arrive. A receiver that answers byte by byte is left to a thread that is not waited for."""
        if self._speaking is not None and self._speaking.is_alive():
            return f"it still answers to the try before, for over {SEND_SECONDS:g} s"
        try:
            target = settings.target(self._realm, self.name, self._config)
        except RealmError as error:  # a secret that is gone
            return error.message
        said: list[str] = []
        self._speaking = threading.Thread(
            target=lambda: said.append(self._send(target, message, self._realm.root.name)), name=self.name, daemon=True
        )
        self._speaking.start()
        self._speaking.join(SEND_SECONDS)
        return said[0] if said else f"it did not answer within {SEND_SECONDS:g} s"

    def _save(self) -> None:
        self._herald.record = _moved(self._herald.record, self._follower)
        store.write_record(self._path, self._herald.record)


def _moved(record: HeraldRecord, follower: Follower) -> HeraldRecord:
    return msgspec.structs.replace(
        record, inode=follower.inode, place=follower.place, time=follower.time, recent=follower.recent
    )


class LogWorker:
    """Writes events as lines into `logs/heralds.log`."""

    name = settings.LOG

    def __init__(self, realm: Realm, grade: str) -> None:
        self._least = GRADES.index(grade)
        self._path = record_path(realm, self.name)
        record = store.read_or_set_aside(self._path, HeraldRecord)
        self._follower = Follower(realm.events, record)
        self._record = record or HeraldRecord(herald=self.name)
        self._log = realm.logs / "heralds.log"
        self._unwritten: deque[str] = deque(maxlen=UNWRITTEN)
        store.write_record(self._path, _moved(self._record, self._follower))

    def turn(self) -> None:
        """Write what is new; what the disk refuses is written in a later round."""
        for _, event in (events := self._follower.read()):
            if eventwords.importance(event) >= self._least:
                self._unwritten.append(f"{event.time}  {eventwords.worth(event):5}  {eventwords.words(event)}\n")
        if self._unwritten:
            with open(self._log, "ab") as file:
                file.write("".join(self._unwritten).encode())
                size = file.tell()
            self._unwritten.clear()
            if size > LOG_BYTES:
                self._log.replace(self._log.with_name("heralds.log.1"))
        if events:
            store.write_record(self._path, _moved(self._record, self._follower))


def workers(realm: Realm, config: HeraldsConfig, send: Send) -> list[Worker]:
    """What has to be done by this configuration."""
    store.make_folders([record_path(realm, settings.LOG).parent, realm.logs])
    found: list[Worker] = [] if config.log == "none" else [LogWorker(realm, config.log)]
    found += [HeraldWorker(realm, name, herald, send) for name, herald in config.heralds.items() if herald.enabled]
    return found


class Crew:
    """The threads of one configuration."""

    def __init__(self, found: list[Worker]) -> None:
        self._stop = threading.Event()
        self._came_round = {worker.name: time.monotonic() for worker in found}
        # Daemons: a receiver that answers slowly keeps the service from nothing, not even from its end.
        self._threads = [threading.Thread(target=self._work, args=(one,), name=one.name, daemon=True) for one in found]
        for thread in self._threads:
            thread.start()

    def _work(self, worker: Worker) -> None:
        trouble = ""
        while not self._stop.wait(LOOK_SECONDS):
            before, trouble = trouble, ""
            try:
                worker.turn()
            except (RealmError, OSError) as error:  # the disk may be full for a while
                trouble = str(error)
                if trouble != before:
                    log.warning("herald %s: %s", worker.name, trouble)
            except Exception as error:  # the edge of a worker
                trouble = repr(error)
                if trouble != before:
                    log.exception("herald %s failed", worker.name)
            self._came_round[worker.name] = time.monotonic()

    def is_well(self) -> bool:
        """Whether every thread came round lately."""
        return all(time.monotonic() - at < STUCK_SECONDS for at in self._came_round.values())

    def end(self, seconds: float = 15.0) -> None:
        """Ask all to stop, and wait for them for a while."""
        self._stop.set()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def run(realm: Realm, manager: Manager, stopping: threading.Event, send: Send) -> None:
    """Work until `stopping`. The configuration is read again when it changes; with a mistake in it the one before stays.

    Raises `LockedError` when the heralds of this realm are at work already.
    """
    store.make_folders([record_path(realm, settings.LOG).parent])
    with store.locked(record_path(realm, ".lock"), wait=False, owner="another `realm herald run`"):
        seen, crew = _mark(realm), Crew(workers(realm, settings.load(realm), send))
        disk = DiskWatch(realm, manager)
        services.announce(realm, "herald")
        beat_at = 0.0
        while not stopping.wait(LOOK_SECONDS):
            if _mark(realm) != seen:
                seen, crew = _mark(realm), _renewed(realm, crew, send)
            disk.turn()
            if time.monotonic() >= beat_at and crew.is_well():
                beat_at = time.monotonic() + BEAT_SECONDS
                _beat(realm)
        crew.end()


def _renewed(realm: Realm, crew: Crew, send: Send) -> Crew:
    try:
        config = settings.load(realm)
    except RealmError as error:
        log.error("%s; the heralds go on as before", error.message)
        return crew
    crew.end()
    log.warning("the configuration was changed and read again")
    return Crew(workers(realm, config, send))


def _beat(realm: Realm) -> None:
    try:
        services.beat(realm, "herald")
    except RealmError as error:  # a disk that refuses it ends nothing
        log.debug("%s", error.message)


def _mark(realm: Realm) -> tuple[int, int]:
    """The identity of the configuration's file."""
    try:
        facts = settings.heralds_file(realm).stat()
    except FileNotFoundError:
        return 0, 0
    return facts.st_mtime_ns, facts.st_ino


def _now() -> datetime:
    return datetime.now(timezone.utc)
