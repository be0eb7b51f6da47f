from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from realm_cli import modelfolder
from realm_cli.errors import FormatError, NotFoundError


@pytest.fixture
def copy(llama_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llama_folder, tmp_path / "copy"))


def change_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def test_a_whole_folder_is_opened_with_its_facts(llama_folder: Path) -> None:
    model = modelfolder.open_folder(llama_folder)
    assert (model.architecture, model.max_positions) == ("LlamaForCausalLM", 64)
    assert model.parameters == 2 * 16 * 8 + 4 * 8 * 8 + 3 * 8 * 16 + 3 * 8
    assert model.size == sum(path.stat().st_size for path in llama_folder.iterdir())
    assert model.chat_template is not None
    assert "[{{ m['role'] }}]" in model.chat_template


def test_a_tied_output_layer_counts_once(copy: Path) -> None:
    change_config(copy, tie_word_embeddings=True)
    assert modelfolder.open_folder(copy).parameters == 16 * 8 + 4 * 8 * 8 + 3 * 8 * 16 + 3 * 8


def test_the_template_is_found_in_either_place(copy: Path) -> None:
    (copy / "chat_template.jinja").unlink()
    assert modelfolder.open_folder(copy).chat_template is None
    place = copy / "tokenizer_config.json"
    config = json.loads(place.read_text())
    place.write_text(json.dumps({**config, "chat_template": "one"}))
    assert modelfolder.open_folder(copy).chat_template == "one"
    named = [{"name": "tool_use", "template": "two"}, {"name": "default", "template": "three"}]
    place.write_text(json.dumps({**config, "chat_template": named}))
    assert modelfolder.open_folder(copy).chat_template == "three"


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def half_sharded(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / modelfolder.INDEX).write_text(json.dumps({"weight_map": shards}))


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), r"copy: config.json is missing"),
        (lambda folder: (folder / "config.json").write_text("{"), r"config.json: not valid JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), r"config.json: expected an object, found list"),
        (lambda folder: change_config(folder, model_type=None), r"model_type is missing"),
        (lambda folder: change_config(folder, architectures=["BertModel"]), r"BertModel is not a causal"),
        (lambda folder: change_config(folder, architectures=None, model_type="bert"), r"bert is not a causal"),
        (lambda folder: change_config(folder, model_type="odd", auto_map={}), r"needs Python code"),
        (lambda folder: (folder / "tokenizer.json").unlink(), r"copy: tokenizer.json is missing"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"copy: model.safetensors is missing"),
        (lambda folder: cut_off(folder / "model.safetensors"), r"model.safetensors: cut off"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), r"not a safetensors file"),
        (pickled, r"only in pytorch_model.bin; loading it would unpickle"),
        (half_sharded, r"names model-00002-of-00002.safetensors, which is missing"),
    ],
)
def test_a_flaw_is_named(break_it: Callable[[Path], object], message: str, copy: Path) -> None:
    break_it(copy)
    with pytest.raises(FormatError, match=message):
        modelfolder.open_folder(copy)


def test_a_config_without_architectures_is_judged_by_its_type(copy: Path) -> None:
    change_config(copy, architectures=None)
    assert modelfolder.open_folder(copy).architecture == "llama"


def test_an_existing_folder_wins_over_a_hub_id(llama_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(llama_folder, tmp_path / "Qwen" / "Qwen3-0.6B")
    assert modelfolder.locate("Qwen/Qwen3-0.6B", [tmp_path]).path == tmp_path / "Qwen" / "Qwen3-0.6B"


def test_what_is_neither_folder_nor_hub_id_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"there is no model folder .*gpt2, and 'gpt2' is no Hub id"):
        modelfolder.locate("gpt2", [tmp_path])
    with pytest.raises(NotFoundError, match="no model folder /nowhere/model"):
        modelfolder.locate("/nowhere/model", [tmp_path])


def test_a_file_is_no_model_folder(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(FormatError, match="a file, not a model folder"):
        modelfolder.locate("model.gguf", [tmp_path])
