"""What `realm play` shows, and how it is kept up to date with next to no work: only what changed is read."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from realm_cli import eventwords, skillbook, status
from realm_cli.errors import RealmError
from realm_cli.eventtail import EventTail
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import EventRecord, TrainingStatus
from realm_cli.watchtower import Snapshot, gaze

log = logging.getLogger("realm.play")
GAZE_SECONDS = 2.0
GAZE_SHARE = 0.01
"""Share of one core that looking at the whole realm may take; what grows with the realm's age is looked at less often."""
BANNER_SECONDS = 6.0
LOSSES = 1200
"""Losses kept for the sparkline, at two a second: ten minutes."""


@dataclass
class Scene:
    """All that a picture is made of."""

    snapshot: Snapshot
    title: str = ""
    """The hero's title."""
    names: dict[str, str] = field(default_factory=dict)
    """Icon and name of every skill."""
    training: TrainingStatus | None = None
    """What the battle that is shown wrote last; None before it has written."""
    losses: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=LOSSES))
    """Moment and loss."""
    events: deque[EventRecord] = field(default_factory=lambda: deque(maxlen=40))
    banner: str = ""
    away: list[str] = field(default_factory=list)
    """While you were away."""
    services: list[str] = field(default_factory=list)
    """Where the page is, or why it is not."""
    warning: str = ""
    save_asked: str = ""
    """When a key asked for a checkpoint last."""
    watching: bool = False
    """Whether someone else's battle is shown."""
    leaving: bool = False


class Watcher:
    """Keeps a scene up to date. `is_shown` tells the status of the battle that is shown from another one's."""

    def __init__(self, realm: Realm, manager: Manager, is_shown: Callable[[TrainingStatus], bool]) -> None:
        self._realm = realm
        self._manager = manager
        self._is_shown = is_shown
        self._tail = EventTail(realm.events)
        self._status_mark = (0, 0)
        self._next_gaze = 0.0
        self._banner_until = 0.0
        self.scene = Scene(gaze(realm, manager), title=realm.hero().title, names=_names(realm))
        old = self._tail.read()
        self.scene.events.extend([event for event in old if eventwords.worth(event) != eventwords.NOISE] or old)

    def look(self) -> list[EventRecord]:
        """Bring the scene up to date; the events that are new."""
        self._look_at_battle()
        new = self._tail.read()
        self.scene.events.extend(event for event in new if eventwords.worth(event) != eventwords.NOISE)
        self._raise_banner(new)
        if time.monotonic() >= self._next_gaze:
            self.gaze()
        return new

    def gaze(self) -> None:
        """Look at the whole realm, and not again before that is worth its cost."""
        begun = time.process_time()
        try:
            self.scene.snapshot = gaze(self._realm, self._manager)
        except RealmError as error:  # what cannot be shown now must not end the battle
            log.warning("%s", error.message)
        cost = time.process_time() - begun
        self._next_gaze = time.monotonic() + max(GAZE_SECONDS, cost / GAZE_SHARE)

    def _look_at_battle(self) -> None:
        try:
            facts = os.stat(self._realm.training_status)
        except FileNotFoundError:
            return
        if (facts.st_mtime_ns, facts.st_ino) == self._status_mark:
            return
        self._status_mark = (facts.st_mtime_ns, facts.st_ino)
        try:
            seen = status.read(self._realm)
        except RealmError as error:
            log.warning("%s", error.message)
            return
        if seen is None or not self._is_shown(seen):
            return
        if seen.loss is not None and (self.scene.training is None or seen.step != self.scene.training.step):
            self.scene.losses.append((time.monotonic(), seen.loss))
        self.scene.training = seen

    def _raise_banner(self, new: list[EventRecord]) -> None:
        great = [event for event in new if event.name in ("skill_level_up", "level_up")]
        if great:
            self.scene.banner = eventwords.words(great[-1])
            self._banner_until = time.monotonic() + BANNER_SECONDS
            self._next_gaze = 0.0  # the level below the banner must be the new one
        elif self.scene.banner and time.monotonic() > self._banner_until:
            self.scene.banner = ""


def _names(realm: Realm) -> dict[str, str]:
    names = {}
    for skill in skillbook.skill_ids(realm):
        try:
            config = skillbook.load_config(realm, skill)
        except RealmError:
            continue  # the watchtower says what is wrong with it
        names[skill] = f"{config.icon} {config.name}".strip()
    return names
