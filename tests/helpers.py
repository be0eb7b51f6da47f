"""What tests share beside fixtures: real `realm` processes, quest rows, waiting."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import preloaded
from realm_cli import services, status
from realm_cli.founding import found
from realm_cli.realm import Realm
from realm_cli.records import TrainingStatus

PATIENCE = 240.0
"""Seconds after which a wait in a test counts as failed; never a measure of speed."""


@dataclass(frozen=True)
class Ran:
    """What one `realm` line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment() -> dict[str, str]:
    """The tests' own environment without a realm of the user's, one thread for every helper library."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("REALM_")}
    return {**kept, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}


def ready_realm(folder: Path) -> Realm:
    """A fresh realm with the hero dio-mini, files settling at once, the Tavern at any port."""
    made, _ = found(folder)
    text = made.config_file.read_text().replace("settle_seconds: 2", "settle_seconds: 0")
    # One thread: two wait for each other, which beside another busy process takes many times as long.
    text = text.replace("reserve_mb: 500", "reserve_mb: 1").replace("threads: null", "threads: 1")
    made.config_file.write_text(text.replace("port: 8888", "port: 0"))
    return Realm(made.root)


def set_recipe(realm: Realm, **values: object) -> None:
    """Change values of the hero's recipe as an editor would."""
    path = realm.hero_file("dio-mini")
    lines = path.read_text().splitlines()
    for key, value in values.items():
        assert any(line.startswith(f"  {key}:") for line in lines), f"{path} has no {key}"
        lines = [f"  {key}: {value}" if line.startswith(f"  {key}:") else line for line in lines]
    path.write_text("\n".join(lines) + "\n")


def realm_line(*args: object, realm: Realm | Path | None = None) -> list[str]:
    """The command line of `realm ARGS`, as a list."""
    root = realm.root if isinstance(realm, Realm) else realm
    where = ["--realm", str(root)] if root is not None else []
    return [sys.executable, "-m", "realm_cli", *where, *map(str, args)]


Run = Callable[..., Ran]


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Poll until `condition` gives something true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found_now = condition()
        if found_now:
            return found_now
        time.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE:.0f} s for {what}")


class BattleProcess:
    """A real `realm battle start` in the background."""

    def __init__(self, realm: Realm, *args: str, env: dict[str, str] | None = None) -> None:
        self.realm = realm
        self.log = realm.root / "battle-output.txt"
        line = realm_line("battle", "start", *args, realm=realm)
        with open(self.log, "ab") as output:
            self.process = preloaded.start(
                line, stdout=output, stderr=output, env=env or environment(), start_new_session=True
            )

    def status(self) -> TrainingStatus | None:
        """What it wrote last; None while that is still an earlier battle's."""
        seen = status.read(self.realm)
        return seen if seen is not None and seen.process.pid == self.process.pid else None

    def until(self, *states: str, step: int = 0) -> TrainingStatus:
        """Wait for one of the states, at `step` or later."""

        def reached() -> TrainingStatus | None:
            seen = self.status()
            if self.process.poll() is not None and (seen is None or seen.state not in states):
                raise AssertionError(f"the battle ended with {self.process.returncode}:\n{self.output()}")
            return seen if seen is not None and seen.state in states and seen.step >= step else None

        found_status: TrainingStatus = wait_for(reached, f"state {states} at step {step}; output:\n{self.output()}")
        return found_status

    def output(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def wait(self) -> int:
        """Its exit code, when it ends by itself."""
        return self.process.wait(timeout=PATIENCE)

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        return self.wait()


_ports = itertools.count(random.Random().randrange(2000))


def free_port() -> int:
    """A port of the loopback interface that nobody listens at, and that no connection or other test process is given."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 10
    while True:
        # Below those that the system gives to outgoing connections.
        port = 12_000 + 2000 * worker + next(_ports) % 2000
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class TavernProcess:
    """A real `realm tavern` on a free port."""

    def __init__(self, realm: Realm, *args: str) -> None:
        self.realm = realm
        self.log = realm.root / "tavern-output.txt"
        with open(self.log, "ab") as output:
            self.process = preloaded.start(
                realm_line("tavern", *args, realm=realm),
                stdout=output, stderr=output, env=environment(), start_new_session=True,
            )  # fmt: skip
        self.url = wait_for(self._announced, "the Tavern to open")

    def _announced(self) -> str | None:
        assert self.process.poll() is None, self.log.read_text()
        found = services.running(self.realm, "tavern")
        return found.url if found is not None and found.process.pid == self.process.pid else None

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def raw(self, request: bytes) -> bytes:
        """What comes back for these bytes: the head, and what of the body comes with it."""
        got = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as wire:
            wire.sendall(request)
            while b"\r\n\r\n" not in got and (more := wire.recv(65536)):
                got += more
        return got

    def end(self, number: int = signal.SIGTERM) -> int:
        """Signal it and wait for its end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE)


class SmallDisk:
    """A tmpfs of 40 MB in a mount namespace of its own, with a realm and a battle on it."""

    def __init__(self, folder: Path) -> None:
        self._inside = folder / "disk"
        self._inside.mkdir()
        self._log = folder / "small-disk.txt"
        line = f"mount -t tmpfs -o size=40m none {self._inside} && echo mounted && exec sleep 600"
        self._keeper = subprocess.Popen(["unshare", "-m", "sh", "-c", line], stdout=subprocess.PIPE, text=True)
        assert self._keeper.stdout is not None
        self.is_there = self._keeper.stdout.readline() == "mounted\n"
        self._enter = ["nsenter", "-m", "-t", str(self._keeper.pid)]
        self._outside = Path(f"/proc/{self._keeper.pid}/root") / self._inside.relative_to("/")

    @property
    def folder(self) -> Path:
        """The disk as it is seen from outside."""
        return self._outside

    @property
    def inside(self) -> Path:
        """Its path for programs that run on it."""
        return self._inside

    def entered(self, line: list[str]) -> list[str]:
        """The line of a program that runs where the disk is mounted."""
        return [*self._enter, *line]

    def holding(self, realm: Realm) -> Realm:
        """A copy of a realm on the disk, as it is seen from outside."""
        subprocess.run([*self._enter, "cp", "-a", str(realm.root), str(self._inside / "realm")], check=True)
        return Realm(self._outside / "realm")

    @contextlib.contextmanager
    def battle(self, *args: str) -> Iterator[subprocess.Popen[bytes]]:
        """A battle in that realm; killed at the end."""
        with open(self._log, "wb") as output:
            line = [*self._enter, *realm_line("battle", "start", *args, realm=self._inside / "realm")]
            battle = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment())
        try:
            yield battle
        finally:
            battle.kill()
            battle.wait()

    def output(self) -> str:
        """What the battle said so far."""
        return self._log.read_text(errors="replace")

    def has_waited(self, times: int = 1) -> bool:
        """Whether the battle told so often that it waits for room."""
        return self.output().count("the battle waits") >= times

    def fill(self) -> None:
        """Leave no byte free."""
        with open(self._outside / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 65536)

    def free(self) -> None:
        """Give back what `fill` took."""
        (self._outside / "filler").unlink()

    def close(self) -> None:
        self._keeper.kill()
        self._keeper.wait()
        assert self._keeper.stdout is not None
        self._keeper.stdout.close()


def rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Chat rows that differ from each other."""
    return [
        {"messages": [{"role": "user", "content": f"say {n}"}, {"role": "assistant", "content": f"{n} it is"}]}
        for n in range(start, start + count)
    ]


def write_rows(path: Path, lines: list[dict[str, Any]]) -> Path:
    """Write a quest file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path
