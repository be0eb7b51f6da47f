"""A battle that is killed ends as one that is not."""

from __future__ import annotations

from collections.abc import Callable


def test_a_killed_battle_recovers(drill: Callable[[str], None]) -> None:
    drill("kill-battle")
