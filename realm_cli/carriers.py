"""How commands reach a machine: run here, or through one kept ssh connection. Argument lists, never shell strings."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from realm_cli.errors import AwayError, RealmError, RefusedError

CONNECT_SECONDS = 10
COMMAND_SECONDS = 3600
"""No command takes longer: hashing a large model on a slow disk is the longest."""
KEEP_SECONDS = 60
"""How long the connection stays open after the last command."""
CLOSE_SECONDS = 30
BUSY_SECONDS = 20
"""How long a connection is tried again that a machine drops before it has heard who asks, or that ended as it was joined."""
PAUSE_SECONDS = 0.5
_UNBEGUN = re.compile(
    r"kex_exchange_identification|during banner exchange|connection (closed|reset) by \S+ port"
    r"|failed to connect to new control master",
    re.IGNORECASE,
)
"""What ssh says when no command was begun, though somebody answers: too many callers at once, a processor that is busy."""


class Carrier(Protocol):
    """Runs programs on one machine."""

    def run(
        self, command: Sequence[str], data: bytes = b"", seconds: float = COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program with `data` as its standard input. Raises `AwayError` when the machine is not reached in time."""

    def rsync(self, path: str) -> tuple[list[str], str]:
        """(further arguments of rsync, how rsync names that path)."""

    def explain(self, words: str) -> RealmError | None:
        """The error behind what a program said on standard error, when it is one of the connection."""

    def close(self) -> None:
        """Drop the connection."""


class Here:
    """This machine."""

    def run(
        self, command: Sequence[str], data: bytes = b"", seconds: float = COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it here."""
        return subprocess.run(list(command), input=data, capture_output=True, timeout=seconds, check=False)

    def rsync(self, path: str) -> tuple[list[str], str]:
        """`./` keeps a name with a colon from being taken for a host."""
        return [], path if path.startswith("/") else f"./{path}"

    def explain(self, words: str) -> RealmError | None:
        """There is no connection."""
        return None

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class Ssh:
    """Another machine, by OpenSSH with the user's own configuration, agent and known hosts. Never asks for a password."""

    address: str
    user: str = ""
    port: int = 22

    @property
    def place(self) -> str:
        """`user@host`."""
        return f"{self.user}@{self.address}" if self.user else self.address

    def options(self) -> list[str]:
        """Of every call: no questions, no unknown host, one connection that is kept."""
        options = {
            "BatchMode": "yes", "StrictHostKeyChecking": "yes", "ConnectTimeout": str(CONNECT_SECONDS),
            "ServerAliveInterval": "5", "ServerAliveCountMax": "3", "ControlMaster": "auto",
            "ControlPersist": str(KEEP_SECONDS), "ControlPath": str(self._socket()), "ForwardAgent": "no",
            "ForwardX11": "no",
        }  # fmt: skip
        arguments = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return [*arguments, *([] if self.port == 22 else ["-p", str(self.port)])]

    def _socket(self) -> Path:
        """A short path in a folder of our own: the name of a socket may have about 100 bytes."""
        folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"realm-ssh-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
            raise RefusedError(f"{folder} is not a folder of your own alone", "remove it, or set XDG_RUNTIME_DIR")
        # Another configuration of ssh, as HOME brings one, is another connection.
        name = f"{self.place}:{self.port}:{os.environ.get('HOME', '')}"
        return folder / hashlib.sha256(name.encode()).hexdigest()[:16]

    def run(
        self, command: Sequence[str], data: bytes = b"", seconds: float = COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it there. The far shell sees every argument quoted."""
        line = ["ssh", *self.options(), "--", self.place, shlex.join(command)]
        begun = time.monotonic()
        try:
            done = _called(line, data, seconds)
            while _was_dropped(done) and time.monotonic() - begun < min(seconds, BUSY_SECONDS):
                time.sleep(PAUSE_SECONDS)
                done = _called(line, data, max(1.0, seconds - (time.monotonic() - begun)))
        except subprocess.TimeoutExpired:
            words = f"{self.place} did not answer within {seconds:g} s"
            raise AwayError(words, "try again later") from None
        if done.returncode == 255:
            words = done.stderr.decode("utf-8", "replace")
            raise self.explain(words) or AwayError(f"ssh to {self.place} failed: {_last(words)}", "try again later")
        return done

    def rsync(self, path: str) -> tuple[list[str], str]:
        """Over the same connection. An IPv6 address stands in brackets."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        place = f"{self.user}@{host}" if self.user else host
        return ["-e", shlex.join(["ssh", *self.options()])], f"{place}:{path}"

    def explain(self, words: str) -> RealmError | None:
        """What ssh said, with what to do."""
        port = "" if self.port == 22 else f" -p {self.port}"
        login = f"ssh{port} {self.place}"
        lower = words.lower()
        if "identification has changed" in lower:
            known = self.address if self.port == 22 else f"[{self.address}]:{self.port}"
            return RefusedError(
                f"the host key of {self.address} is another one than before: a new system there, or somebody between",
                f"if that is right: ssh-keygen -R {shlex.quote(known)}, then {login} and compare the fingerprint",
            )
        if "host key verification failed" in lower or "no matching host key" in lower:
            return RefusedError(
                f"the host key of {self.address} is not known", f"accept it once: {login} (compare the fingerprint)"
            )
        if "permission denied" in lower and "publickey" in lower:
            return RefusedError(
                f"{self.place} does not let you in", f"put your key there: ssh-copy-id{port} {self.place}"
            )
        away = (
            "refused",
            "timed out",
            "no route",
            "unreachable",
            "could not resolve",
            "closed",
            "reset",
            "broken pipe",
        )
        if any(word in lower for word in away):
            return AwayError(f"{self.address} is away: {_last(words)}", f"is it on? try: {login}")
        return None

    def close(self) -> None:
        """Let the kept connection end when nobody uses it any more: another process may have work on it."""
        line = ["ssh", *self.options(), "-O", "stop", "--", self.place]
        with suppress(subprocess.TimeoutExpired):  # it ends by itself, a while after the last command
            subprocess.run(line, capture_output=True, timeout=CLOSE_SECONDS, check=False)


def _called(line: list[str], data: bytes, seconds: float) -> subprocess.CompletedProcess[bytes]:
    try:
        # The kept connection is a process of its own that holds standard error open: a file, as a pipe would not end.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(line, input=data, stdout=subprocess.PIPE, stderr=said, timeout=seconds, check=False)
            said.seek(0)
            return subprocess.CompletedProcess(line, done.returncode, done.stdout, said.read())
    except FileNotFoundError as error:
        raise RealmError(f"{line[0]} is not installed", "install OpenSSH's client and rsync") from error


def _was_dropped(done: subprocess.CompletedProcess[bytes]) -> bool:
    """Whether a healthy machine let the connection go before the command was begun."""
    return done.returncode == 255 and _UNBEGUN.search(done.stderr.decode("utf-8", "replace")) is not None


def _last(words: str) -> str:
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no answer"
