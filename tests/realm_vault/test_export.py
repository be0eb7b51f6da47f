"""An export is what other tools open, with a card that says what it is made from."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import zstandard

from helpers import BattleProcess, Ran, rows, write_rows
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm
from realm_vault_boxes import HERO, Box, content, make_checkpoint

Vault = Callable[..., Ran]

OPEN = """
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
print(model(**tokenizer("2+2", return_tensors="pt")).logits.shape[0])
"""


def test_a_trained_checkpoint_is_exported_and_opened_by_transformers(
    realm: Realm, vault: Vault, tmp_path: Path, battle: Callable[..., BattleProcess]
) -> None:
    write_rows(realm.inbox / "my first rows.jsonl", rows(40))
    assert battle("--until-empty").process.wait(timeout=120) == 0
    record = Ledger(realm).get_latest()
    folder, packed = tmp_path / "out" / "hero", tmp_path / "out" / "hero.tar.zst"

    done = vault("export", f"checkpoint_{record.step}", folder)
    assert (done.code, done.out) == (0, f"{folder}\n"), done.err
    assert vault("export", f"checkpoint_{record.step}", packed).code == 0

    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\n")
    assert record.weights_sha256 in card
    assert record.quests[0].sha256 in card
    assert "| my_first_rows.jsonl | 40 |" in card
    assert "None was made of this checkpoint." in card
    assert not (folder / "optimizer.safetensors").exists()
    opened = subprocess.run([sys.executable, "-c", OPEN, folder], capture_output=True, text=True)
    assert opened.stdout == "1\n", opened.stderr
    with tarfile.open(
        fileobj=io.BytesIO(zstandard.ZstdDecompressor().stream_reader(packed.read_bytes()).read())
    ) as archive:
        members = {member.name: member for member in archive if member.isfile()}
        assert set(members) == {f"hero/{name}" for name in content(folder)}
        weights = archive.extractfile(members["hero/model.safetensors"])
        assert weights is not None
        assert weights.read() == (folder / "model.safetensors").read_bytes()


def test_one_that_lies_elsewhere_is_fetched_first(realm: Realm, vault: Vault, tmp_path: Path) -> None:
    folder = make_checkpoint(realm, 1)
    assert vault("push", "--zone", "far").err == ""
    shutil.rmtree(folder)
    assert vault("scan", "--zone", "local").code == 0

    assert vault("export", "checkpoint_1", tmp_path / "out").code == 0

    assert (tmp_path / "out" / "part 0.safetensors").read_bytes() == (folder / "part 0.safetensors").read_bytes()


def test_nothing_is_written_over_and_nothing_half_stays(realm: Realm, box: Box, vault: Vault, tmp_path: Path) -> None:
    folder = make_checkpoint(realm, 1)
    (tmp_path / "there").mkdir()
    assert vault("export", "checkpoint_1", tmp_path / "there").code == 3
    assert vault("export", "checkpoint_1", tmp_path / "x.tar.gz").code == 2
    assert vault("export", "model_dio-mini", tmp_path / "x").code == 2
    weights = folder / "part 0.safetensors"
    weights.write_bytes(bytes(len(weights.read_bytes())))
    before = sorted(path.name for path in tmp_path.iterdir())

    done = vault("export", f"checkpoint_{HERO}_1", tmp_path / "broken")

    assert done.code == 1
    assert "part 0.safetensors has changed" in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == before
