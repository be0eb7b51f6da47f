"""What the task master says of troubles: it looks again and again, and what stays as it was is said once an hour."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger("realm.taskmaster")
AGAIN_SECONDS = 3600.0
REMEMBERED = 1000


class Repeats(logging.Filter):
    """Leaves out a trouble that was said less than an hour ago."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is to be said."""
        if record.levelno < logging.WARNING:
            return True
        words = f"{record.getMessage()} {record.exc_info and record.exc_info[1]!r}"
        moment = time.monotonic()
        if moment - self._said.get(words, -AGAIN_SECONDS) < AGAIN_SECONDS:
            return False
        if len(self._said) >= REMEMBERED:
            self._said.clear()
        self._said[words] = moment
        return True


@contextmanager
def once_an_hour() -> Iterator[None]:
    """For a task master that goes on."""
    repeats = Repeats()
    log.addFilter(repeats)
    try:
        yield
    finally:
        log.removeFilter(repeats)
