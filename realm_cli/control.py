"""Control flags: small files that ask the battle for something. `touch control/.pause` works as well as a command."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from realm_cli import store
from realm_cli.errors import FormatError
from realm_cli.process import user_name
from realm_cli.realm import Realm
from realm_cli.records import FlagRecord, now


def path_of(realm: Realm, flag: str) -> Path:
    """Where a flag lies."""
    return realm.control / f".{flag}"


def is_up(realm: Realm, flag: str) -> bool:
    """Whether a flag is raised; one stat call, for the training loop."""
    return path_of(realm, flag).exists()


def raise_flag(realm: Realm, flag: str, reason: str = "", *, release: bool = False) -> FlagRecord:
    """Raise a flag and return what was written."""
    record = FlagRecord(who=user_name(), when=now(), reason=reason, release=release)
    store.make_folders([realm.control])
    store.write_record(path_of(realm, flag), record)
    return record


def offer(realm: Realm, flag: str, reason: str, *, who: str, release: bool = False) -> bool:
    """Raise a flag in the name of a program unless it is up already; False when it is."""
    record = FlagRecord(who=who, when=now(), reason=reason, release=release)
    store.make_folders([realm.control])
    return store.write_new(path_of(realm, flag), record)


def withdraw(realm: Realm, flag: str, who: str) -> bool:
    """Take a flag down if it is that of `who`; False when it is not, or not up."""
    found = read(realm, flag)
    return found is not None and found.who == who and lower(realm, flag)


def read(realm: Realm, flag: str) -> FlagRecord | None:
    """The raised flag, None when it is down. What a person wrote counts too: nothing, some text, a few keys of JSON."""
    path = path_of(realm, flag)
    try:
        content = store.read_bytes(path)
        touched = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc).isoformat(timespec="milliseconds")
    except FileNotFoundError:
        return None
    with suppress(FormatError):
        data = store.parse_json(content, str(path))
        if isinstance(data, dict):
            keys = {"kind": FlagRecord.kind, "version": FlagRecord.version, "when": touched, **data}
            return FlagRecord.from_dict(keys, str(path))
    return FlagRecord(when=touched, reason=content.decode("utf-8", "replace").strip()[:200])


def lower(realm: Realm, flag: str) -> bool:
    """Take a flag down; False when it was not up."""
    return store.delete(path_of(realm, flag))
