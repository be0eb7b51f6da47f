"""A battle that is killed ends as one that is not; a drill that is killed leaves nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil

from helpers import environment, realm_line, wait_for
from realm_cli.realm import Realm
from realm_sentinels.drills.janitor import MARK


def test_a_killed_battle_recovers(drill: Callable[[str], None]) -> None:
    drill("kill-battle")


def _of_drill(folder: Path) -> list[psutil.Process]:
    """The processes that a drill has started, and those that they have."""

    def is_one(process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK, "").startswith(str(folder))
        except (psutil.Error, OSError):
            return False

    return [process for process in psutil.process_iter() if is_one(process)]


def test_a_killed_drill_leaves_neither_a_process_nor_a_folder(realm: Realm, places: Path) -> None:
    with subprocess.Popen(
        realm_line("drill", "kill-battle", "-q", realm=realm), env=environment(), stdout=subprocess.DEVNULL
    ) as drill:
        wait_for(lambda: len(_of_drill(places)) == 2, "both battles of the drill")
        drill.kill()
    wait_for(lambda: not list(places.iterdir()), "the end of the folder")
    assert _of_drill(places) == []
