"""How commands reach another machine, when it is busy."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers import PATIENCE, wait_for
from realm_cli import carriers
from realm_cli.carriers import Ssh
from realm_cli.errors import AwayError
from realm_vault_boxes import SSHD, Box


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    """A machine with an sshd that this process reaches, and that lets one caller at a time tell who it is."""
    if any(shutil.which(program) is None for program in (SSHD, "ssh", "ssh-keygen")):
        assert os.environ.get("CI") != "true", "OpenSSH is missing; make system says how to get it"
        pytest.skip("OpenSSH is missing here (make system)")
    made = Box(tmp_path / "box")
    for name in ("PATH", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, made.environment()[name])
    made.stop()
    with (made.folder / "sshd_config").open("a") as config:
        config.write("MaxStartups 1:100:1\n")
    made.start()
    yield made
    made.close()


@contextmanager
def caller_who_says_nothing(box: Box) -> Iterator[None]:
    """The one who is let in and does not tell who it is, as long as a `with` runs."""

    def let_in() -> socket.socket | None:
        wire = socket.create_connection(("127.0.0.1", box.port))
        if wire.recv(3) == b"SSH":
            return wire
        wire.close()  # whoever looked whether the machine is on has not left yet
        return None

    with wait_for(let_in, "a place"):
        yield


def test_a_machine_with_too_many_callers_is_asked_again(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carriers, "BUSY_SECONDS", PATIENCE)  # the machine of the tests may be busy as well
    ssh = Ssh("127.0.0.1", getpass.getuser(), box.port)
    program, calls = box.folder / "bin" / "ssh", box.folder / "calls"
    program.write_text(program.read_text().replace("exec", f'echo called >> "{calls}"\nexec'))
    with ThreadPoolExecutor(1) as threads:
        with caller_who_says_nothing(box):
            asked = threads.submit(ssh.run, ["cat"], b"as it was")
            wait_for(lambda: calls.exists() and len(calls.read_text().splitlines()) > 1, "it to ask again")
        done = asked.result()
    assert (done.returncode, done.stdout, done.stderr) == (0, b"as it was", b"")
    ssh.close()


def test_one_that_never_lets_in_is_away_in_the_end(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carriers, "BUSY_SECONDS", 1)
    with caller_who_says_nothing(box), pytest.raises(AwayError, match=r"127\.0\.0\.1 is away"):
        Ssh("127.0.0.1", getpass.getuser(), box.port).run(["true"])


def test_a_connection_that_does_not_end_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ssh"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'import time; time.sleep(600)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(carriers, "CLOSE_SECONDS", 0.1)
    Ssh("127.0.0.1").close()
