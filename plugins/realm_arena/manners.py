"""When a battle yields its GPU, and when it goes on: decided from what is seen, without a clock or a GPU of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from realm_cli.records import FlagRecord, ProcessMark

WHO = "courtesy"
"""By whom the pause is raised."""
CLEAR_SECONDS = 6.0
"""The GPU has to be free for so long before the battle goes on."""
COOLING = 5
"""Degrees below the ceiling at which it goes on."""


@dataclass(frozen=True)
class Foreigner:
    """A process on the GPU that is not ours."""

    name: str
    mark: ProcessMark
    megabytes: int

    @property
    def words(self) -> str:
        """`game (pid 4711, 3,000 MB)`."""
        return f"{self.name} (pid {self.mark.pid}, {self.megabytes:,} MB)"


@dataclass(frozen=True)
class Seen:
    """One look."""

    moment: float
    """Of the monotonic clock."""
    foreigners: tuple[Foreigner, ...]
    celsius: int | None
    pause: FlagRecord | None
    """The pause that is asked for, by whomever."""


@dataclass(frozen=True)
class Wish:
    """What is to be done about the pause."""

    deed: Literal["raise", "lower"]
    reason: str = ""


class Manners:
    """Raises a pause of its own and lowers that one only; what a person asks for counts more."""

    def __init__(self, max_celsius: float | None) -> None:
        self._max_celsius = max_celsius
        self._raised = False
        self._is_hot = False
        self._clear_since: float | None = None
        self._seen_last: set[ProcessMark] = set()
        self._tolerated: set[ProcessMark] = set()
        """Processes in spite of which a person let the battle go on."""
        self._heat_tolerated = False

    def decide(self, seen: Seen) -> Wish | None:
        """What to do now; None = nothing."""
        own = seen.pause is not None and seen.pause.who == WHO
        if self._raised and seen.pause is None:
            self._tolerate()
        self._raised = own  # one that an earlier battle left counts as raised by this one
        self._seen_last = {one.mark for one in seen.foreigners}
        self._feel(seen.celsius)
        reason = self._reason(seen)
        if reason:
            self._clear_since = None
            if seen.pause is None:
                self._raised = True
                return Wish("raise", reason)
            return None
        if not own:
            return None
        if self._clear_since is None:
            self._clear_since = seen.moment
        if seen.moment - self._clear_since < CLEAR_SECONDS:
            return None
        self._clear_since, self._raised = None, False
        return Wish("lower")

    def _feel(self, celsius: int | None) -> None:
        """Too hot from the ceiling on, until it is some degrees below."""
        if self._max_celsius is None or celsius is None:
            self._is_hot = False
        elif celsius > self._max_celsius:
            self._is_hot = True
        elif celsius <= self._max_celsius - COOLING:
            self._is_hot = self._heat_tolerated = False

    def _tolerate(self) -> None:
        """A person resumed since the last look: in spite of the processes and the heat that were there then."""
        self._tolerated |= self._seen_last
        self._heat_tolerated = self._is_hot

    def _reason(self, seen: Seen) -> str:
        """Why the GPU is not for us now."""
        disturbing = [one for one in seen.foreigners if one.mark not in self._tolerated]
        if disturbing:
            return f"another program uses the GPU: {', '.join(one.words for one in disturbing[:3])}"
        if self._is_hot and not self._heat_tolerated:
            return f"the GPU has {seen.celsius} °C, more than training.max_celsius ({self._max_celsius:g})"
        return ""
