"""Leases: a process that needs a checkpoint (a transfer, a loaded model) keeps retention from dropping it while it lives."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from realm_cli import belonging, store
from realm_cli.process import is_running, this_process
from realm_cli.realm import Realm
from realm_cli.records import LeaseRecord, now

ORACLE = "loaded by the Oracle"
"""Why the Oracle holds what it has loaded."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_numbers = itertools.count(1)
"""Each lease of this process has a file of its own, also where it holds an asset twice."""


@contextmanager
def held(realm: Realm, asset: str, why: str) -> Iterator[None]:
    """Hold an asset (`checkpoint_<hero>_<step>`) as long as the block runs, and no longer than this process lives."""
    assert _ID.fullmatch(asset)
    process = this_process()
    path = _folder(realm) / f"{asset}@{process.pid}-{next(_numbers)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    belonging.write(realm, path, LeaseRecord(asset=asset, why=why, process=process, since=now()))
    try:
        yield
    finally:
        store.delete(path)


def _folder(realm: Realm) -> Path:
    return realm.status / "leases"


def held_now(realm: Realm) -> dict[str, str]:
    """Assets that somebody needs, and why. The leases of processes that are gone are removed."""
    return {lease.asset: lease.why for lease in _living(realm)}


def held_for(realm: Realm, why: str) -> set[str]:
    """Assets that are needed for this reason, whatever else they are needed for."""
    return {lease.asset for lease in _living(realm) if lease.why == why}


def _living(realm: Realm) -> Iterator[LeaseRecord]:
    for path in _folder(realm).glob("*.json"):
        lease = belonging.read(realm, path, LeaseRecord)
        if lease is None:
            continue
        if is_running(lease.process):
            yield lease
        else:
            store.delete(path)
