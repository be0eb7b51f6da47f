from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from helpers import Run
from realm_cli.founding import found
from realm_cli.realm import Realm


def picture(root: Path) -> dict[str, str]:
    """Every path with its content and time."""
    return {
        str(path.relative_to(root)): (
            hashlib.sha256(path.read_bytes()).hexdigest() + str(path.stat().st_mtime_ns) if path.is_file() else "folder"
        )
        for path in sorted(root.rglob("*"))
    }


def test_a_second_init_changes_nothing(realm: Realm, run: Run) -> None:
    realm.config_file.write_text(realm.config_file.read_text() + "# mine\n")
    before = picture(realm.root)
    ran = run("init", realm.root, "--json", realm=None)
    assert (ran.code, ran.json["new"]) == (0, [])
    assert picture(realm.root) == before
    assert "complete already" in run("init", realm.root, realm=None).out


def test_a_damaged_realm_is_completed_and_what_is_there_stays(realm: Realm) -> None:
    realm.config_file.write_text("hero: dio-mini  # mine\n")
    realm.hero_file("dio-mini").unlink()
    (realm.models / "base" / "dio-mini" / "model.safetensors").unlink()
    for folder in (realm.queue, realm.status, realm.inbox):
        shutil.rmtree(folder)
    _, new = found(realm.root)
    assert new == ["configs/heroes/dio-mini.yaml"]
    assert realm.config_file.read_text() == "hero: dio-mini  # mine\n"
    assert (realm.models / "base" / "dio-mini" / "model.safetensors").is_file()
    assert all(folder.is_dir() for folder in realm.folders())


def test_init_takes_the_folder_it_stands_in_and_the_realm_is_found_from_below(tmp_path: Path, run: Run) -> None:
    assert run("init", "-q", realm=None, cwd=tmp_path).out == ""
    assert run("status", "--json", realm=None, cwd=tmp_path / "queue" / "high").json["hero"]["name"] == "dio-mini"


def test_a_file_in_the_way_is_named(tmp_path: Path, run: Run) -> None:
    (tmp_path / "file").touch()
    ran = run("init", tmp_path / "file", realm=None)
    assert ran.code == 1
    assert f"{tmp_path / 'file'}" in ran.err
    assert "Traceback" not in ran.err
