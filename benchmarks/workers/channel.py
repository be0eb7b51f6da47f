"""A worker's end of the pipe to its benchmark. Only the standard library: workers run in several environments."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any


class Channel:
    """Requests come on stdin, answers go where stdout was, a JSON line each; whatever else is printed goes to stderr."""

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def answer(self, **facts: Any) -> None:
        self._answers.write(json.dumps(facts) + "\n")
        self._answers.flush()

    def request(self) -> dict[str, Any]:
        """The next request; leaves the process when the benchmark has closed the pipe."""
        line = sys.stdin.readline()
        if not line:
            raise SystemExit(0)
        request: dict[str, Any] = json.loads(line)
        return request

    def serve(self, **work: Callable[..., dict[str, Any]]) -> None:
        """Answer requests `{"do": name, …}` for ever; each answer also tells the seconds that it took."""
        while True:
            request = self.request()
            begun = time.perf_counter()
            facts = work[request.pop("do")](**request)
            self.answer(seconds=time.perf_counter() - begun, **facts)


class Pacer:
    """Holds a training loop still until steps are asked for. The loop calls `turn` once a step, always at the same place."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._steps = 0
        self._left = 0
        self._begun = 0.0
        self._trained = 0

    def turn(self, trained: int) -> None:
        """`trained` is the number of tokens trained so far."""
        self._left -= 1
        if self._left > 0:
            return
        if self._steps:
            seconds = time.perf_counter() - self._begun
            self._channel.answer(steps=self._steps, seconds=seconds, trained=trained - self._trained)
        self._steps = self._left = int(self._channel.request()["steps"])
        self._trained = trained
        self._begun = time.perf_counter()
