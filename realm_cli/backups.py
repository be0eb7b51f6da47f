"""Snapshots of what people wrote, taken before a command edits it: `backups/<UTC time>-<reason>/`, paths kept."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from realm_cli import store
from realm_cli.errors import NotFoundError, StorageError
from realm_cli.realm import Realm

_NAME = re.compile(r"(\d{8}T\d{6}Z)-([a-z0-9-]*)")


@dataclass(frozen=True)
class Snapshot:
    """One folder under `backups/` that `snapshot` made."""

    name: str
    path: Path
    at: str
    """UTC, ISO 8601."""
    reason: str
    """In the words that the folder's name keeps of it."""

    def files(self) -> list[str]:
        """The files in it, as paths from the realm's root."""
        found = (path for path in self.path.rglob("*") if path.is_file() and not path.is_symlink())
        return sorted(path.relative_to(self.path).as_posix() for path in found)


def snapshots(realm: Realm) -> list[Snapshot]:
    """All snapshots, newest first; what else lies in `backups/` is passed over."""
    try:
        names = os.listdir(realm.backups)
    except FileNotFoundError:
        return []
    found = [made for name in names if (made := _snapshot_named(realm, name)) is not None and made.path.is_dir()]
    return sorted(found, key=lambda made: (made.at, made.path.stat().st_mtime_ns, made.name), reverse=True)


def find(realm: Realm, name: str) -> Snapshot:
    """The snapshot of that name. Raises `NotFoundError`, for what is no snapshot's name as well."""
    found = _snapshot_named(realm, name)
    if found is None or not found.path.is_dir():
        raise NotFoundError(f"there is no snapshot '{name[:100]}' in {realm.backups}", "name one of its folders")
    return found


def _snapshot_named(realm: Realm, name: str) -> Snapshot | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        moment = datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return Snapshot(name, realm.backups / name, moment.isoformat(), match[2].replace("-", " "))


def written_by_people(realm: Realm) -> list[Path]:
    """Every file under `configs/` that is worth a snapshot."""
    found = (path for path in realm.configs.rglob("*") if path.suffix in (".yaml", ".yml", ".jinja"))
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def snapshot(realm: Realm, paths: Iterable[Path], reason: str) -> Path:
    """Copy files of the realm, durably, into a new folder under `backups/`; the folder is complete or absent."""
    moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    wanted = realm.backups / f"{moment}-{re.sub(r'[^a-z0-9]+', '-', reason.lower()).strip('-')[:60]}"
    temp = store.temp_name(wanted)
    try:
        temp.mkdir(parents=True)
        for path in paths:
            _copy(path, temp / path.relative_to(realm.root))
        for folder in (temp, *(path for path in temp.rglob("*") if path.is_dir())):
            store.sync_folder(folder)
        folder = put_in_place(temp, wanted)
        store.sync_folder(realm.backups)
    except OSError as error:
        raise StorageError("make the backup", wanted, error) from error
    finally:
        shutil.rmtree(temp, ignore_errors=True)
    return folder


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
    store.sync_file(target)


def put_in_place(temp: Path, wanted: Path) -> Path:
    """Two snapshots of one second get `-2`, `-3`; a folder that holds files is never renamed over."""
    number = 1
    while True:
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        if not folder.exists():
            try:
                os.rename(temp, folder)
                return folder
            except OSError:
                if not folder.exists():
                    raise
        number += 1
