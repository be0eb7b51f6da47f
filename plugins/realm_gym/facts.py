"""What is known of tasks: of the version that this Realm was checked with from a file of the plugin, of others from the
user's cache."""

from __future__ import annotations

import functools
import logging
import os
from pathlib import Path

import msgspec

from realm_cli import store
from realm_cli.errors import RealmError
from realm_gym.records import GymRecord, TaskFacts

log = logging.getLogger("realm.skills")
CHECK = 2
"""The version of the self-check; a change of it makes all of them anew."""
SHIPPED = Path(__file__).parent / "checked.json"


@functools.cache
def shipped() -> GymRecord:
    """The tasks of the version that this Realm was checked with."""
    return store.read_record(SHIPPED, GymRecord)


def path_of(library: str) -> Path:
    """Where the checks of another version are kept; it can be deleted at any time."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    folder = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return folder / "realm" / f"gym-{library}.json"


def of_task(library: str, task: str) -> TaskFacts | None:
    """What is known of a task; None when it was not checked yet."""
    if shipped().library == library and shipped().check == CHECK:
        return shipped().tasks.get(task)
    return _cached(library).tasks.get(task)


def keep(library: str, task: str, found: TaskFacts) -> None:
    """Keep what a check found. A cache that cannot be written is said, and the check is made again next time."""
    path = path_of(library)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with store.locked(path.with_suffix(".lock")):
            present = _cached(library)
            store.write_record(path, msgspec.structs.replace(present, tasks={**present.tasks, task: found}))
    except (RealmError, OSError) as error:
        log.warning("the self-check of gym.%s is not kept: %s", task, error)


def _cached(library: str) -> GymRecord:
    found = store.read_or_set_aside(path_of(library), GymRecord)
    if found is None or (found.library, found.check) != (library, CHECK):
        return GymRecord(library=library, check=CHECK)
    return found
