"""Services: programs of a realm that run beside a battle. What a plugin offers at `realm_services`, and where each listens."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from realm_cli import store
from realm_cli.process import is_running, this_process
from realm_cli.realm import Realm
from realm_cli.records import ServiceRecord, now

if TYPE_CHECKING:
    from realm_cli.manager import Manager

READY_SECONDS = 15.0
"""How long `realm play` waits for a service's address before it goes on without."""


@dataclass(frozen=True)
class Service:
    """A program of the realm that is kept alive."""

    name: str
    command: tuple[str, ...]
    """Its line behind `realm --realm DIR`; `-q` is added."""
    title: str = ""
    """What it is called to people."""
    needs: tuple[str, ...] = ()
    """Services that have to be ready before it starts."""
    speaks_http: bool = True
    """Whether `/health` at its announced address tells that it lives; else its heartbeat does (`beat`)."""
    in_play: bool = False
    """Whether `realm play` starts it."""
    enabled: bool = True
    """Whether the weaver starts it unless `configs/services.yaml` says otherwise."""


def path_of(realm: Realm, name: str) -> Path:
    """Where a service says that it runs."""
    return realm.status / "services" / f"{name}.json"


def announce(realm: Realm, name: str, url: str = "") -> None:
    """Say that this process is the service, and is ready. Raises `StorageError`."""
    path = path_of(realm, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_record(path, ServiceRecord(name=name, url=url, process=this_process(), started_at=now()))


def beat(realm: Realm, name: str) -> None:
    """Say that this service makes progress; for those that do not speak HTTP, every few seconds."""
    path = path_of(realm, f".{name}.beat")
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_atomic(path, b"")


def running(realm: Realm, name: str) -> ServiceRecord | None:
    """The service as it announced itself, if that very process still runs."""
    found = store.read_or_set_aside(path_of(realm, name), ServiceRecord)
    return found if found is not None and is_running(found.process) else None


class Beside:
    """The realm's services, started and ended with a `with`; one that runs already is left alone."""

    def __init__(self, realm: Realm, manager: Manager) -> None:
        self._realm = realm
        names = sorted(manager.parts("realm_services"))
        found: list[Service] = [manager.load_part("realm_services", name, "service") for name in names]
        self._services = [service for service in found if service.in_play]
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Beside:
        for service in self._services:
            if running(self._realm, service.name) is None:
                line = [sys.executable, "-m", "realm_cli", "--realm", str(self._realm.root), *service.command, "-q"]
                self._started[service.name] = subprocess.Popen(
                    line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._said, start_new_session=True
                )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for process in self._started.values():
            process.terminate()
        for process in self._started.values():
            process.wait()
        self._said.close()

    def addresses(self, seconds: float = READY_SECONDS) -> list[str]:
        """A line for every service: its address, or why it has none. Waits until all have begun or failed."""
        deadline = time.monotonic() + seconds
        return [self._line(service, deadline) for service in self._services]

    def _line(self, service: Service, deadline: float) -> str:
        while time.monotonic() < deadline:
            found = running(self._realm, service.name)
            if found is not None:
                return f"{service.title} is open: {found.url}"
            process = self._started.get(service.name)
            if process is None or process.poll() is not None:
                return f"{service.title} does not open: {self._last_words() or 'it ended'}"
            time.sleep(0.05)
        return f"{service.title} is not open yet"

    def _last_words(self) -> str:
        """Why a service ended: its error, or whatever it said last."""
        self._said.seek(0)
        lines = [line.strip() for line in self._said.read().decode("utf-8", "replace").splitlines() if line.strip()]
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return " ".join((errors or lines)[-1:])[:300]
