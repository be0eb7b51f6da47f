"""`realm play`: the first lessons are forged, trained to the end of the board, and shown."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time

import pytest

from helpers import PATIENCE, Run, environment, realm_line, wait_for
from realm_cli import status
from realm_cli.ledger import Ledger
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_guild import lessons


def test_play_forges_trains_and_goes_on_where_it_was_interrupted(realm: Realm, run: Run) -> None:
    output = realm.root / "play.txt"
    with open(output, "wb") as file:
        playing = subprocess.Popen(
            realm_line("play", realm=realm), stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=environment()
        )
    wait_for(lambda: (seen := status.read(realm)) and seen.state == "training" and seen.step > 20, "some steps")
    assert "runs already" in run("play").out
    playing.send_signal(signal.SIGINT)
    assert playing.wait(timeout=PATIENCE) == 130
    seen = status.read(realm)
    assert seen is not None
    assert seen.state == "stopped"
    text = output.read_text()
    for level, count in lessons.LESSONS.items():
        assert f"train_bin_level{level}_{count}" in text
    assert "stands at step" in text
    assert "Traceback" not in text
    assert sum(Board(realm).counts().values()) == len(lessons.LESSONS)
    before = Ledger(realm).get_latest()
    assert before.val_loss is not None

    # On a terminal of 80 columns, the same command goes on; nothing is forged again.
    main, side = pty.openpty()
    env = {**environment(), "COLUMNS": "80", "LINES": "24", "TERM": "xterm"}
    again = subprocess.Popen(realm_line("play", realm=realm), stdin=side, stdout=side, stderr=side, env=env)
    os.close(side)
    os.set_blocking(main, False)
    shown = bytearray()

    def picture() -> bool:
        try:
            shown.extend(os.read(main, 65536))
        except BlockingIOError:
            time.sleep(0.05)
        return b"lesson" in shown and b"XP" in shown

    wait_for(picture, "the picture")
    again.send_signal(signal.SIGINT)
    os.set_blocking(main, True)
    while again.poll() is None:
        try:
            os.read(main, 65536)
        except OSError:
            break
    assert again.wait(timeout=PATIENCE) == 130
    os.close(main)
    assert b"the board has quests already" in shown
    assert Ledger(realm).get_latest().step > before.step


@pytest.mark.drill
def test_play_to_the_end_of_the_board_learns_the_levels(realm: Realm, run: Run) -> None:
    done = subprocess.run(
        realm_line("play", realm=realm), capture_output=True, text=True, env=environment(), check=False, timeout=900
    )
    assert done.returncode == 0, done.stderr
    assert Ledger(realm).get_latest().val_loss < 0.2  # type: ignore[operator]
    assert run("status", "--json").json["board"]["completed"] == len(lessons.LESSONS)
