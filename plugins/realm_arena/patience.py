"""Patience with the machine: what the disk refuses is tried again until it works or the battle is stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from realm_arena.flags import Flags, Stop
from realm_arena.reporter import Reporter
from realm_cli.errors import RealmError, StorageError

log = logging.getLogger("realm.arena")
T = TypeVar("T")
WAIT_SECONDS = 0.1


class NoRoomError(RealmError):
    """The disk has less room than a checkpoint needs."""


class Patience:
    """Waits, with signs of life and the reason shown."""

    def __init__(self, flags: Flags, reporter: Reporter) -> None:
        self.flags = flags
        self.reporter = reporter

    def rest(self) -> None:
        """One turn of a waiting loop."""
        self.reporter.beat()
        time.sleep(WAIT_SECONDS)

    def persist(self, action: Callable[[], T]) -> T:
        """Do something to the disk. While it refuses, wait and try again; `Stop` ends the waiting."""
        before = self.reporter.status.state, self.reporter.status.reason
        told = ""
        while True:
            try:
                result = action()
            except (StorageError, NoRoomError) as error:
                if error.message != told:
                    told = error.message
                    log.error("%s; the battle waits", error.message)
                    self.reporter.change(state="waiting", reason=error.message)
                flag = self.flags.wanted("stop")
                if flag is not None:
                    raise Stop(flag, unsaved=error.message) from error
                self.rest()
            else:
                if told:
                    self.reporter.change(state=before[0], reason=before[1])
                return result
