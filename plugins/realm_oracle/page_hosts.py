"""The machines that answer, as the page `/oracle` sees them: what each has loaded, or why it does not say."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from realm_cli import inference
from realm_cli.errors import AwayError, NotFoundError, RealmError, nearest
from realm_cli.hosts import INFERENCE, Hosts
from realm_cli.oracleclient import START, Model, OracleClient, find_oracle
from realm_cli.realm import Realm

HERE = "here"
"""This machine, where `hosts.yaml` has no name for it."""
CONNECT_SECONDS = 2.0
"""A machine that is on accepts a connection at once, however busy it is."""
PATIENCE_SECONDS = 5.0
"""Name servers take their own time: who has not answered by then is away."""
FRESH_SECONDS = 1.0
"""The parts of one page look once together."""


@dataclass(frozen=True)
class HostLook:
    """One machine now."""

    name: str
    models: list[Model] = field(default_factory=list)
    memory: int = 0
    max_memory: int = 0
    loading: list[str] = field(default_factory=list)
    away: str = ""
    """Why it does not answer; empty when it does."""


class OracleHosts:
    """The inference servers that this realm can ask."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="oracle look")
        self._lock = threading.Lock()
        self._seen: list[HostLook] = []
        self._seen_at = float("-inf")

    def local(self) -> str:
        """The name of this machine."""
        hosts = Hosts.of(self._realm)
        return next((name for name in self._registered(hosts) if hosts.is_local(name)), HERE)

    def names(self) -> list[str]:
        """This machine first, then the others of `hosts.yaml` with a service `inference`."""
        hosts, local = Hosts.of(self._realm), self.local()
        return [local, *(name for name in self._registered(hosts) if name != local and not hosts.is_local(name))]

    def _registered(self, hosts: Hosts) -> list[str]:
        return [name for name in hosts.ids() if INFERENCE in hosts.get(name).services]

    def default(self) -> str:
        """Who is asked when nobody is named."""
        return inference.host_of(self._realm) or self.local()

    def client(self, name: str) -> OracleClient:
        """The server of a machine. Raises `NotFoundError` for an unknown one, or when none runs here, `AwayError` soon."""
        known = self.names()
        if name not in known:
            raise NotFoundError(f"no host '{name[:100]}' answers for this realm", nearest(name, known))
        client = find_oracle(self._realm, None if name == known[0] else name)
        _reach(client.url)
        return client

    def is_here(self, name: str) -> bool:
        """Whether that is this machine."""
        return name == self.local()

    # -- looking -------------------------------------------------------------------------------------------------

    def look(self) -> list[HostLook]:
        """All of them at once; a machine that is away holds up nobody for long."""
        with self._lock:
            if time.monotonic() - self._seen_at > FRESH_SECONDS:
                self._seen = self._look()
                self._seen_at = time.monotonic()
            return self._seen

    def forget(self) -> None:
        """Look again: something was changed."""
        with self._lock:
            self._seen_at = float("-inf")

    def _look(self) -> list[HostLook]:
        asked = {name: self._pool.submit(self._one, name) for name in self.names()}
        wait(asked.values(), timeout=PATIENCE_SECONDS)
        return [_result(name, future) for name, future in asked.items()]

    def _one(self, name: str) -> HostLook:
        try:
            info = self.client(name).info()
        except RealmError as error:
            return HostLook(name, away=f"{error.message}; {error.hint}" if error.hint else error.message)
        models = sorted(info.models, key=lambda model: (model.hero, model.step))
        return HostLook(name, models, info.memory, info.max_memory, info.loading)


def _reach(url: str) -> None:
    """Raise `AwayError` unless the machine takes a connection."""
    place = urlsplit(url)
    try:
        socket.create_connection((place.hostname or "", place.port or 80), CONNECT_SECONDS).close()
    except OSError as error:
        raise AwayError(f"the Oracle at {url} does not answer: {error}", START) from None


def _result(name: str, future: Future[HostLook]) -> HostLook:
    if future.done():
        return future.result()
    return HostLook(name, away=f"it has not answered within {PATIENCE_SECONDS:.0f} s")
