"""What the tests of the doctor share: examining, mending, and a battle's status."""

from __future__ import annotations

import subprocess

from realm_cli import status
from realm_cli.checks import Finding
from realm_cli.manager import Manager
from realm_cli.process import mark_of
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark, TrainingStatus, now
from realm_sentinels import doctor
from realm_vault_boxes import HERO


def gone() -> ProcessMark:
    """The mark of a process that has ended."""
    process = subprocess.Popen(["sleep", "600"])
    mark = mark_of(process.pid)
    process.kill()
    process.wait()
    return mark


def look(realm: Realm, check: str) -> list[Finding]:
    """What one check sees now."""
    realm = Realm(realm.root)
    return doctor.examine(realm, Manager.of(realm), check).findings


def mend(realm: Realm, check: str) -> list[str]:
    """What was mended."""
    done = doctor.mend(realm, Manager.of(realm), check)
    assert all(one.ok for one in done), done
    return [one.said for one in done]


def one(realm: Realm, check: str) -> Finding:
    """The only finding of a check."""
    (finding,) = look(realm, check)
    return finding


def write_training(realm: Realm, state: str, process: ProcessMark, **more: object) -> None:
    facts = {
        "state": state,
        "step": 12,
        "process": process,
        "heartbeat": now(),
        "started_at": now(),
        "hero": HERO,
        **more,
    }
    status.write(realm, TrainingStatus(**facts))  # type: ignore[arg-type]
