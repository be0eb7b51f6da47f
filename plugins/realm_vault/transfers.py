"""The records of transfers: what is on its way, what waits for a zone, what became of the others."""

from __future__ import annotations

from pathlib import Path

import msgspec

from realm_cli import store
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_vault.catalog import folder_of
from realm_vault.records import TransferRecord

KEPT = 200
"""Ended transfers whose records stay."""


def _folder(realm: Realm) -> Path:
    return folder_of(realm) / "transfers"


def lock_of(realm: Realm, asset: str, zone: str) -> Path:
    """What whoever moves an asset between here and a zone holds."""
    return _folder(realm) / f".{asset}-{zone}.lock"


def write(realm: Realm, record: TransferRecord) -> None:
    """Write one record."""
    path = _folder(realm) / f"{record.id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_record(path, record, durable=True)


def end(realm: Realm, record: TransferRecord, state: str, reason: str, seconds: float) -> None:
    """Write down how it ended; the oldest of many ended ones are dropped."""
    end_all(realm, [record], state, reason, seconds)


def end_all(realm: Realm, records: list[TransferRecord], state: str, reason: str, seconds: float) -> None:
    """The same of several at once."""
    facts = {"state": state, "reason": reason, "ended_at": now(), "seconds": round(seconds, 3)}
    for record in records:
        write(realm, msgspec.structs.replace(record, **facts))
    ended = [one for one in read_all(realm) if one.ended_at]
    for one in ended[KEPT:]:
        store.delete(_folder(realm) / f"{one.id}.json")


def queue(realm: Realm, record: TransferRecord, reason: str) -> None:
    """Let it wait for its zone. One that waits for the same already is enough."""
    for one in waiting(realm):
        if (one.asset, one.zone) == (record.asset, record.zone):
            store.delete(_folder(realm) / f"{record.id}.json")
            record = msgspec.structs.replace(one, attempts=one.attempts + 1)
    write(realm, msgspec.structs.replace(record, state="queued", reason=reason))


def forget(realm: Realm, record: TransferRecord) -> None:
    """Drop a record that waits: it is taken up again as a new one."""
    store.delete(_folder(realm) / f"{record.id}.json")


def waiting(realm: Realm) -> list[TransferRecord]:
    """What waits for its zone, oldest first."""
    return [one for one in reversed(read_all(realm)) if one.state == "queued"]


def read_all(realm: Realm) -> list[TransferRecord]:
    """All records, newest first."""
    found = [store.read_or_set_aside(path, TransferRecord) for path in _folder(realm).glob("*.json")]
    return sorted((one for one in found if one is not None), key=lambda one: one.asked_at, reverse=True)
