"""Services: programs of a realm that run beside a battle. What a plugin offers at `realm_services`, and where each listens."""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec

from realm_cli import belonging, store
from realm_cli.errors import RealmError
from realm_cli.process import is_running, this_process
from realm_cli.realm import Realm
from realm_cli.records import ServiceRecord, now
from realm_cli.service_config import configured
from realm_cli.service_records import ServiceState, WeaverRecord

if TYPE_CHECKING:
    from realm_cli.manager import Manager

LOOK_SECONDS = 0.05
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
    heartbeat: str = ""
    """A file of the realm that it changes while it lives, for one that neither speaks HTTP nor calls `beat`."""
    liveness_seconds: float = 30.0
    """So long without an answer or heartbeat, and it counts as hung."""
    stop_seconds: float = 30.0
    """How long it may take to end when it is asked to."""


def path_of(realm: Realm, name: str) -> Path:
    """Where a service says that it runs."""
    return realm.status / "services" / f"{name}.json"


def announce(realm: Realm, name: str, url: str = "") -> None:
    """Say that this process is the service, and is ready; taken back when it ends by itself. Raises `StorageError`."""
    path = path_of(realm, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    atexit.register(_take_back, realm, name, os.getpid())
    belonging.write(realm, path, ServiceRecord(name=name, url=url, process=this_process(), started_at=now()))


def _take_back(realm: Realm, name: str, pid: int) -> None:
    """At the end of the process that announced itself, not of one that it forked."""
    with contextlib.suppress(RealmError):  # else it reads as gone
        found = running(realm, name) if os.getpid() == pid else None
        if found is not None and found.process.pid == pid:
            store.delete(path_of(realm, name))


def forget(realm: Realm, name: str) -> None:
    """Remove the announcement of a service whose process is gone. For who has seen its end."""
    if running(realm, name) is None:
        store.delete(path_of(realm, name))


def beat_path(realm: Realm, name: str) -> Path:
    """The file that a service touches while it makes progress."""
    return realm.status / "services" / f".{name}.beat"


def beat(realm: Realm, name: str) -> None:
    """Say that this service makes progress; for those that do not speak HTTP, every few seconds."""
    path = beat_path(realm, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_atomic(path, b"")


def running(realm: Realm, name: str) -> ServiceRecord | None:
    """The service as it announced itself, if that very process still runs."""
    found = belonging.read(realm, path_of(realm, name), ServiceRecord)
    return found if found is not None and is_running(found.process) else None


def log_path(realm: Realm, name: str) -> Path:
    """Where the weaver writes what a service says."""
    return realm.logs / "services" / f"{name}.log"


def weaver_folder(realm: Realm) -> Path:
    """Where the weaver keeps what it knows."""
    return realm.status / "weaver"


def weaver(realm: Realm) -> WeaverRecord | None:
    """The weaver of this realm, if it runs."""
    found = belonging.read(realm, weaver_folder(realm) / "weaver.json", WeaverRecord)
    return found if found is not None and is_running(found.process) else None


def state_path(realm: Realm, name: str) -> Path:
    """Where the weaver writes how a service is."""
    return weaver_folder(realm) / "services" / f"{name}.json"


def noted(realm: Realm, name: str) -> ServiceState | None:
    """A service as a weaver wrote it down. The processes of a realm that this one was copied from are none of ours."""
    state = belonging.read(realm, state_path(realm, name), ServiceState)
    if state is None or state.process is None or not belonging.is_nobody(state.process):
        return state
    return msgspec.structs.replace(
        state, state="stopped", reason=belonging.COPIED, process=None, url="", next_try_at=""
    )


def seen(realm: Realm) -> dict[str, ServiceState]:
    """Every service that the weaver keeps or kept, by name. Without a running weaver a state says how it really is now."""
    watched = weaver(realm) is not None
    found = {}
    for path in sorted((weaver_folder(realm) / "services").glob("*.json")):
        state = noted(realm, path.stem)
        if state is not None:
            found[state.name] = state if watched else _unwatched(state)
    return found


def _unwatched(state: ServiceState) -> ServiceState:
    """A state that no weaver watches over."""
    if state.process is not None and is_running(state.process):
        return msgspec.structs.replace(state, reason="it runs, but no weaver watches over it")
    reason = "the weaver does not run" if state.state != "stopped" else state.reason
    return msgspec.structs.replace(state, state="stopped", reason=reason, process=None, url="", next_try_at="")


def last_error(text: str) -> str:
    """Why a program ended, from what it said: its error, or whatever it said last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return " ".join((errors or lines)[-1:])[:300]


class Beside:
    """The realm's services for as long as a `with` runs: a weaver of its own holds them, and ends them with it.

    Where a weaver runs already, its services are used as they are. Should this process be killed, they end as well.
    """

    def __init__(self, realm: Realm, manager: Manager) -> None:
        self._realm = realm
        names = sorted(manager.parts("realm_services"))
        found: list[Service] = [manager.load_part("realm_services", name, "service") for name in names]
        said = configured(realm).services
        out = {name for name, config in said.items() if config.enabled is False}
        self._services = [service for service in found if service.in_play and service.name not in out]
        self._weaver: subprocess.Popen[bytes] | None = None
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Beside:
        if self._services and weaver(self._realm) is None:
            line = [sys.executable, "-m", "realm_cli", "--realm", str(self._realm.root), "weaver", "daemon", "--beside"]
            self._weaver = subprocess.Popen(
                line, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._said, start_new_session=True
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._weaver is not None and self._weaver.stdin is not None:
            self._weaver.stdin.close()  # that is how it learns that nobody plays any more
            while self._weaver.poll() is None and not self._goes_on():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._weaver.wait(timeout=LOOK_SECONDS)
        self._said.close()

    def _goes_on(self) -> bool:
        """Whether the weaver has ended what was ours, and stays for services that somebody wants."""
        found = self._own()
        return found is not None and not found.beside

    def _own(self) -> WeaverRecord | None:
        """The weaver of this `with`, once it says something."""
        found = weaver(self._realm)
        return found if found and self._weaver and found.process.pid == self._weaver.pid else None

    def addresses(self, seconds: float = READY_SECONDS) -> list[str]:
        """A line for every service: its address, or why it has none. Waits until all have begun or failed."""
        deadline = time.monotonic() + seconds
        return [self._line(service, deadline) for service in self._services]

    def _line(self, service: Service, deadline: float) -> str:
        while time.monotonic() < deadline:
            found = running(self._realm, service.name)
            if found is not None:
                return f"{service.title} is open: {found.url}"
            why = self._why_not(service)
            if why:
                return f"{service.title} does not open: {why}"
            time.sleep(LOOK_SECONDS)
        return f"{service.title} is not open yet"

    def _why_not(self, service: Service) -> str:
        """Why a service will not open; empty while it may."""
        if self._weaver is None:
            state = seen(self._realm).get(service.name)
            is_kept = weaver(self._realm) is not None and state is not None and state.state != "stopped"
            return "" if is_kept else f"the weaver that runs does not keep it: realm weaver up {service.name}"
        if self._weaver.poll() is not None:
            self._said.seek(0)
            return last_error(self._said.read().decode("utf-8", "replace")) or "the weaver ended"
        state = noted(self._realm, service.name) if self._own() else None
        if state is None or not state.history or state.state not in ("backing off", "ended", "waiting", "starting"):
            return ""
        last = state.history[-1]
        return (last.last_words or last.why) if state.failures else ""
