"""Snapshots of what people wrote, taken before a command edits it: `backups/<UTC time>-<reason>/`, paths kept."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

from realm_cli import store
from realm_cli.errors import StorageError
from realm_cli.realm import Realm


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
        folder = _rename_to_free_name(temp, wanted)
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


def _rename_to_free_name(temp: Path, wanted: Path) -> Path:
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
