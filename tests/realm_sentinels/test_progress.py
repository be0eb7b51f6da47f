"""When a battle counts as hung: no step while it trains, no sign of life otherwise."""

from __future__ import annotations

import pytest

from realm_cli.process import this_process
from realm_cli.records import TrainingStatus
from realm_sentinels.progress import Progress


class Clock:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def training(step: int, state: str = "training", heartbeat: str = "", quest: str = "q") -> TrainingStatus:
    return TrainingStatus(state=state, step=step, quest=quest, process=this_process(), heartbeat=heartbeat)


def test_a_battle_that_makes_steps_never_hangs(clock: Clock) -> None:
    progress = Progress(60, clock)
    for step in range(50):
        assert progress.silence(training(step)) is None
        clock.now += 50


def test_no_step_for_longer_than_the_floor_is_a_hang_whatever_the_heartbeat_says(clock: Clock) -> None:
    progress = Progress(60, clock)
    assert progress.silence(training(7, heartbeat="a")) is None
    clock.now += 60
    assert progress.silence(training(7, heartbeat="b")) is None
    clock.now += 1
    assert progress.silence(training(7, heartbeat="c")) == "training, no step after 7 for 1m 01s (limit 1m 00s)"


def test_slow_steps_are_given_twenty_of_them(clock: Clock) -> None:
    progress = Progress(60, clock)
    for step in range(4):
        assert progress.silence(training(step)) is None
        clock.now += 30
    clock.now += 20 * 30 - 30
    assert progress.silence(training(3)) is None
    clock.now += 1
    assert progress.silence(training(3)) == "training, no step after 3 for 10m 01s (limit 10m 00s)"


@pytest.mark.parametrize(
    ("state", "limit"), [("paused", 60), ("idle", 60), ("waiting", 60), ("saving", 180), ("evaluating", 180)]
)
def test_without_training_signs_of_life_count_and_saves_are_given_more_time(
    clock: Clock, state: str, limit: float
) -> None:
    progress = Progress(60, clock)
    assert progress.silence(training(7, state, "a")) is None
    clock.now += limit
    assert progress.silence(training(7, state, "a")) is None
    clock.now += 1
    assert str(progress.silence(training(7, state, "a"))).startswith(f"{state}, no sign of life for")
    assert progress.silence(training(7, state, "b")) is None


def test_another_battle_and_another_quest_begin_anew(clock: Clock) -> None:
    progress = Progress(60, clock)
    assert progress.silence(training(7)) is None
    clock.now += 100
    assert progress.silence(training(7, quest="other")) is None
    clock.now += 100
    assert progress.silence(training(3)) is None  # rolled back to a checkpoint
