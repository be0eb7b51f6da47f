"""What the battle says of itself in `status/training.json`, and whether it is still there to say it."""

from __future__ import annotations

from realm_cli import belonging, store
from realm_cli.process import is_running
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark, TrainingStatus, is_moment


def read(realm: Realm) -> TrainingStatus | None:
    """The last status any battle wrote; None before the first. A damaged file is set aside and reported."""
    found = belonging.read(realm, realm.training_status, TrainingStatus)
    if found is not None and not is_moment(found.heartbeat):
        store.quarantine(realm.training_status, f"the heartbeat is {found.heartbeat!r}")
        return None
    return found


def write(realm: Realm, status: TrainingStatus) -> None:
    """Replace the status. For the battle alone."""
    belonging.write(realm, realm.training_status, status)


def battle_process(realm: Realm) -> ProcessMark | None:
    """The running battle of this realm; None when there is none."""
    status = read(realm)
    return status.process if status is not None and is_running(status.process) else None
