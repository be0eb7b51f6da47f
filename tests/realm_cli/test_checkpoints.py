from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

import pytest

from realm_cli import checkpoints
from realm_cli.errors import FormatError
from realm_cli.realm import Realm

NAME = "checkpoint-12-20251127-1430"


@pytest.fixture
def folder(realm: Realm) -> Path:
    made = realm.hero_folder() / NAME
    made.mkdir(parents=True)
    (made / "model.safetensors").write_bytes(b"weights")
    (made / "optimizer.pt").write_bytes(b"moments")
    return made


def test_the_canonical_name_tells_step_and_utc_minute() -> None:
    moment = datetime(2025, 11, 27, 14, 30, tzinfo=timezone.utc)
    assert checkpoints.canonical_name(190_000, moment) == "checkpoint-190000-20251127-1430"


def test_a_checkpoint_counts_from_its_manifest_on(realm: Realm, folder: Path) -> None:
    with pytest.raises(FormatError, match="it has no manifest"):
        checkpoints.open_checkpoint(folder)
    assert [len(part) for part in checkpoints.complete(realm, "dio-mini")] == [0, 1]
    checkpoints.write_manifest(folder, NAME, "now")
    found = checkpoints.open_checkpoint(folder)
    checkpoints.verify(found)
    assert (found.name, found.step, found.size) == (NAME, 12, 14)
    assert checkpoints.complete(realm, "dio-mini") == ([found], [])


def test_a_missing_a_resized_and_a_changed_file_are_found(folder: Path) -> None:
    checkpoints.write_manifest(folder, NAME, "now")
    found = checkpoints.open_checkpoint(folder)
    (folder / "optimizer.pt").write_bytes(b"MOMENTS")
    checkpoints.open_checkpoint(folder)
    with pytest.raises(FormatError, match=re.escape("optimizer.pt has changed")):
        checkpoints.verify(found)
    (folder / "optimizer.pt").write_bytes(b"mom")
    with pytest.raises(FormatError, match=re.escape("optimizer.pt has 3 bytes instead of 7")):
        checkpoints.open_checkpoint(folder)
    (folder / "optimizer.pt").unlink()
    with pytest.raises(FormatError, match=re.escape("optimizer.pt is missing")):
        checkpoints.open_checkpoint(folder)


def test_folders_of_other_names_are_no_checkpoints_and_the_newest_comes_first(realm: Realm) -> None:
    for name in ("checkpoint-9", "checkpoint-100", ".checkpoint-5.tmp", "checkpoint-5.old", "notes"):
        (realm.hero_folder() / name).mkdir(parents=True)
    assert [path.name for path in checkpoints.folders(realm, "dio-mini")] == ["checkpoint-100", "checkpoint-9"]
