from __future__ import annotations

import re
from pathlib import Path

import pytest

from realm_cli.backups import snapshot
from realm_cli.errors import StorageError
from realm_cli.realm import Realm


def test_a_snapshot_keeps_relative_paths_contents_and_times(realm: Realm) -> None:
    paths = [realm.config_file, realm.hero_file("dio-mini")]
    folder = snapshot(realm, paths, "Set training.save_steps")
    assert re.fullmatch(r"\d{8}T\d{6}Z-set-training-save-steps", folder.name)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == [
        "configs/heroes/dio-mini.yaml",
        "configs/realm.yaml",
    ]
    for path in paths:
        copy = folder / path.relative_to(realm.root)
        assert copy.read_bytes() == path.read_bytes()
        assert int(copy.stat().st_mtime) == int(path.stat().st_mtime)


def test_snapshots_of_one_second_do_not_mix(realm: Realm) -> None:
    folders = [snapshot(realm, [realm.config_file], "same") for _ in range(5)]
    assert len(set(folders)) == 5
    assert sorted(realm.backups.iterdir()) == sorted(folders)


def test_a_snapshot_that_fails_leaves_nothing(realm: Realm) -> None:
    with pytest.raises(StorageError, match="cannot make the backup"):
        snapshot(realm, [realm.config_file, Path(realm.root / "configs" / "gone.yaml")], "broken")
    assert list(realm.backups.iterdir()) == []
