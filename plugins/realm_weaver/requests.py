"""What people want of the weaver: written on disk first, then the weaver is woken. So a wish outlives every process."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

from realm_cli import services, store
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.service_records import WantedRecord
from realm_weaver import processes

WAKE = signal.SIGUSR1
"""Tells the weaver to look again. It listens before it says that it runs."""


def wanted_path(realm: Realm) -> Path:
    """Where stands what should run."""
    return services.weaver_folder(realm) / "wanted.json"


def lock_path(realm: Realm) -> Path:
    """The lock that a weaver holds while it runs."""
    return services.weaver_folder(realm) / ".weaver.lock"


def read(realm: Realm) -> WantedRecord:
    """What should run; nothing before the first wish."""
    return store.read_or_set_aside(wanted_path(realm), WantedRecord) or WantedRecord()


@contextlib.contextmanager
def deciding(realm: Realm) -> Iterator[None]:
    """No wish is written meanwhile."""
    with store.locked(services.weaver_folder(realm) / ".wanted.lock"):
        yield


def wish(realm: Realm, change: Callable[[list[str]], list[str]], *, retry: bool = False) -> WantedRecord:
    """Change what should run, and wake the weaver if it runs."""
    with deciding(realm):
        record = WantedRecord(services=change(read(realm).services), request=uuid4().hex, at=now(), retry=retry)
        store.write_record(wanted_path(realm), record, durable=True)
    wake(realm)
    return record


def wake(realm: Realm) -> None:
    """Tell the weaver that there is something to see."""
    running = services.weaver(realm)
    held = processes.hold(running.process) if running else None
    if held is not None:
        held.send(WAKE)
        held.reap()
