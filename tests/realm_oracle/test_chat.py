"""`realm oracle chat`: exact checkpoints in the terminal, here and elsewhere."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from helpers import PATIENCE, Ran, environment, realm_line, wait_for
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm
from realm_oracle import chatting
from realm_oracle_boxes import OracleProcess, call, crown, founded, train

ASK = "Compute: add(①, ①)"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Realm:
    """A realm with a few checkpoints, the newest of them champion."""
    realm = founded(tmp_path_factory.mktemp("chat") / "realm")
    train(realm, "1", "2")
    crown(realm)
    return realm


@pytest.fixture(scope="module")
def oracle(trained: Realm) -> Iterator[OracleProcess]:
    process = OracleProcess(trained)
    yield process
    process.end()


def chat(realm: Realm, *words: object, text: str = "") -> Ran:
    return call(realm, "oracle", "chat", *words, text=text)


# -- in this process: these run before the server is started --------------------------------------------------------


def test_without_a_server_this_process_answers_and_says_so(trained: Realm) -> None:
    record = Ledger(trained).get_latest()
    ran = chat(trained, "--step", record.step, ASK)
    assert ran.code == 0, ran.err
    said, identity = ran.err.splitlines()
    assert said == "the Oracle does not run here: this process answers"
    assert identity == (
        f"({record.canonical_name}, step {record.step:,}, weights {record.weights_sha256[:12]}, this process)"
    )
    assert ran.out.strip() == chat(trained, "--step", record.step, "--json", ASK).json["response"].strip()


def test_a_checkpoint_that_is_not_there_is_named(trained: Realm) -> None:
    ran = chat(trained, "--step", 999999, ASK)
    assert (ran.code, ran.out) == (4, "")
    assert "no checkpoint at step 999999" in ran.err
    wrong = chat(trained, "--step", "newest", ASK)
    assert wrong.code == 2
    assert "is not a checkpoint's name" in wrong.err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((ASK,), "which checkpoint?"),
        (("--step", "0", "--compare", "0", ASK), "which checkpoint?"),
        (("--step", "0"), "there is no message"),
        (("--step", "0", "--host", "nowhere", ASK), "there is no host 'nowhere'"),
    ],
)
def test_what_cannot_be_asked_is_told(trained: Realm, words: tuple[str, ...], problem: str) -> None:
    ran = chat(trained, *words)
    assert ran.code in (2, 4)
    assert problem in ran.err
    assert "Traceback" not in ran.err


# -- through the server ----------------------------------------------------------------------------------------------


def test_the_server_here_answers_as_the_very_checkpoint(trained: Realm, oracle: OracleProcess) -> None:
    record = Ledger(trained).get_latest()
    ran = chat(trained, "--step", "champion", "--json", text=f"{ASK}\n")
    assert ran.code == 0, ran.err
    assert ran.err == ""
    row = ran.json
    assert (row["step"], row["weights_sha256"], row["where"]) == (record.step, record.weights_sha256, "the Oracle here")
    assert row["model"] == record.canonical_name
    assert record.step in [model.step for model in oracle.client.info().models]


def test_one_prompt_over_several_steps_fits_80_columns(trained: Realm, oracle: OracleProcess) -> None:
    steps = sorted(Ledger(trained).steps())[:2]
    ran = chat(trained, "--compare", f"0,{steps[0]},champion,{steps[0]}", ASK)
    assert ran.code == 0, ran.err
    assert max(len(line) for line in ran.out.splitlines()) <= 80
    heads = re.findall(r"step ([\d,]+),", ran.out)
    assert heads == ["0", f"{steps[0]:,}", f"{Ledger(trained).get_latest().step:,}"]
    rows = chat(trained, "--compare", f"{steps[0]},champion", "--json", ASK).json
    assert [row["step"] for row in rows] == [steps[0], Ledger(trained).get_latest().step]
    assert len({row["weights_sha256"] for row in rows}) == 2


def test_one_that_cannot_answer_keeps_no_other_from_it(trained: Realm, oracle: OracleProcess) -> None:
    step = Ledger(trained).get_latest().step
    ran = chat(trained, "--compare", f"999999,{step}", "--json", ASK)
    assert ran.code == 4
    missing, answered = ran.json
    assert "no checkpoint at step 999999" in missing["error"]
    assert answered["step"] == step
    assert "step 999,999" in ran.err


class Terminal:
    """A person at a terminal."""

    def __init__(self, *line: object, realm: Realm) -> None:
        self._main, child = pty.openpty()
        self.process = subprocess.Popen(
            realm_line(*line, realm=realm), stdin=child, stdout=child, stderr=child, start_new_session=True,
            env={**environment(), "TERM": "xterm"}, preexec_fn=_take_terminal,
        )  # fmt: skip
        os.close(child)
        self.seen = ""
        os.set_blocking(self._main, False)

    def type(self, text: str) -> None:
        os.write(self._main, text.encode())

    def is_connected(self) -> bool:
        """Whether the program speaks with a server now."""
        return any(one.status == psutil.CONN_ESTABLISHED for one in psutil.Process(self.process.pid).net_connections())

    def until(self, pattern: str, times: int = 1) -> None:
        """Wait until so many matches were seen."""

        wait_for(lambda: self.has(pattern, times), f"{pattern!r} in:\n{self.seen}")

    def has(self, pattern: str, times: int = 1) -> bool:
        """Whether so many matches were seen by now."""
        with contextlib.suppress(OSError):  # nothing there, or the other side has ended
            self.seen += os.read(self._main, 65536).decode("utf-8", "replace")
        return len(re.findall(pattern, self.seen)) >= times

    def end(self) -> int:
        try:
            return self.process.wait(timeout=PATIENCE)
        finally:
            os.close(self._main)


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_talk_remembers_what_was_said_and_ends_when_it_is_told(trained: Realm, oracle: OracleProcess) -> None:
    terminal = Terminal("oracle", "chat", "--step", "champion", realm=trained)
    terminal.until("> ")
    terminal.type(f"{ASK}\n")
    terminal.until(r"weights [0-9a-f]{12}")
    terminal.type(f"{ASK}\n")
    terminal.until(r"weights [0-9a-f]{12}", times=2)
    terminal.type("/quit\n")
    assert terminal.end() == 0
    assert "Traceback" not in terminal.seen


def test_ctrl_c_ends_the_reply_and_not_the_talk(trained: Realm, oracle: OracleProcess) -> None:
    terminal = Terminal("oracle", "chat", "--step", "0", realm=trained)
    terminal.until("> ")
    terminal.type("\x03")
    terminal.until("> ", times=2)
    oracle.process.send_signal(signal.SIGSTOP)  # so that the reply takes as long as it has to
    try:
        terminal.type("hello\n")
        # Earlier, the terminal would throw the question away with the key.
        wait_for(terminal.is_connected, "the question to be asked")
        terminal.type("\x03")
        terminal.until(r"\(cancelled\)")
    finally:
        oracle.process.send_signal(signal.SIGCONT)
    terminal.type(f"{ASK}\n")
    terminal.until(r"weights [0-9a-f]{12}")
    terminal.type("\x04")
    assert terminal.end() == 0
    wait_for(lambda: not oracle.client.running(), "the server to give the reply up")
    assert "Traceback" not in terminal.seen


def test_a_server_that_dies_is_told_and_the_talk_goes_on(trained: Realm, tmp_path: Path) -> None:
    shutil.copytree(trained.root, tmp_path / "realm", symlinks=True)
    other = Realm(tmp_path / "realm")
    process = OracleProcess(other)
    terminal = Terminal("oracle", "chat", "--step", "champion", realm=other)
    terminal.until("> ")
    process.end(signal.SIGKILL)
    terminal.type(f"{ASK}\n")
    terminal.until("error: the Oracle at .* does not answer")
    terminal.until("> ", times=2)
    terminal.type("/quit\n")
    assert terminal.end() == 0


def test_what_a_model_says_cannot_drive_the_terminal() -> None:
    assert chatting.plain("a\x1b[2Jb\r\x07c\x9b31m\n\td\x7f") == "a[2Jbc31m\n\td"
