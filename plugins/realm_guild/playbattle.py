"""The battle that `realm play` shows: one of its own in another process, or one that ran already."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol

from realm_cli.process import is_running
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark, TrainingStatus

SAID_BYTES = 16 * 1024


class Shown(Protocol):
    """A battle that is shown."""

    pid: int
    own: bool
    """Whether play began it, and ends it."""

    def shows(self, seen: TrainingStatus) -> bool:
        """Whether a status is this battle's."""
        ...

    def is_over(self) -> bool:
        """Whether its process has ended."""
        ...

    def leave(self) -> None:
        """The player goes: an own battle is asked to save and stop, another one is left alone."""
        ...


class OwnBattle:
    """A battle that forges for ever, in a session of its own so that Ctrl-C does not reach it.

    However the `with` is left, it is asked to save and stop, and waited for.
    """

    own = True

    def __init__(self, realm: Realm, goals: Mapping[str, int]) -> None:
        until = [word for skill, level in goals.items() for word in ("--until", f"{skill}={level}")]
        line = [
            sys.executable,
            "-m",
            "realm_cli",
            "--realm",
            str(realm.root),
            "battle",
            "start",
            "--forge",
            "-q",
            *until,
        ]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said, start_new_session=True
        )
        self.pid = self._process.pid
        self._left = False

    def __enter__(self) -> OwnBattle:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.leave()
        self._process.wait()
        self._said.close()

    def shows(self, seen: TrainingStatus) -> bool:
        """Whether a status is this battle's."""
        return seen.process.pid == self.pid

    def is_over(self) -> bool:
        """Whether its process has ended."""
        return self._process.poll() is not None

    def leave(self) -> None:
        """Ask it to save and stop; once, however often it is called."""
        if not self._left and not self.is_over():
            self._left = True
            self._process.send_signal(signal.SIGTERM)

    @property
    def failed(self) -> bool:
        """Whether it ended otherwise than it should. One that was asked to stop before it could listen just ends."""
        return self._process.returncode not in (0, *([-signal.SIGTERM] if self._left else []))

    def said(self) -> str:
        """The end of what it wrote to its terminal."""
        size = self._said.seek(0, 2)
        self._said.seek(max(0, size - SAID_BYTES))
        return self._said.read().decode("utf-8", "replace")


class OthersBattle:
    """A battle that ran already when play came."""

    own = False

    def __init__(self, mark: ProcessMark) -> None:
        self.pid = mark.pid
        self._mark = mark

    def shows(self, seen: TrainingStatus) -> bool:
        """Whether a status is this battle's."""
        return seen.process == self._mark

    def is_over(self) -> bool:
        """Whether its process has ended."""
        return not is_running(self._mark)

    def leave(self) -> None:
        """It goes on."""
