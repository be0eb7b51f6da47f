"""An Oracle that is killed answers again, as the same checkpoint."""

from __future__ import annotations

from collections.abc import Callable


def test_a_dead_oracle_recovers(drill: Callable[[str], None]) -> None:
    drill("dead-oracle")
