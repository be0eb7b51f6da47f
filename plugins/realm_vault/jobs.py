"""What was asked for on the page and takes long: done one after another, with what became of it."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from realm_cli.errors import RealmError
from realm_cli.events import emit
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_vault.places import Places

log = logging.getLogger("realm.vault")
KEPT = 20
"""Ended jobs that are still shown."""


@dataclass
class Job:
    """One thing that was asked for."""

    number: int
    words: str
    work: Callable[[], str]
    asked_at: str
    state: str = "waiting"
    """waiting, running, done or failed."""
    said: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it is still to be done."""
        return self.state in ("waiting", "running")


class Jobs:
    """A queue with one thread that works on it while there is something in it."""

    def __init__(self, realm: Realm, manager: Manager, places: Places) -> None:
        self._realm = realm
        self._manager = manager
        self._places = places
        self._jobs: deque[Job] = deque()
        self._numbers = itertools.count(1)
        self._changing = threading.Lock()
        self._thread: threading.Thread | None = None

    def ask(self, words: str, work: Callable[[], str]) -> Job:
        """Queue it; what is asked for twice is done once."""
        with self._changing:
            for job in self._jobs:
                if job.words == words and job.is_open:
                    return job
            job = Job(next(self._numbers), words, work, now())
            self._jobs.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="vault jobs", daemon=True)
                self._thread.start()
        return job

    def shown(self) -> list[Job]:
        """All that are known, newest first."""
        with self._changing:
            return list(reversed(self._jobs))

    def _next(self) -> Job | None:
        with self._changing:
            ended = [job for job in self._jobs if not job.is_open]
            for job in ended[: max(0, len(ended) - KEPT)]:
                self._jobs.remove(job)
            for job in self._jobs:
                if job.state == "waiting":
                    job.state = "running"
                    return job
            self._thread = None
            self._places.close()
            return None

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                job.said = job.work()
                job.state = "done"
            except RealmError as error:
                job.said, job.state = f"{error.message}; {error.hint}" if error.hint else error.message, "failed"
            except Exception as error:  # the edge of a job: the queue goes on
                log.exception("%s", job.words)
                job.said, job.state = f"a bug in Realm: {error!r}", "failed"
            try:
                emit(self._realm, self._manager, "vault_job", job=job.words, state=job.state, said=job.said)
            except RealmError as error:  # a full disk: the page shows the job, and the next one is done
                log.warning("%s is not told: %s", job.words, error.message)
