"""Pins: assets that a person wants to stay. Neither retention nor the vault drops them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from realm_cli import store
from realm_cli.realm import Realm
from realm_cli.records import Pin, PinsRecord, now


def _path(realm: Realm) -> Path:
    return realm.status / "pins.json"


def read(realm: Realm) -> dict[str, Pin]:
    """What is pinned, by the asset's full id."""
    record = store.read_or_set_aside(_path(realm), PinsRecord)
    return record.pins if record else {}


def pin(realm: Realm, asset: str, why: str, by: str) -> None:
    """Let an asset stay."""
    _change(realm, {asset: Pin(why=why, by=by, at=now())}, "")


def unpin(realm: Realm, asset: str) -> bool:
    """Let it go again; False when it was not pinned."""
    was = asset in read(realm)
    _change(realm, {}, asset)
    return was


def _change(realm: Realm, added: dict[str, Pin], gone: str) -> None:
    with store.locked(realm.status / ".pins.lock"):
        pins = {name: one for name, one in {**read(realm), **added}.items() if name != gone}
        record = store.read_or_set_aside(_path(realm), PinsRecord) or PinsRecord()
        store.write_record(_path(realm), msgspec.structs.replace(record, pins=pins), durable=True)
