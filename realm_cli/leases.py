"""Leases: a process that needs a checkpoint (a transfer, a loaded model) keeps retention from dropping it while it lives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from realm_cli import store
from realm_cli.process import is_running, this_process
from realm_cli.realm import Realm
from realm_cli.records import LeaseRecord, now

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@contextmanager
def held(realm: Realm, asset: str, why: str) -> Iterator[None]:
    """Hold an asset (`checkpoint_<hero>_<step>`) as long as the block runs, and no longer than this process lives."""
    assert _ID.fullmatch(asset)
    process = this_process()
    path = store.temp_name(_folder(realm) / asset).with_name(f"{asset}@{process.pid}-{id(asset):x}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_record(path, LeaseRecord(asset=asset, why=why, process=process, since=now()))
    try:
        yield
    finally:
        store.delete(path)


def _folder(realm: Realm) -> Path:
    return realm.status / "leases"


def held_now(realm: Realm) -> dict[str, str]:
    """Assets that somebody needs, and why. The leases of processes that are gone are removed."""
    found: dict[str, str] = {}
    for path in _folder(realm).glob("*.json"):
        lease = store.read_or_set_aside(path, LeaseRecord)
        if lease is None:
            continue
        if is_running(lease.process):
            found[lease.asset] = lease.why
        else:
            store.delete(path)
    return found
