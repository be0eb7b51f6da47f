"""Jobs on this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import msgspec

from realm_cli.errors import RealmError, StorageError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_runners.foldered import FolderRunner, jobs_folder
from realm_runners.records import JobOrder
from realm_runners.supervisor import desk

KEPT = 1500
"""Folders of ended jobs that stay: the task master asks for the words of 1,200."""


class LocalDesk:
    """The job folders of the realm itself, without a process in between."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._root = str(jobs_folder(realm))

    def submit(self, order: JobOrder) -> dict[str, Any] | None:
        """Start a job, in the realm's root unless it names a folder."""
        if not order.folder:
            order = msgspec.structs.replace(order, folder=str(self._realm.root))
        desk.tidy(self._root, KEPT)
        try:
            return desk.submit(self._root, order.id, order.to_dict())
        except OSError as error:
            raise StorageError("keep a job in", Path(self._root), error) from error
        except subprocess.CalledProcessError as error:
            raise RealmError(f"job {order.id} could not be started here", "is there memory left?") from error

    def poll(self, job: str) -> dict[str, Any] | None:
        """How it stands."""
        return desk.poll(self._root, job)

    def cancel(self, job: str) -> dict[str, Any] | None:
        """End it."""
        return desk.cancel(self._root, job)

    def logs(self, job: str, offset: int) -> tuple[int, bytes] | None:
        """What it said."""
        return desk.logs(self._root, job, offset)

    def close(self) -> None:
        """Nothing is open."""


def open_local(realm: Realm, manager: Manager, target: str) -> FolderRunner:
    """The runner `local`."""
    if target:
        from realm_cli.errors import UsageError

        raise UsageError(f"local:{target} is no place", "local is this machine")
    return FolderRunner(realm, "local", LocalDesk(realm))
