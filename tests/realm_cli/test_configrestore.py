"""Going back to a snapshot: checked first, refused where a single key would be, undone by the snapshot that it makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from realm_cli import backups, configedit, embedded, status
from realm_cli.configrestore import differing, locked_changes, restore
from realm_cli.errors import FormatError, NotFoundError, RefusedError
from realm_cli.process import this_process
from realm_cli.realm import Realm
from realm_cli.records import TrainingStatus, now
from realm_guild_heroes import HERO, checkpoint, set_yaml


def kept(realm: Realm) -> str:
    """A snapshot of everything; its name."""
    return backups.snapshot(realm, backups.written_by_people(realm), "kept").name


def contents(realm: Realm) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in backups.written_by_people(realm)}


def test_only_what_is_different_is_put_back_and_new_files_stay(realm: Realm) -> None:
    before, name = contents(realm), kept(realm)
    configedit.set_value(realm, "training.save_steps", "9")
    (realm.skills / "new.yaml").write_text("id: new\n")
    assert differing(realm, backups.find(realm, name)) == ["configs/realm.yaml"]
    done = restore(realm, name)
    assert done.files == ["configs/realm.yaml"]
    assert realm.config.training.save_steps == 1000
    assert contents(realm) == {**before, realm.skills / "new.yaml": b"id: new\n"}
    assert done.backup is not None
    restore(realm, done.backup.name)
    assert Realm(realm.root).config.training.save_steps == 9


def test_a_file_that_is_gone_comes_back(realm: Realm) -> None:
    name = kept(realm)
    realm.hero_file("dio").unlink()
    assert restore(realm, name).files == ["configs/heroes/dio.yaml"]
    assert realm.hero("dio").model_name == "Qwen3-0.6B"


@pytest.mark.parametrize("file", ["realm.yaml", "heroes/dio.yaml"])
def test_a_snapshot_with_a_mistake_is_refused_before_anything_is_written(realm: Realm, file: str) -> None:
    name = kept(realm)
    (realm.backups / name / "configs" / file).write_text("no_such_key: 1\n")
    configedit.set_value(realm, "training.save_steps", "9")
    configedit.set_value(realm, "heroes.dio-mini.title", "Other")
    before = contents(realm)
    with pytest.raises(FormatError):
        restore(realm, name)
    assert contents(realm) == before


def test_a_model_does_not_change_under_its_checkpoints_unless_approved(realm: Realm) -> None:
    name = kept(realm)
    configedit.set_value(realm, f"heroes.{HERO}.embedded.seed", "7")
    checkpoint(realm, 100)
    assert locked_changes(realm, backups.find(realm, name)) == [f"heroes.{HERO}.embedded"]
    with pytest.raises(RefusedError, match="embedded"):
        restore(realm, name)
    restore(realm, name, approve=True)
    made = embedded.made_from(realm.base_folder(HERO))
    assert made is not None
    assert made.seed == 0
    assert made == realm.hero().embedded


def test_nothing_goes_back_under_a_battle(realm: Realm) -> None:
    name = kept(realm)
    configedit.set_value(realm, "training.save_steps", "9")
    training = TrainingStatus(state="training", hero=HERO, process=this_process(), started_at=now(), heartbeat=now())
    status.write(realm, training)
    with pytest.raises(RefusedError, match="a battle is running"):
        restore(realm, name)
    assert Realm(realm.root).config.training.save_steps == 9


def test_the_active_hero_of_the_snapshot_becomes_the_active_one(realm: Realm) -> None:
    set_yaml(realm.config_file, f"hero: {HERO}", "hero: dio")
    name = kept(realm)
    set_yaml(realm.config_file, "hero: dio", f"hero: {HERO}")
    restore(realm, name)
    assert realm.config.hero == "dio"
    assert (realm.models / "current_model").readlink() == Path("dio")


def test_a_snapshot_whose_hero_is_gone_is_refused(realm: Realm) -> None:
    set_yaml(realm.config_file, f"hero: {HERO}", "hero: dio")
    name = backups.snapshot(realm, [realm.config_file], "dio").name
    set_yaml(realm.config_file, "hero: dio", f"hero: {HERO}")
    realm.hero_file("dio").unlink()
    with pytest.raises(RefusedError, match="no longer has"):
        restore(realm, name)


def test_a_file_outside_of_configs_is_never_written(realm: Realm) -> None:
    name = kept(realm)
    (realm.backups / name / "status").mkdir()
    (realm.backups / name / "status" / "web.token").write_text("mine")
    with pytest.raises(RefusedError, match="outside of configs"):
        restore(realm, name)


def test_a_snapshot_that_is_none_is_not_found(realm: Realm) -> None:
    with pytest.raises(NotFoundError):
        restore(realm, "../configs")
