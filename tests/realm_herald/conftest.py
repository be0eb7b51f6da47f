"""Fixtures of the heralds' tests: a receiver, a proxy, and real `realm herald run` processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest
import yaml

import preloaded
from helpers import PATIENCE, environment, realm_line, wait_for
from realm_cli import services
from realm_cli.realm import Realm
from realm_herald_receiver import Proxy, Receiver

Configure = Callable[..., None]


class HeraldProcess:
    """A real `realm herald run`."""

    def __init__(self, realm: Realm, **variables: str) -> None:
        self.log = realm.root / "herald-output.txt"
        with open(self.log, "ab") as output:
            self.process = preloaded.start(
                realm_line("herald", "run", realm=realm),
                stdout=output,
                stderr=output,
                env={**environment(), **variables},
            )
        self._realm = realm
        wait_for(self._is_ready, "the heralds to be at work")

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        found = services.running(self._realm, "herald")
        return found is not None and found.process.pid == self.process.pid

    def said(self, text: str) -> None:
        """Wait until it says so."""
        wait_for(lambda: text in self.log.read_text(), f"'{text}' in {self.log.read_text()}")

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    made = Proxy(tmp_path_factory.mktemp("proxy"))
    yield made
    made.close()


@pytest.fixture
def configure(realm: Realm) -> Configure:
    """`configure(phone={"url": …})`: the heralds of the realm. A file is replaced as a whole."""

    def write(**heralds: object) -> None:
        path = realm.configs / "heralds.yaml"
        fresh = path.with_name("heralds.new")
        fresh.write_text(yaml.safe_dump({"heralds": heralds}))
        os.replace(fresh, path)

    return write


@pytest.fixture
def herald(realm: Realm) -> Iterator[Callable[..., HeraldProcess]]:
    """`herald()` starts one; what still runs at the end of the test is killed."""
    started: list[HeraldProcess] = []

    def start(**variables: str) -> HeraldProcess:
        started.append(HeraldProcess(realm, **variables))
        return started[-1]

    yield start
    for one in started:
        one.end(signal.SIGKILL)


@pytest.fixture
def hook(receiver: Receiver) -> str:
    return f"json://127.0.0.1:{receiver.port}/hook"
