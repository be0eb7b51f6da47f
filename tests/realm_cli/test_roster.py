from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from realm_cli import heroes, roster, status, store
from realm_cli.errors import FormatError, LockedError, NotFoundError, RefusedError, UsageError
from realm_cli.process import mark_of
from realm_cli.realm import Realm
from realm_cli.records import TrainingStatus, now

Run = Callable[..., Any]


@pytest.fixture
def battle(realm: Realm) -> Iterator[None]:
    """A process that says of itself that it is the battle."""
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    status.write(realm, TrainingStatus(state="training", process=mark_of(process.pid), heartbeat=now()))
    yield
    process.communicate()


def test_a_foreign_model_folder_becomes_a_hero(realm: Realm, llama_folder: Path) -> None:
    hero, config = roster.recruit(realm, str(llama_folder))
    assert hero == "tiny-llama"
    assert realm.hero(hero) == config
    assert (config.model_name, config.base_model, config.max_length) == ("Tiny.Llama", str(llama_folder), 64)
    assert (config.recipe.precision, config.recipe.row_tokens, config.recipe.learning_rate) == ("fp32", 64, 1e-4)
    assert heroes.base_path(realm, hero) == llama_folder
    assert "# LlamaForCausalLM, 920 parameters." in realm.hero_file(hero).read_text()


def test_a_folder_inside_the_realm_is_kept_as_a_relative_path(
    realm: Realm, llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(llama_folder, realm.models / "base" / "llama")
    monkeypatch.chdir(realm.models / "base")
    _, config = roster.recruit(realm, "llama", "inside")
    assert config.base_model == "models/base/llama"
    assert heroes.base_path(realm, "inside") == realm.models / "base" / "llama"


def test_a_hero_is_never_overwritten(realm: Realm, llama_folder: Path) -> None:
    roster.recruit(realm, str(llama_folder))
    before = realm.hero_file("tiny-llama").read_bytes()
    with pytest.raises(RefusedError, match=r"tiny-llama.yaml exists already"):
        roster.recruit(realm, str(llama_folder))
    assert realm.hero_file("tiny-llama").read_bytes() == before
    assert roster.recruit(realm, str(llama_folder), "second")[0] == "second"


@pytest.mark.parametrize("hero", ["base", "current_model", "Big", "../x"])
def test_an_id_that_would_break_the_folders_is_refused(hero: str, realm: Realm, llama_folder: Path) -> None:
    with pytest.raises(UsageError):
        roster.recruit(realm, str(llama_folder), hero)


@pytest.mark.parametrize(
    ("name", "hero"),
    [
        ("Qwen/Qwen3-0.6B", "qwen3-0-6b"),
        ("/a/My Model (v2)/", "my-model-v2"),
        ("x/" + "y" * 90, "y" * 64),
        ("~/Ünal", "nal"),
    ],
)
def test_ids_come_from_names(name: str, hero: str) -> None:
    assert roster.derive_id(name) == hero


def test_a_given_template_is_kept_beside_the_hero(realm: Realm, llama_folder: Path, tmp_path: Path) -> None:
    template = tmp_path / "mine.jinja"
    template.write_text("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    _, config = roster.recruit(realm, str(llama_folder), template=template)
    assert config.chat_template == "configs/heroes/tiny-llama.jinja"
    assert realm.path(config.chat_template).read_text() == template.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{% for m in messages %}", "not a usable chat template"),
        ("{{ nothing.at.all }}", "not a usable chat template"),
        ("hello", "does not contain both messages"),
        ("{{ messages[0].content }}", "does not contain both messages"),
    ],
)
def test_a_template_that_does_not_work_recruits_nobody(
    text: str, message: str, realm: Realm, llama_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.jinja").write_text(text)
    with pytest.raises(FormatError, match=message):
        roster.recruit(realm, str(llama_folder), template=tmp_path / "bad.jinja")
    assert "tiny-llama" not in realm.hero_ids()
    with pytest.raises(NotFoundError, match="does not exist"):
        roster.recruit(realm, str(llama_folder), template=tmp_path / "none.jinja")


def test_quantized_weights_are_refused(realm: Realm, llama_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(llama_folder, tmp_path / "small"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": {"bits": 4}}))
    with pytest.raises(FormatError, match="quantized"):
        roster.recruit(realm, str(folder))


def test_using_a_hero_edits_the_realm_and_moves_the_link(realm: Realm, llama_folder: Path) -> None:
    realm.config_file.write_text("# mine\nhero: dio-mini   # the first one\nboard:\n  settle_seconds: 1  # quick\n")
    hero, _ = roster.recruit(realm, str(llama_folder))
    roster.use(realm, "dio-mini")
    assert os.readlink(realm.models / "current_model") == "dio-mini"
    backup = roster.use(realm, hero)
    assert realm.config.hero == hero
    assert realm.config_file.read_text() == (
        "# mine\nhero: tiny-llama # the first one\nboard:\n  settle_seconds: 1  # quick\n"
    )
    assert os.readlink(realm.models / "current_model") == hero
    assert (realm.models / "current_model").is_dir()
    assert backup is not None
    assert "hero: dio-mini" in (backup / "configs" / "realm.yaml").read_text()


def test_using_the_active_hero_again_mends_only_the_link(realm: Realm) -> None:
    before = realm.config_file.read_bytes()
    assert roster.use(realm, "dio-mini") is None
    (realm.models / "current_model").unlink()
    assert roster.use(realm, "dio-mini") is None
    assert os.readlink(realm.models / "current_model") == "dio-mini"
    assert realm.config_file.read_bytes() == before
    assert list(realm.backups.iterdir()) == []


def test_a_real_folder_in_the_links_place_is_left_alone(realm: Realm) -> None:
    (realm.models / "current_model").unlink(missing_ok=True)
    (realm.models / "current_model").mkdir()
    with pytest.raises(RefusedError, match="current_model is not a link"):
        roster.use(realm, "dio")
    assert realm.config.hero == "dio-mini"


def test_an_unknown_hero_is_not_used(realm: Realm) -> None:
    with pytest.raises(NotFoundError, match="there is no hero 'dioo'"):
        roster.use(realm, "dioo")


@pytest.mark.usefixtures("battle")
def test_the_active_hero_does_not_change_under_a_battle(realm: Realm) -> None:
    with pytest.raises(RefusedError, match="a battle is running"):
        roster.use(realm, "dio")
    assert realm.config.hero == "dio-mini"


def test_the_active_hero_does_not_change_while_a_battle_starts(realm: Realm) -> None:
    with store.locked(realm.battle_lock), pytest.raises(LockedError):
        roster.use(realm, "dio")
    assert realm.config.hero == "dio-mini"


def test_the_commands_recruit_and_use(run: Run, realm: Realm, llama_folder: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(llama_folder, tmp_path / "bare"))
    (bare / "chat_template.jinja").unlink()
    recruited = run("hero", "recruit", str(bare), "--json")
    assert recruited.code == 0
    assert json.loads(recruited.out)["id"] == "bare"
    assert "warning: bare has no chat template" in recruited.err
    again = run("hero", "recruit", str(bare))
    assert (again.code, again.out) == (3, "")
    used = run("hero", "use", "bare")
    assert (used.code, used.out) == (0, "bare is the active hero (before: dio-mini)\n")
    assert Realm(realm.root).config.hero == "bare"
    assert run("hero", "use", "nobody").code == 4
