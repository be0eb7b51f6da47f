"""Whose process a file speaks of. A realm that was copied has files of processes that work for the original: they are
none of its own, are never signalled from it, and count as gone. Every stored mark of a process is read and written here.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TypeVar

import msgspec

from realm_cli import store
from realm_cli.process import is_running, this_process
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark, ProcessRecord

P = TypeVar("P", bound=ProcessRecord)
COPIED = "it ran in the realm that this one was copied from"
"""Why a process is not followed up."""
LABEL = r"[0-9]+\.[0-9a-f]*-[0-9]+(?:\.[0-9]*-[0-9]*-[0-9a-f]{8})?"
"""What `label` gives, as part of a pattern; those of an earlier version name no place."""


def place_of(realm: Realm) -> str:
    """Which folder a realm is: `<device>:<inode>:<hash of its path>`."""
    import hashlib

    name = hashlib.sha256(os.fsencode(realm.root)).hexdigest()[:8]
    try:
        found = realm.root.stat()
    except OSError:
        return f"::{name}"
    return f"{found.st_dev}:{found.st_ino}:{name}"


def is_here(realm: Realm, place: str) -> bool:
    """Whether what was written at a place is this realm's; an earlier version did not write it.

    A moved realm is the same folder under another name; where a file system numbers its folders anew, the name is the
    same. A copied realm has neither.
    """
    folder, _, name = place.rpartition(":")
    folder_here, _, name_here = place_of(realm).rpartition(":")
    return not place or folder == folder_here or name == name_here


def write(realm: Realm, path: Path, record: ProcessRecord, *, durable: bool = False) -> None:
    """Replace a file that names a process of this realm. Raises `StorageError`."""
    store.write_record(path, msgspec.structs.replace(record, place=place_of(realm)), durable=durable)


def read(realm: Realm, path: Path, record_class: type[P]) -> P | None:
    """A record of such a file, as `store.read_or_set_aside`. The process of another realm is made `nobody` in it."""
    found = store.read_or_set_aside(path, record_class)
    if found is None or found.process is None or is_here(realm, found.place):
        return found
    return msgspec.structs.replace(found, process=nobody(found.process))


def nobody(mark: ProcessMark) -> ProcessMark:
    """A mark that no running process has; its pid is for people."""
    return ProcessMark(pid=mark.pid, started="", host="")


def is_nobody(mark: ProcessMark) -> bool:
    """Whether the process worked for the realm that this one was copied from."""
    return not mark.host


def label(realm: Realm) -> str:
    """This process as part of a file's name: `<pid>.<boot>-<start>.<place>`."""
    mark = this_process()
    return ".".join((str(mark.pid), mark.started.replace(":", "-"), place_of(realm).replace(":", "-")))


def is_at_work(realm: Realm, text: str) -> bool:
    """Whether the process of a `label` runs, for this realm."""
    assert re.fullmatch(LABEL, text)
    pid, started, *place = text.split(".")
    mark = ProcessMark(pid=int(pid), started=started.replace("-", ":"), host=this_process().host)
    return is_here(realm, "".join(place).replace("-", ":")) and is_running(mark)
