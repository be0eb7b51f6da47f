"""Which files belong to which matter, and whether they changed: a few stat calls, nothing is read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from realm_cli import champions
from realm_cli.realm import FLAGS, PRIORITIES, Realm

Watched = Callable[[Realm], Iterable[Path]]


class Topics:
    """The versions of all topics of a realm. A version is a short text that changes whenever the files do."""

    def __init__(self, realm: Realm, watched: Mapping[str, Watched]) -> None:
        self._realm = realm
        self._watched = watched

    def read(self) -> dict[str, str]:
        """Topic → version, the same after a restart of the server."""
        realm, hero = self._realm, self._realm.config.hero
        own = {name: _version(paths(realm)) for name, paths in self._watched.items()}
        return {
            **own,
            "battle": _version([realm.training_status]),
            "control": _version(realm.control / f".{flag}" for flag in FLAGS),
            "board": _version(self._board()),
            "skills": _version([realm.skill_states / hero, realm.pending_evals]),
            "ledger": _version([realm.ledger / hero]),
            "champion": _version([champions.path_of(realm, hero)]),
            "config": _version(self._configs()),
            "events": _version([realm.events]),
            "metrics": _version([realm.metrics / f"{hero}.jsonl"]),
        }

    def _board(self) -> list[Path]:
        realm = self._realm
        queues = [realm.queue / name for name in PRIORITIES]
        drops = [realm.inbox, realm.inbox / "high", realm.inbox / "low"]
        return [*queues, *drops, realm.processing, realm.completed, realm.failed]

    def _configs(self) -> list[Path]:
        realm = self._realm
        return [realm.config_file, *sorted(realm.heroes.glob("*.yaml")), *sorted(realm.skills.glob("*.yaml"))]


def _version(paths: Iterable[Path]) -> str:
    """Of the identities of files and folders; a file that is absent counts as well."""
    found = hashlib.blake2b(digest_size=6)
    for path in paths:
        try:
            facts = os.stat(path)
            found.update(f"{path}:{facts.st_ino}:{facts.st_size}:{facts.st_mtime_ns};".encode(errors="surrogateescape"))
        except FileNotFoundError:
            found.update(f"{path}:-;".encode(errors="surrogateescape"))
    return found.hexdigest()
