"""`realm play` as a person meets it: in a pipe, on a terminal, interrupted in every phase."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import preloaded
from helpers import PATIENCE, BattleProcess, Run, TavernProcess, environment, realm_line, wait_for
from realm_cli import control, services, skillstate, status, store
from realm_cli.ledger import Ledger
from realm_cli.process import mark_of
from realm_cli.realm import Realm
from realm_cli.records import TrainingStatus
from realm_guild.play_records import PlayRecord
from realm_guild.playlines import record_path
from realm_guild.standing import change
from realm_guild_heroes import set_yaml, tune

Plays = Callable[..., "Piped"]


class Piped:
    """`realm play` in the background, its output in a file."""

    def __init__(self, realm: Realm, *args: str) -> None:
        self.realm = realm
        self.output = realm.root / f"play-{time.monotonic_ns()}.txt"
        with open(self.output, "wb") as file:
            self.process = preloaded.start(
                realm_line("play", *args, realm=realm), stdout=file, stderr=file,
                env=environment(), start_new_session=True,
            )  # fmt: skip

    @property
    def text(self) -> str:
        return self.output.read_text()

    def until(self, part: str) -> None:
        wait_for(lambda: part in self.text or self.process.poll() is not None, part)
        assert part in self.text

    def signal(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE)


class Terminal:
    """`realm play` on a terminal of 80 by 24; `shown` is all that it wrote there."""

    def __init__(self, realm: Realm, *args: str) -> None:
        self.main, self.side = pty.openpty()
        self.before = termios.tcgetattr(self.side)
        env = {**environment(), "COLUMNS": "80", "LINES": "24", "TERM": "xterm"}
        # Where the tests run under nohup, a hang-up is ignored, as nohup wants it.
        line = ["env", "--default-signal=HUP", *realm_line("play", *args, realm=realm)]
        self.process = subprocess.Popen(line, stdin=self.side, stdout=self.side, stderr=self.side, env=env)
        os.set_blocking(self.main, False)
        self.bytes = bytearray()

    def read(self) -> str:
        with contextlib.suppress(OSError):
            self.bytes.extend(os.read(self.main, 65536))
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.bytes.decode("utf-8", "replace"))

    def press(self, key: str) -> None:
        os.write(self.main, key.encode())

    def until(self, part: str) -> None:
        """Wait until something is shown that was not before."""
        seen = len(self.read())
        wait_for(lambda: part in self.read()[seen:], f"{part} in {self.read()[-4000:]}")

    def end(self) -> int:
        wait_for(lambda: (self.read(), self.process.poll())[1] is not None, "the end of play")
        code: int = self.process.returncode
        return code


@pytest.fixture
def plays(realm: Realm) -> Iterator[Plays]:
    """`plays("--minutes", "1")`; what runs at the end of the test is killed, its battle as well."""
    started: list[Piped] = []

    def start(*args: str) -> Piped:
        started.append(Piped(realm, *args))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
    _kill_battle(realm)


@pytest.fixture
def terminal(realm: Realm) -> Iterator[Terminal]:
    made = Terminal(realm)
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.wait()
    for end in (made.main, made.side):
        with contextlib.suppress(OSError):
            os.close(end)
    _kill_battle(realm)


def _kill_battle(realm: Realm) -> None:
    left = status.battle_process(realm)
    if left is not None:
        os.kill(left.pid, signal.SIGKILL)
        wait_for(lambda: status.battle_process(realm) is None, "the end of the battle")


def _training(playing: Piped, step: int = 1) -> TrainingStatus:
    """Its battle's status, once that trains and has come to `step`."""

    def reached() -> TrainingStatus | None:
        assert playing.process.poll() is None, playing.text
        seen = status.read(playing.realm)
        if seen is None or seen.state != "training" or seen.step < step:
            return None
        return seen if status.battle_process(playing.realm) is not None else None

    found: TrainingStatus = wait_for(reached, f"training at step {step}")
    return found


def test_play_in_a_pipe_ends_by_itself_when_the_goal_is_reached(realm: Realm, run: Run) -> None:
    tune(realm, forge={"samples": {1: 400}}, eval={"threshold": 0.25})
    played = run("play", "--until", "bin=2")
    assert (played.code, played.err) == (0, "")
    lines = played.out.splitlines()
    told = [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in lines]
    assert "the battle begins" in told
    for pattern in (
        r"the Tavern is open: http://127\.0\.0\.1:\d+",
        r"quest done: train_bin_level1_no1, loss \d\.\d{4}",
        r"eval bin level 1: \d+ of 50 \(\d+ %\), closed",
        r"bin level 1 mastered: \d+ % \(\d+.\d+\)",
        r"new champion: dio-mini at step \d+",
        r"the battle ended: the goal is reached: bin is at level 2",
        r"dio-mini stands at step \d+: loss \d\.\d{4}, val loss \d\.\d{4}",
        r"bin level 2 in training: .*, closed; mastered 1",
        r"checkpoint .*/checkpoint-\d+-\d{8}-\d{4}",
    ):
        assert any(re.fullmatch(pattern, line) for line in told), f"{pattern} in\n{played.out}"
    assert lines[-1] == "again: realm play"
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", played.out)
    assert services.running(realm, "tavern") is None
    step = Ledger(realm).get_latest().step
    assert store.read_record(record_path(realm), PlayRecord).step == step

    again = run("play", "--until", "bin=2")
    assert (again.code, again.out) == (0, "the goal is reached: bin is at level 2\n")
    assert Ledger(realm).get_latest().step == step


def test_a_tavern_that_cannot_open_is_said_and_one_that_is_open_is_left_alone(
    realm: Realm, run: Run, tavern: Callable[..., TavernProcess]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        set_yaml(realm.config_file, "port: 0", f"port: {port}")
        played = run("play", "--minutes", "0.05")
    assert played.code == 0, played.err
    assert f"the Tavern does not open: port {port} of 127.0.0.1 is taken by another program" in played.out
    opened = tavern("--port", "0")
    again = run("play", "--minutes", "0.05")
    assert f"the Tavern is open: {opened.url}" in again.out
    assert services.running(realm, "tavern") is not None


def test_ctrl_c_is_safe_in_every_phase_and_the_same_line_goes_on(realm: Realm, plays: Plays) -> None:
    early = plays()
    early.until("the hero plays")
    assert early.signal(signal.SIGINT) == 130
    assert status.battle_process(realm) is None

    playing = plays()
    _training(playing, step=20)
    playing.process.send_signal(signal.SIGINT)
    playing.until("saving and stopping")
    assert playing.signal(signal.SIGINT) == 130  # a second one does not tear the save
    seen = status.read(realm)
    assert seen is not None
    assert seen.state == "stopped"
    step = Ledger(realm).get_latest().step
    assert step == seen.step >= 20
    assert "stands at step" in playing.text
    assert "Traceback" not in early.text + playing.text

    later = plays()
    _training(later, step=step + 1)
    assert later.signal(signal.SIGINT) == 130
    assert f"the battle goes on at step {step}" in later.text
    assert Ledger(realm).get_latest().step > step


def test_keys_pause_resume_save_and_quit(realm: Realm, terminal: Terminal) -> None:
    terminal.until("⚔ training")
    terminal.press("p")
    terminal.until("‖ paused")
    flag = control.read(realm, "pause")
    assert flag is not None
    assert flag.reason == "paused from play"
    terminal.press("r")
    terminal.until("⚔ training")
    terminal.press("s")
    terminal.until("saved at step")
    terminal.press("\x1bOQ")  # a function key is not the letter at its end
    terminal.press("x")
    terminal.press("p")
    terminal.until("‖ paused")
    terminal.press("q")
    assert terminal.end() == 0
    assert termios.tcgetattr(terminal.side) == terminal.before
    assert control.read(realm, "pause") is None  # the pause was play's own, and ends with it
    text = terminal.read()
    assert "saving and stopping" in text
    assert text.rstrip().endswith("again: realm play")
    assert "Traceback" not in text
    seen = status.read(realm)
    assert seen is not None
    assert Ledger(realm).get_latest().step == seen.step


def test_a_terminal_that_is_closed_saves_and_stops(realm: Realm, terminal: Terminal) -> None:
    wait_for(lambda: (terminal.read(), (seen := status.read(realm)) and seen.step > 5)[1], "some steps")
    terminal.process.send_signal(signal.SIGHUP)
    os.close(terminal.main)
    terminal.process.wait(timeout=PATIENCE)
    seen = status.read(realm)
    assert seen is not None
    assert seen.state == "stopped"
    assert Ledger(realm).get_latest().step == seen.step > 5


def test_a_battle_that_runs_is_watched_and_left_alone(
    realm: Realm, run: Run, plays: Plays, battle: Callable[..., BattleProcess]
) -> None:
    # It may have been left by a play that was killed: its battle goes on.
    killed = plays()
    pid = _training(killed).process.pid
    killed.signal(signal.SIGKILL)

    watched = run("play", "--minutes", "0.03")
    assert watched.code == 0
    assert f"a battle runs already (pid {pid})" in watched.out
    assert "the battle goes on; watch it again: realm play; end it: realm battle stop" in watched.out
    watching = plays()
    watching.until("a battle runs already")
    assert watching.signal(signal.SIGINT) == 130
    refused = run("play", "--until", "bin=4")
    assert refused.code == 3
    assert "takes no --until" in refused.err
    assert status.battle_process(realm) == mark_of(pid)

    watching = plays()
    watching.until("a battle runs already")
    assert run("battle", "stop").code == 0
    assert watching.process.wait(timeout=PATIENCE) == 0
    assert "the battle ended" in watching.text


def test_a_wrong_goal_is_told_before_anything_starts(realm: Realm, run: Run) -> None:
    for goal, code, message in (
        ("bin", 2, "'bin' is no goal"),
        ("bin=99", 2, "bin has no level 99"),
        ("bim=2", 4, "there is no skill 'bim'"),
    ):
        refused = run("play", "--until", goal)
        assert (refused.code, refused.out) == (code, "")
        assert message in refused.err
    assert run("play", "--minutes", "0").code == 2
    assert status.read(realm) is None
    assert not Path(realm.logs / "battle.log").exists()


def test_a_goal_that_was_reached_before_starts_nothing(realm: Realm, run: Run) -> None:
    change(realm, "dio-mini", "bin", level=4)
    assert skillstate.read(realm, "dio-mini", "bin") is not None
    done = run("play", "--until", "bin=3")
    assert (done.code, done.out) == (0, "the goal is reached: bin is at level 4\n")
    assert status.read(realm) is None


def test_a_battle_that_dies_is_told_with_its_last_words(realm: Realm, run: Run) -> None:
    with store.locked(realm.battle_lock):  # as if another battle had begun in this very moment
        died = run("play")
    assert died.code == 1
    assert "the battle died; its last words:\n  error: " in died.err
    assert "is held by another battle of this realm" in died.err
    assert "realm battle log" in died.err
