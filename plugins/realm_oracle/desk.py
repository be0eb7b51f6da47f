"""The desk of the server: every request, whichever language it speaks, is checked, counted and answered here."""

from __future__ import annotations

import functools
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import request

from realm_cli.errors import AwayError, NotFoundError, UsageError
from realm_cli.generation import Reply
from realm_cli.manager import Manager
from realm_cli.oracleclient import Answer, Model
from realm_cli.profiles import Profile, open_profile
from realm_cli.realm import Realm
from realm_oracle.pool import Loaded, Pool
from realm_oracle.worker import Request, Wanted

MOST_REQUESTS = 200
"""At a time; fewer than the server has threads, so that a flood leaves some to tell how it is."""


class Desk:
    """One server's requests."""

    def __init__(self, realm: Realm, manager: Manager) -> None:
        self.realm = realm
        self._manager = manager
        self.pool = Pool(realm, manager)
        self._config = realm.config.oracle
        self._seats = threading.BoundedSemaphore(MOST_REQUESTS)
        self._active = (0, realm.config.hero)
        self.answered = 0

    def hero(self, named: str | None) -> str:
        """The hero that is meant: without a name the active one, as it stands now."""
        if named is not None:
            known = self.realm.hero_file(named).is_file()  # refuses what cannot be an id
            if not known and all(model.hero != named for model in self.pool.info().models):
                known_ids = ", ".join(self.realm.hero_ids()) or "none"
                raise NotFoundError(f"there is no hero '{named}'; known: {known_ids}", "name one of these")
            return named
        changed = self.realm.config_file.stat().st_mtime_ns
        if changed != self._active[0]:
            self._active = changed, Realm(self.realm.root).config.hero
        return self._active[1]

    def profile(self, name: str | None) -> Profile | None:
        """The data profile that a request names."""
        return None if name is None else open_profile(self.realm, name, manager=self._manager)

    def checkpoint(self, hero: str, step: int, sha256: str | None) -> Loaded:
        """A loaded checkpoint; one that is not is loaded where `oracle.load_on_request` says so."""
        try:
            return self.pool.find(hero, step, sha256)
        except NotFoundError:
            if not self._config.load_on_request:
                raise
        return self.pool.load(hero, step, sha256=sha256)

    def wanted(self, wanted: Wanted) -> Wanted:
        """Within the limits of one request."""
        limits = (
            ("max_tokens", wanted.max_tokens, self._config.max_tokens, "oracle.max_tokens"),
            ("conversations", len(wanted.conversations), self._config.max_conversations, "oracle.max_conversations"),
        )
        for name, asked, most, key in limits:
            if asked > most:
                raise UsageError(f"{name}: {asked:,} is more than the {most:,} that {key} allows", "ask for less")
        return wanted

    @contextmanager
    def asked(self, one: Loaded, wanted: Wanted) -> Iterator[Request]:
        """A request that is being answered as long as the block runs."""
        if not self._seats.acquire(blocking=False):
            raise AwayError(f"{MOST_REQUESTS} requests are answered just now", "try again in a moment")
        try:
            with self.pool.asked(one, wanted, connection_left()) as begun:
                yield begun
            self.answered += 1
        finally:
            self._seats.release()

    @property
    def seconds(self) -> float:
        """How long one request may take."""
        return float(self._config.max_seconds)


def connection_left() -> Callable[[], bool]:
    """Whether the client of the present request has closed its connection."""
    wire = request.environ.get("realm.connection")
    return functools.partial(_has_left, wire) if isinstance(wire, socket.socket) else lambda: False


def _has_left(wire: socket.socket) -> bool:
    """Whether the other side has hung up. Asks the kernel alone: reading would wait as long as the socket's timeout."""
    descriptor = wire.fileno()
    if descriptor < 0:
        return True
    poller = select.poll()
    poller.register(descriptor, select.POLLRDHUP)
    return bool(poller.poll(0))


def answer(reply: Reply, model: Model) -> Answer:
    """A reply with all that tells which weights gave it."""
    return Answer(
        response=reply.text, finish=reply.finish, tokens=reply.tokens, prompt_tokens=reply.prompt_tokens,
        model=model.model, model_path=model.model_path, hero=reply.hero, step=reply.step,
        weights_sha256=reply.weights_sha256, backend=model.backend, identity=model.identity, profile=reply.profile,
        note=model.note,
    )  # fmt: skip


def identity(model: Model) -> dict[str, Any]:
    """Which weights answer, for languages that have no words for it."""
    return {
        "model": model.model, "model_path": model.model_path, "hero": model.hero, "step": model.step,
        "weights_sha256": model.weights_sha256, "backend": model.backend, "identity": model.identity,
        "profile": model.profile,
        **({"note": model.note} if model.note else {}),
    }  # fmt: skip
