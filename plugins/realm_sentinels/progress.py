"""Whether a battle gets on: steps while it trains, signs of life otherwise. By the monotonic clock, so that a wrong clock harms nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

from realm_cli.records import TrainingStatus
from realm_cli.terminal import human_seconds

STEPS_OF_SILENCE = 20
"""A battle whose steps take long is given so many of them."""
BETWEEN_FACTOR = 3
"""What saves, evaluates or loads writes its status seldom: it is given so much more time."""
BLEND = 0.8


class Progress:
    """How long nothing has moved."""

    def __init__(self, floor_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._floor = floor_seconds
        self._clock = clock
        self._seen: tuple[object, ...] = ()
        self._since = clock()
        self._step = -1
        self._step_at = 0.0
        self._seconds_per_step = 0.0

    def silence(self, training: TrainingStatus) -> str | None:
        """What to say of a battle that hangs; None while it gets on, or may."""
        moment = self._clock()
        self._measure(training, moment)
        # In training the heartbeat alone proves nothing: a loop may write it and never come to a step.
        sign = (training.step, training.quest) if training.state == "training" else (training.heartbeat,)
        seen = (training.process, training.state, *sign)
        if seen != self._seen:
            self._seen, self._since = seen, moment
            return None
        limit = self.limit(training.state)
        if moment - self._since <= limit:
            return None
        what = f"no step after {training.step}" if training.state == "training" else "no sign of life"
        return f"{training.state}, {what} for {human_seconds(moment - self._since)} (limit {human_seconds(limit)})"

    def limit(self, state: str) -> float:
        """Seconds after which a battle counts as hung."""
        limit = max(self._floor, STEPS_OF_SILENCE * self._seconds_per_step)
        return limit if state in ("training", "paused", "idle", "waiting") else BETWEEN_FACTOR * limit

    def _measure(self, training: TrainingStatus, moment: float) -> None:
        """Seconds a step, from looks at a battle that trains on."""
        if training.step > self._step >= 0:
            each = (moment - self._step_at) / (training.step - self._step)
            before = self._seconds_per_step
            self._seconds_per_step = BLEND * before + (1 - BLEND) * each if before else each
        if training.step != self._step:
            self._step, self._step_at = training.step, moment
