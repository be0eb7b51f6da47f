"""What waits to be taken in: settled files of the inbox, strays in the queue's folders, what a killed intake left."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from realm_cli import belonging, datafiles, store
from realm_cli.errors import StorageError
from realm_cli.questfiles import parse_name
from realm_cli.realm import PRIORITIES, Realm

_PLACE = re.compile(rf"(copy|move-(?:high|normal|low))\.({belonging.LABEL})\.[0-9]+\.(.+)")


class Found(msgspec.Struct, frozen=True):
    """A file to take in."""

    path: Path
    name: str
    """As its giver called it."""
    priority: str
    source: str
    """For the quest's record."""


def place(realm: Realm, how: str, name: str) -> Path:
    """`.intake/<copy|move-PRIORITY>.<who>.<serial>.<name>`: who brings the file; of a copy the source remains."""
    return realm.intake / f"{how}.{belonging.label(realm)}.{time.monotonic_ns()}.{datafiles.safe_name(name)}"


@contextmanager
def draft(realm: Realm, name: str, content: bytes = b"") -> Iterator[Path]:
    """A file to be added, already where adding would copy it. What a kill leaves of it, the next intake drops."""
    store.make_folders([realm.intake])
    path = place(realm, "copy", name)
    try:
        _fill(path, content)
        yield path
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def is_own_draft(realm: Realm, path: Path) -> bool:
    """Whether this process has made it by `draft`."""
    match = _PLACE.fullmatch(path.name)
    return path.parent == realm.intake and match is not None and match[2] == belonging.label(realm)


def _fill(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise StorageError("write", path, error) from error


def given_name(path: Path) -> str:
    """The name within a name that `place` made."""
    match = _PLACE.fullmatch(path.name)
    return match[3] if match else path.name


def leftovers(realm: Realm) -> tuple[list[Found], list[Path]]:
    """(files that a killed intake had moved in, copies that a killed adding had made)."""
    moved, copies = [], []
    for path in sorted(realm.intake.iterdir() if realm.intake.is_dir() else ()):
        match = _PLACE.fullmatch(path.name)
        if match is None or belonging.is_at_work(realm, match[2]):
            continue
        if match[1] == "copy":
            copies.append(path)
        else:
            priority = match[1].removeprefix("move-")
            moved.append(Found(path, match[3], priority, "inbox (taken again after an interruption)"))
    return moved, copies


def settled(realm: Realm, seconds: float) -> list[Found]:
    """Complete files of the inbox, oldest first. ctime moves with every write and rename and cannot be set back."""
    found = []
    for folder, subfolders, names in os.walk(realm.inbox):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in names:
            path = Path(folder) / name
            if datafiles.is_quest_name(name) and _is_settled(path, seconds):
                inside = path.relative_to(realm.inbox)
                priority = inside.parts[0] if inside.parts[0] in ("high", "low") else "normal"
                found.append((_changed(path), Found(path, name, priority, f"inbox/{datafiles.printable(inside)}")))
    return [item for _, item in sorted(found, key=lambda pair: (pair[0], pair[1].path))]


def strays(realm: Realm, seconds: float) -> list[Found]:
    """Quest files in queue folders that no command put there."""
    return [
        Found(folder / name, name, folder.name, f"queue/{folder.name}/{datafiles.printable(name)}")
        for folder in (realm.queue / priority for priority in PRIORITIES)
        for name in sorted(os.listdir(folder) if folder.is_dir() else ())
        if datafiles.is_quest_name(name) and parse_name(folder / name) is None and _is_settled(folder / name, seconds)
    ]


def waiting(realm: Realm) -> int:
    """How many quest files lie in the inbox, settled or not."""
    return len(settled(realm, 0.0))


def _changed(path: Path) -> float:
    try:
        return path.stat().st_ctime
    except FileNotFoundError:
        return 0.0


def _is_settled(path: Path, seconds: float) -> bool:
    return path.is_file() and time.time() - _changed(path) >= seconds
