from __future__ import annotations

import re
from pathlib import Path

import pytest

from realm_cli.backups import find, snapshot, snapshots, written_by_people
from realm_cli.errors import NotFoundError, StorageError
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


def test_snapshots_are_listed_newest_first_and_nothing_else(realm: Realm) -> None:
    old = snapshot(realm, [realm.config_file], "old one")
    old = old.rename(old.with_name("20250101T000000Z-old-one"))
    new = snapshot(realm, [realm.config_file, realm.hero_file("dio-mini")], "new")
    (realm.backups / "archive").mkdir()
    (realm.backups / "99999999T999999Z-no-time").mkdir()
    (realm.backups / "20250101T000000Z-a-file").touch()
    found = snapshots(realm)
    assert [one.path for one in found] == [new, old]
    assert (found[1].at, found[1].reason) == ("2025-01-01T00:00:00+00:00", "old one")
    assert found[0].files() == ["configs/heroes/dio-mini.yaml", "configs/realm.yaml"]
    assert find(realm, new.name) == found[0]


@pytest.mark.parametrize("name", ["", "..", "../configs", "archive", "20250101T000000Z-gone", "20250101T000000Z-a/.."])
def test_what_is_no_snapshot_is_not_found(realm: Realm, name: str) -> None:
    (realm.backups / "archive").mkdir(parents=True)
    with pytest.raises(NotFoundError, match="there is no snapshot"):
        find(realm, name)


def test_all_that_people_write_is_worth_a_snapshot(realm: Realm) -> None:
    (realm.heroes / "other.jinja").write_text("{{ messages }}")
    (realm.heroes / ".hidden.yaml").touch()
    found = [path.relative_to(realm.root).as_posix() for path in written_by_people(realm)]
    assert {
        "configs/realm.yaml",
        "configs/heroes/dio.yaml",
        "configs/heroes/other.jinja",
        "configs/skills/bin.yaml",
    } <= set(found)
    assert "configs/heroes/.hidden.yaml" not in found
