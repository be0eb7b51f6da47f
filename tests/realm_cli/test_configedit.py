from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from realm_cli import configedit, embedded, heroes, status
from realm_cli.errors import FormatError, NotFoundError, RefusedError, UsageError
from realm_cli.process import mark_of
from realm_cli.realm import Realm
from realm_cli.records import TrainingStatus, now

Run = Callable[..., Any]

REALM = """\
# What I want.
hero: dio-mini

training:
  save_steps: 500     # often
  device: "cpu"
# the end
"""


@pytest.fixture
def realm_file(realm: Realm) -> Path:
    realm.config_file.write_text(REALM)
    return realm.config_file


def with_checkpoint(realm: Realm) -> None:
    (realm.hero_folder("dio-mini") / "checkpoint-100-20260101-1200").mkdir(parents=True)


def test_a_change_touches_one_line_and_keeps_the_file_before(realm: Realm, realm_file: Path) -> None:
    change = configedit.set_value(realm, "training.save_steps", "250")
    assert (change.before, change.after) == (500, 250)
    assert realm_file.read_text() == REALM.replace("500 ", "250 ")
    assert change.backup is not None
    assert (change.backup / "configs" / "realm.yaml").read_text() == REALM
    assert realm.config.training.save_steps == 250


def test_a_key_that_was_a_default_is_added_in_its_section(realm: Realm, realm_file: Path) -> None:
    configedit.set_value(realm, "training.threads", "2")
    configedit.set_value(realm, "plugins.disabled", "[guild]")
    assert realm.config.training.threads == 2
    assert realm.config.plugins.disabled == ["guild"]
    assert realm_file.read_text().startswith("# What I want.\nhero: dio-mini\n")
    assert "# often" in realm_file.read_text()


def test_null_takes_a_key_out(realm: Realm, realm_file: Path) -> None:
    change = configedit.set_value(realm, "training.device", "null")
    assert (change.before, change.after) == ("cpu", "auto")
    assert "device" not in realm_file.read_text()


def test_every_line_of_the_shipped_heroes_survives_an_edit(realm: Realm) -> None:
    for hero, key, text in [("dio-mini", "learning_rate", "3e-3"), ("dio", "precision", "fp32")]:
        path = realm.hero_file(hero)
        before = path.read_text().splitlines()
        configedit.set_value(realm, f"heroes.{hero}.recipe.{key}", text)
        after = path.read_text().splitlines()
        assert len(after) == len(before)
        changed = [new for old, new in zip(before, after, strict=True) if old != new]
        assert [line.split()[:2] for line in changed] == [[f"{key}:", text]]


def test_the_same_value_changes_and_backs_up_nothing(realm: Realm, realm_file: Path) -> None:
    assert configedit.set_value(realm, "training.save_steps", "500").backup is None
    assert realm_file.read_text() == REALM
    assert list(realm.backups.iterdir()) == []


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        (
            "training.save_steps",
            "often",
            "training.save_steps cannot be 'often': expected `int`, got `str`",
        ),
        ("training.save_steps", "0", "expected `int` >= 1"),
        ("training.save_steps", "", "expected `int`, got `str`"),
        ("training.save_steps", "{a: 1}", "is a mapping"),
        ("training.save_steps", "[1", "is not valid YAML"),
        ("training.device", "gpu", "training.device cannot be 'gpu'"),
        ("training.save_step", "5", "there is no key 'training.save_step'"),
        ("trainig.save_steps", "5", "there is no key 'trainig.save_steps'"),
        ("training.save_steps.more", "5", "there is no key"),
        ("training", "5", "'training' is a section"),
        ("heroes.dio-mini", "5", "names no key of a hero"),
        ("heroes.dio-mini.recipe.learning_rate", "-1", "expected `float` > 0"),
        ("heroes.dio-mini.max_length", "null", "key 'max_length' is missing"),
        ("heroes.dio-mini.embedded.kv_heads", "3", "cannot be shared evenly"),
        ("heroes.dio-mini.base_model", "Qwen/Qwen3-0.6B", "contradicts the section"),
        ("hero", "dio", "not set as a key"),
    ],
)
def test_a_wrong_change_names_the_key_and_writes_nothing(
    key: str, text: str, message: str, realm: Realm, realm_file: Path
) -> None:
    hero_before = realm.hero_file("dio-mini").read_text()
    with pytest.raises(UsageError) as caught:
        configedit.set_value(realm, key, text)
    assert message in caught.value.message
    assert caught.value.hint
    assert realm_file.read_text() == REALM
    assert realm.hero_file("dio-mini").read_text() == hero_before
    assert list(realm.backups.iterdir()) == []


def test_the_nearest_key_is_offered(realm: Realm) -> None:
    with pytest.raises(UsageError) as caught:
        configedit.get(realm, "training.save_step")
    assert caught.value.hint == "did you mean 'save_steps'?"
    with pytest.raises(NotFoundError, match="there is no hero 'dio-mimi'"):
        configedit.get(realm, "heroes.dio-mimi.max_length")


def test_a_value_out_of_a_few_is_answered_with_all_of_them(realm: Realm) -> None:
    with pytest.raises(UsageError) as caught:
        configedit.set_value(realm, "heroes.dio.recipe.precision", "fp16")
    assert caught.value.message == "heroes.dio.recipe.precision cannot be 'fp16': invalid enum value 'fp16'"
    assert caught.value.hint == "one of: fp32, bf16"


def test_texts_keep_the_quotes_that_they_need(realm: Realm) -> None:
    for text, value in [('"yes"', "yes"), ("plain words", "plain words"), ('"a: b # c"', "a: b # c"), ("", "")]:
        configedit.set_value(realm, "heroes.dio.title", text)
        assert realm.hero("dio").title == value


def test_a_mistake_elsewhere_in_the_file_is_reported_as_its_own(realm: Realm, realm_file: Path) -> None:
    realm_file.write_text(REALM.replace("device", "devise"))
    with pytest.raises(FormatError, match=r"realm.yaml:6: unknown key 'training.devise'"):
        configedit.set_value(realm, "training.save_steps", "5")
    realm_file.write_text("hero: [\n")
    with pytest.raises(FormatError, match=r"realm.yaml:\d: not valid YAML"):
        configedit.set_value(realm, "training.save_steps", "5")


def test_a_bad_value_can_be_mended_by_a_command(realm: Realm, realm_file: Path) -> None:
    realm_file.write_text(REALM.replace("500", "often"))
    change = configedit.set_value(realm, "training.save_steps", "50")
    assert (change.before, change.after) == ("often", 50)
    dio = realm.hero_file("dio")
    dio.write_text(dio.read_text().replace("precision: bf16", "precision: fp16"))
    assert configedit.set_value(realm, "heroes.dio.recipe.precision", "bf16").before == "fp16"


def _set(root: str, key: str) -> None:
    configedit.set_value(Realm(root), key, "77")


def test_changes_by_several_processes_at_once_all_stay(realm: Realm) -> None:
    keys = ["training.save_steps", "training.keep_last", "training.reserve_mb", "board.keep_completed"]
    processes = [get_context("spawn").Process(target=_set, args=(str(realm.root), key)) for key in keys]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [configedit.get(realm, key) for key in keys] == [77] * 4
    assert len(list(realm.backups.iterdir())) == 4


@pytest.mark.parametrize(("key", "text"), [("max_length", "256"), ("model_name", "x"), ("embedded.layers", "4")])
def test_a_locked_key_needs_approval_once_there_are_checkpoints(key: str, text: str, realm: Realm) -> None:
    key = f"heroes.dio-mini.{key}"
    configedit.set_value(realm, key, text)
    with_checkpoint(realm)
    assert configedit.set_value(realm, key, text).backup is None
    other = {"256": "128", "x": "y", "4": "5"}[text]
    with pytest.raises(RefusedError, match=f"{key} is locked: 'dio-mini' has checkpoints"):
        configedit.set_value(realm, key, other)
    assert str(configedit.get(realm, key)) == text
    change = configedit.set_value(realm, key, other, approve=True)
    assert change.backup is not None
    assert str(configedit.get(realm, key)) == other


def test_an_approved_change_of_the_embedded_model_makes_it_anew(realm: Realm) -> None:
    heroes.base_path(realm, "dio-mini")
    with_checkpoint(realm)
    configedit.set_value(realm, "heroes.dio-mini.embedded.seed", "9", approve=True)
    made = embedded.made_from(heroes.base_path(realm, "dio-mini"))
    assert made is not None
    assert made.seed == 9


def test_the_recipe_is_free_while_a_battle_runs_and_the_model_is_not(realm: Realm) -> None:
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    status.write(realm, TrainingStatus(state="training", process=mark_of(process.pid), heartbeat=now()))
    try:
        configedit.set_value(realm, "heroes.dio-mini.recipe.clip_norm", "2")
        with pytest.raises(RefusedError, match="while a battle runs"):
            configedit.set_value(realm, "heroes.dio-mini.max_length", "100", approve=True)
    finally:
        process.communicate()


def test_settings_hold_every_key_with_its_source(realm: Realm, realm_file: Path) -> None:
    found = {setting.key: setting for setting in configedit.settings(realm)}
    name = realm_file.relative_to(realm.root).as_posix()
    assert (found["training.save_steps"].value, found["training.save_steps"].source) == (500, f"{name}:5")
    assert (found["board.settle_seconds"].default, found["board.settle_seconds"].source) == (True, "default")
    assert found["heroes.dio-mini.embedded.seed"].value == 0
    assert found["heroes.dio.embedded"].value is None
    assert found["heroes.dio.recipe.learning_rate"].value == 1e-5


def test_the_commands_show_get_and_set(run: Run, realm_file: Path) -> None:
    shown = run("config", "show")
    assert shown.code == 0
    assert "training.save_minutes" in shown.out
    assert json.loads(run("config", "show", "--json").out)[0] == {
        "key": "hero", "value": "dio-mini", "default": False, "source": "configs/realm.yaml:2",
    }  # fmt: skip
    assert run("config", "get", "training.save_steps").out == "500\n"
    assert json.loads(run("config", "get", "training", "--json").out)["value"]["save_steps"] == 500
    changed = run("config", "set", "training.save_steps", "7")
    assert (changed.code, changed.out.splitlines()[0]) == (0, "training.save_steps: 500 -> 7")
    assert realm_file.read_text() == REALM.replace("500 ", "7   ")
    same = run("config", "set", "training.save_steps", "7")
    assert (same.code, same.out) == (0, "training.save_steps was 7 already\n")
    assert json.loads(run("config", "set", "training.save_steps", "7", "--json").out)["backup"] is None
    assert run("config", "set", "training.save_steps", "none").code == 2


def test_the_command_refuses_a_locked_key_with_its_own_exit_code(run: Run, realm: Realm) -> None:
    with_checkpoint(realm)
    refused = run("config", "set", "heroes.dio-mini.max_length", "100")
    assert (refused.code, refused.out) == (3, "")
    assert "--approve" in refused.err
    assert run("config", "set", "heroes.dio-mini.max_length", "100", "--approve").code == 0
