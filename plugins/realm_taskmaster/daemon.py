"""The task master that goes on: it watches the GPUs, files what ended, and looks what runs next."""

from __future__ import annotations

import logging
import threading
import time

from realm_cli import task_records
from realm_cli.errors import RealmError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.task_records import TaskRun
from realm_taskmaster.master import TaskMaster

log = logging.getLogger("realm.taskmaster")
TICK_SECONDS = 0.5


class Daemon:
    """Works in a thread until it is told to end. Jobs outlive it; the next task master finds them again."""

    def __init__(self, realm: Realm, manager: Manager, interval: float) -> None:
        self.realm = realm
        self.interval = interval
        self._manager = manager
        self._over = threading.Event()
        self._called = threading.Event()
        self._thread = threading.Thread(target=self._work, name="task master", daemon=True)
        self._due = 0.0
        self._looks: object = None
        self.master = TaskMaster.of(realm, manager)
        self.master.cards.watch()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def call(self) -> None:
        """Look as soon as possible: something was asked for."""
        self._called.set()

    def close(self) -> None:
        """End the thread; jobs go on."""
        self._over.set()
        self._called.set()
        self._thread.join(timeout=10)
        self.master.close()

    def _work(self) -> None:
        while not self._over.is_set():
            try:
                self.turn()
            except RealmError as error:
                log.error("%s", error.message)
            except Exception:  # the edge of a look: the next one may work
                log.exception("a look of the task master failed")
                self._due = time.monotonic() + self.interval
            self._called.wait(TICK_SECONDS)
            self._called.clear()

    def turn(self) -> list[TaskRun]:
        """File what ended; look when the interval is over, when something ended, was asked for or came into reach."""
        ended = self.master.settle()
        looks = (
            task_records.queue_names(self.realm),
            [(one.card.uuid, one.state) for one in self.master.cards.standings()],
        )
        if not ended and time.monotonic() < self._due and looks == self._looks:
            return []
        self._looks, self._due = looks, time.monotonic() + self.interval
        self._configure()
        return self.master.look(self.interval)

    def _configure(self) -> None:
        """Take over what people changed in the configuration. A mistake there is said, and the look does not take place."""
        fresh = TaskMaster.of(self.realm, self._manager)
        known = self.master.cards
        if fresh.config != self.master.config or not fresh.cards.are_those_of(known):
            known.close()
            fresh.cards.watch()
            self.master = fresh
