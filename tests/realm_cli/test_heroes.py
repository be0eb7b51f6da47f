from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realm_cli import embedded, heroes, modelfolder
from realm_cli.errors import FormatError, NotFoundError, RefusedError
from realm_cli.realm import Realm

Run = Callable[..., Any]

OFFLINE = {**os.environ, "HF_HUB_OFFLINE": "1"}


def write_hero(realm: Realm, hero: str, base_model: str, **more: str) -> Path:
    """A hero's file with only what must be there, and `more` lines."""
    lines = {"model_name": hero, "base_model": json.dumps(base_model), "max_length": "64", **more}
    realm.hero_file(hero).write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
    return realm.hero_file(hero)


def base_path_in_process(realm: Realm, hero: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """`heroes.base_path` where the Hub client sees this cache and no network."""
    code = (
        "import sys; from realm_cli.heroes import base_path; from realm_cli.realm import Realm; from realm_cli.errors import RealmError\n"
        "try: print(base_path(Realm(sys.argv[1]), sys.argv[2]))\n"
        "except RealmError as error: sys.exit(f'{error.message}\\n{error.hint}')"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(realm.root), hero],
        env={**OFFLINE, "HF_HOME": str(cache)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def hub_snapshot(cache: Path, hub_id: str) -> Path:
    """The folder of a snapshot in a Hugging Face cache, yet empty."""
    home = cache / "hub" / f"models--{hub_id.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("0" * 40)
    folder = home / "snapshots" / ("0" * 40)
    folder.parent.mkdir()
    return folder


def test_the_embedded_hero_is_made_on_demand_and_again_when_it_is_gone(realm: Realm) -> None:
    folder = heroes.base_path(realm, "dio-mini")
    assert folder == realm.models / "base" / "dio-mini"
    assert modelfolder.open_folder(folder).parameters == 631_872
    shutil.rmtree(folder)
    assert embedded.made_from(heroes.base_path(realm, "dio-mini")) == realm.hero("dio-mini").embedded


def test_the_embedded_hero_needs_neither_torch_nor_transformers(realm: Realm) -> None:
    code = (
        "import sys; from realm_cli.heroes import base_path; from realm_cli.realm import Realm\n"
        "assert not {'numpy', 'tokenizers', 'jinja2', 'huggingface_hub', 'ruamel'} & set(sys.modules)\n"
        "base_path(Realm(sys.argv[1]), 'dio-mini')\n"
        "assert not {'torch', 'transformers', 'tokenizers', 'huggingface_hub'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(realm.root)], check=True)


def test_a_folder_is_named_absolutely_or_from_the_realm(realm: Realm, llama_folder: Path) -> None:
    write_hero(realm, "outside", str(llama_folder))
    assert heroes.base_path(realm, "outside") == llama_folder
    inside = Path(shutil.copytree(llama_folder, realm.models / "base" / "inside"))
    write_hero(realm, "inside", "models/base/inside")
    assert heroes.base_path(realm, "inside") == inside


def test_a_folder_from_the_home_folder(realm: Realm, llama_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(llama_folder.parent))
    write_hero(realm, "mine", f"~/{llama_folder.name}")
    assert heroes.base_path(realm, "mine") == llama_folder


def test_a_missing_folder_is_named(realm: Realm) -> None:
    write_hero(realm, "lost", "./models/none")
    with pytest.raises(NotFoundError, match=r"there is no model folder .*/models/none"):
        heroes.base_path(realm, "lost")


def test_a_hub_model_that_cannot_be_had_says_what_to_do(realm: Realm, tmp_path: Path) -> None:
    write_hero(realm, "far", "acme/far")
    done = base_path_in_process(realm, "far", tmp_path / "cache")
    assert done.returncode == 1
    assert "model 'acme/far' is neither in this machine's Hugging Face cache nor could it be downloaded" in done.stderr
    assert "hf download acme/far" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hub_model_in_the_cache_is_used_without_the_network(realm: Realm, llama_folder: Path, tmp_path: Path) -> None:
    write_hero(realm, "near", "acme/near")
    snapshot = hub_snapshot(tmp_path / "cache", "acme/near")
    shutil.copytree(llama_folder, snapshot)
    assert base_path_in_process(realm, "near", tmp_path / "cache").stdout.strip() == str(snapshot)


def test_a_half_downloaded_hub_model_is_told_from_a_missing_one(
    realm: Realm, llama_folder: Path, tmp_path: Path
) -> None:
    write_hero(realm, "half", "acme/half")
    snapshot = hub_snapshot(tmp_path / "cache", "acme/half")
    snapshot.mkdir()
    shutil.copy(llama_folder / "config.json", snapshot)
    done = base_path_in_process(realm, "half", tmp_path / "cache")
    # The client itself counts the snapshot as whole, as it does not know its list of files.
    assert f"{snapshot}: model.safetensors is missing" in done.stderr


def test_embedded_settings_that_no_longer_fit_the_checkpoints_are_refused(realm: Realm) -> None:
    heroes.base_path(realm, "dio-mini")
    (realm.hero_folder("dio-mini") / "checkpoint-10-20260101-1200").mkdir(parents=True)
    path = realm.hero_file("dio-mini")
    path.write_text(path.read_text().replace("seed: 0", "seed: 5"))
    with pytest.raises(RefusedError, match="seed: 0 then, 5 now"):
        heroes.base_path(realm, "dio-mini")


def test_an_embedded_hero_with_another_base_model_contradicts_itself(realm: Realm, llama_folder: Path) -> None:
    write_hero(realm, "twofold", str(llama_folder), embedded="{}")
    with pytest.raises(FormatError, match=r"twofold.yaml: base_model: .* contradicts the section"):
        heroes.base_path(realm, "twofold")


def test_the_list_shows_every_hero_and_makes_or_downloads_nothing(realm: Realm, llama_folder: Path) -> None:
    write_hero(realm, "llama", str(llama_folder), title="Foreigner")
    write_hero(realm, "lost", "/nowhere")
    realm.hero_file("bad").write_text("model_name: bad\nbase_modle: x\n")
    for name in ("checkpoint-900-20260101-1200", "checkpoint-1000-20260102-1200", "notes"):
        (realm.hero_folder("llama") / name).mkdir(parents=True)
    shutil.rmtree(realm.base_folder("dio-mini"))
    rows = {row["id"]: row for row in heroes.list_heroes(realm)}
    assert sorted(rows) == ["bad", "dio", "dio-mini", "llama", "lost"]
    assert [hero for hero, row in rows.items() if row["active"]] == ["dio-mini"]
    assert rows["dio-mini"]["parameters"] is None
    assert not realm.base_folder("dio-mini").exists()
    llama = rows["llama"]
    assert (llama["title"], llama["step"], llama["parameters"], llama["error"]) == ("Foreigner", 1000, 920, "")
    assert llama["recipe"]["batch_samples"] == 16
    assert "there is no model folder /nowhere" in rows["lost"]["error"]
    assert "bad.yaml:2: unknown key 'base_modle'" in rows["bad"]["error"]
    assert rows["bad"].keys() == llama.keys()


def test_show_tells_all_of_one_hero(realm: Realm, llama_folder: Path) -> None:
    write_hero(realm, "llama", str(llama_folder))
    shown = heroes.show(realm, "llama")
    assert shown["base_path"] == str(llama_folder)
    assert (shown["architecture"], shown["chat_template"], shown["checkpoints"]) == ("LlamaForCausalLM", True, 0)
    with pytest.raises(NotFoundError, match="there is no hero 'lama'"):
        heroes.show(realm, "lama")


def test_the_commands_list_and_show_heroes(run: Run) -> None:
    shown = run("hero", "show", "--json")
    assert (shown.code, json.loads(shown.out)["parameters"]) == (0, 631_872)
    listed = run("hero", "list")
    assert listed.code == 0
    assert "*   dio-mini" in listed.out
    assert "0.63 M" in listed.out
    assert json.loads(run("hero", "list", "--json").out)[1]["id"] == "dio-mini"
    missing = run("hero", "show", "dio-mimi")
    assert (missing.code, "did you mean 'dio-mini'?" in missing.err) == (4, True)
