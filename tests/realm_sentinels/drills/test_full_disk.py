"""A battle on a full disk waits and goes on."""

from __future__ import annotations

from collections.abc import Callable

from helpers import SmallDisk


def test_a_full_disk_recovers(drill: Callable[[str], None], small_disk: SmallDisk) -> None:
    assert small_disk.is_there  # else it is skipped, as the drill makes a disk in the same way
    drill("full-disk")
