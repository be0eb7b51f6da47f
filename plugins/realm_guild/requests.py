"""Pending evals as files: asked for, claimed by rename, given back when they could not be made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from realm_cli import store
from realm_cli.process import is_running, this_process
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark, now
from realm_guild.records import EvalRequest

_CLAIM = re.compile(r"(.+\.json)\.([0-9]+)\.([0-9a-f-]+)")


def ask(realm: Realm, hero: str, step: int, skill: str, level: int, why: str) -> Path:
    """Ask for an eval; asking twice leaves one request."""
    path = realm.pending_evals / f"{hero}-{step}-{skill}-{level}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        request = EvalRequest(hero=hero, step=step, skill=skill, level=level, why=why, requested_at=now())
        store.write_record(path, request, durable=True)
    return path


def pending(realm: Realm) -> list[tuple[Path, EvalRequest]]:
    """Every eval that waits, oldest checkpoint first; what a dead process had claimed waits again."""
    _return_orphans(realm)
    found = []
    for path in realm.pending_evals.glob("*.json"):
        request = store.read_or_set_aside(path, EvalRequest)
        if request is not None:  # else another process has claimed it this moment
            found.append((path, request))
    return sorted(found, key=lambda pair: (pair[1].hero, pair[1].step, pair[1].skill, pair[1].level))


@contextmanager
def claimed(realm: Realm, path: Path) -> Iterator[bool]:
    """Hold a request while it is worked on: False when another process has it. It goes when the work is done; it is
    given back, as it was, when the work is left by an exception."""
    mark = this_process()
    claim = _claims(realm) / f"{path.name}.{mark.pid}.{mark.started.replace(':', '-')}"
    claim.parent.mkdir(parents=True, exist_ok=True)
    if not store.move(path, claim):
        yield False
        return
    try:
        yield True
    except BaseException:
        store.move(claim, path)
        raise
    store.delete(claim)


def _claims(realm: Realm) -> Path:
    return realm.pending_evals / ".claimed"


def _return_orphans(realm: Realm) -> None:
    for claim in _claims(realm).glob("*.json.*"):
        match = _CLAIM.fullmatch(claim.name)
        if match is None:
            continue
        mark = ProcessMark(pid=int(match[2]), started=match[3].replace("-", ":"), host=this_process().host)
        if not is_running(mark):
            store.move(claim, realm.pending_evals / match[1])
