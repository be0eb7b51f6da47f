"""What the battle says of itself in `status/training.json`, and whether it is still there to say it."""

from __future__ import annotations

from realm_cli import store
from realm_cli.errors import FormatError
from realm_cli.process import is_running
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark, TrainingStatus


def read(realm: Realm) -> TrainingStatus | None:
    """The last status any battle wrote; None before the first. A damaged file is set aside and reported."""
    try:
        return store.read_record(realm.training_status, TrainingStatus)
    except FileNotFoundError:
        return None
    except FormatError as error:
        if "newer Realm" in error.problem:
            raise
        store.quarantine(realm.training_status, error.problem)
        return None


def write(realm: Realm, status: TrainingStatus) -> None:
    """Replace the status. For the battle alone."""
    store.write_record(realm.training_status, status)


def battle_process(realm: Realm) -> ProcessMark | None:
    """The running battle of this realm; None when there is none."""
    status = read(realm)
    return status.process if status is not None and is_running(status.process) else None
