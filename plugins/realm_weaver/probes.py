"""Probes: does a service answer, does its heartbeat move. A slow answer keeps nobody waiting but a thread of its own."""

from __future__ import annotations

import http.client
import threading
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Answer(NamedTuple):
    """What a probe brought."""

    ok: bool
    said: str


def ask(url: str, seconds: float) -> Answer:
    """GET an address: 200 to 399 is good."""
    parts = urllib.parse.urlsplit(url)
    wire = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=seconds)
    try:
        wire.request(
            "GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), headers={"Connection": "close"}
        )
        status = wire.getresponse().status
        return Answer(200 <= status < 400, f"{url} answered {status}")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(False, f"{url} does not answer ({str(error) or type(error).__name__})")
    finally:
        wire.close()


def ask_beside(url: str, seconds: float, tell: Callable[[Answer], None]) -> None:
    """Ask in a thread of its own, which tells the answer."""
    threading.Thread(target=lambda: tell(ask(url, seconds)), name="probe", daemon=True).start()


class Pulse:
    """A heartbeat file: it lives when the file changes. No clock is compared, so a wrong one harms nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._look()

    def moved(self) -> bool:
        """Whether it changed since the last look."""
        before, self._seen = self._seen, self._look()
        return self._seen is not None and self._seen != before

    def _look(self) -> tuple[int, int, int] | None:
        try:
            facts = self._path.stat()
        except OSError:
            return None
        return facts.st_mtime_ns, facts.st_size, facts.st_ino


class Prober:
    """One probe, put again and again: when it is due, and how often in a row it failed."""

    def __init__(self, delay: float, period: float, seconds: float, threshold: int, now: float) -> None:
        self.due = now + delay
        self.failures = 0
        self.said = ""
        self.seconds = seconds
        self._period = period
        self._threshold = threshold
        self._asked = now
        self._question = 0
        self._open = False

    def begin(self, now: float) -> int:
        """The number of a question that is put now."""
        self._asked, self._open, self._question = now, True, self._question + 1
        self.due = now + self.seconds + 1
        return self._question

    def awaits(self, question: int) -> bool:
        """Whether the answer to that question still counts."""
        return self._open and question == self._question

    @property
    def is_open(self) -> bool:
        """Whether a question is put and not answered."""
        return self._open

    def count(self, answer: Answer, now: float) -> bool:
        """Note an answer; True when it failed so often in a row that the service is given up."""
        self._open = False
        self.due = max(now, self._asked + self._period)
        self.failures = 0 if answer.ok else self.failures + 1
        self.said = answer.said
        return self.failures >= self._threshold
