"""A look at the disk once a minute, as a full one is the trouble that nobody else may be able to tell of."""

from __future__ import annotations

import logging
import time

from realm_cli import store
from realm_cli.errors import RealmError
from realm_cli.events import emit
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.terminal import human_bytes

log = logging.getLogger("realm.herald")

LOOK_SECONDS = 60.0
SAVES = 2
"""Checkpoints for which there should be room beside `training.reserve_mb`."""
ROOM_AGAIN = 1.2
"""So many times that has to be free before it is told again."""


class DiskWatch:
    """Tells `disk_low` once each time when the room goes under what the next checkpoints need."""

    def __init__(self, realm: Realm, manager: Manager) -> None:
        self._realm = realm
        self._manager = manager
        self._is_low = False
        self._next_look = 0.0

    def turn(self) -> None:
        """Look, when it is time."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        try:
            self._look()
        except (RealmError, OSError) as error:
            log.warning("the disk could not be looked at, or that could not be told: %s", error)

    def _look(self) -> None:
        free, needed = store.free_bytes(self._realm.root), self._needed()
        if free < needed and not self._is_low:
            reason = f"{human_bytes(free)} are free, the next checkpoints need {human_bytes(needed)}"
            emit(self._realm, self._manager, "disk_low", free=free, needed=needed, reason=reason)
            self._is_low = True
        elif free > ROOM_AGAIN * needed:
            self._is_low = False

    def _needed(self) -> int:
        newest = Ledger(self._realm).list_all(1)
        return self._realm.config.training.reserve_mb * 1_000_000 + SAVES * (newest[0].size if newest else 0)
