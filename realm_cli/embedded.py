"""Embedded models: a hero's step 0 made on the spot from its settings, with neither torch nor transformers nor a download.

The folder has the Hugging Face layout, so that `from_pretrained` opens it. `embedded.json` in it tells the settings it
was made from; the same settings give the same bytes on every machine.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from realm_cli import store
from realm_cli.config import EmbeddedModel
from realm_cli.embedded_tokenizer import CHAT_TEMPLATE, END, PAD, token_ids, tokenizer_config, tokenizer_json
from realm_cli.errors import FormatError, RefusedError, StorageError, UsageError
from realm_cli.records import Record

log = logging.getLogger("realm.embedded")

MARK = "embedded.json"
FILES = (
    "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    "chat_template.jinja", MARK,
)  # fmt: skip

MAX_POSITIONS = 32768
"""What the model allows; rotary positions cost no weights. A hero's `max_length` is what is trained."""

VOCABULARY_STEP = 64
"""The vocabulary is padded to a multiple of this: matrix kernels like round sizes, and the rows cost little."""


class EmbeddedRecord(Record, frozen=True, kw_only=True):
    """The settings that an embedded model was made from."""

    kind: ClassVar[str] = "embedded"

    settings: dict[str, Any]


def flaw(model: EmbeddedModel) -> tuple[str, str] | None:
    """The key and the reason why no model can be made of these settings; None when one can."""
    if model.heads % model.kv_heads:
        return "kv_heads", f"{model.heads} heads cannot be shared evenly by {model.kv_heads} kv_heads"
    if model.head_size % 2:
        return "head_size", f"{model.head_size} is odd; rotary positions turn pairs"
    if "" in model.words:
        return "words", "an empty word"
    return None


def vocabulary_size(words: list[str]) -> int:
    """Rows of the embedding: all tokens, padded."""
    return -(-len(token_ids(words)) // VOCABULARY_STEP) * VOCABULARY_STEP


def made_from(folder: Path) -> EmbeddedModel | None:
    """The settings of the complete model in `folder`; None when there is none, or its mark is damaged (it is derived)."""
    if not all((folder / name).is_file() for name in FILES):
        return None
    try:
        record = store.read_record(folder / MARK, EmbeddedRecord)
        return msgspec.convert(record.settings, EmbeddedModel)
    except FormatError as error:
        if "newer Realm" in error.problem:
            raise
        log.error("%s; the model will be made again from its settings", error.message)
    except msgspec.ValidationError as error:
        log.error("%s: %s; the model will be made again from its settings", folder / MARK, error)
    return None


def ensure(folder: Path, model: EmbeddedModel, *, frozen: bool) -> None:
    """Make the model in `folder` where it is missing or was made from other settings.

    A `frozen` one, from which checkpoints descend, is never replaced by a different one.
    """
    if made_from(folder) == model:
        return
    with store.locked(folder.with_name(f".{folder.name}.lock")):
        present = made_from(folder)
        if present == model:
            return
        if frozen and present is not None:
            raise RefusedError(
                f"{folder} was made from other settings than the hero's `embedded:` has now ({_difference(present, model)}), "
                "and the hero has checkpoints that descend from it",
                "put the settings back; to go on with the new ones: realm config set … --approve",
            )
        _build(folder, model)


def remake(folder: Path, model: EmbeddedModel) -> None:
    """Replace the model in `folder` by the one of these settings."""
    with store.locked(folder.with_name(f".{folder.name}.lock")):
        _build(folder, model)


def _difference(old: EmbeddedModel, new: EmbeddedModel) -> str:
    before, after = msgspec.to_builtins(old), msgspec.to_builtins(new)
    return ", ".join(f"{key}: {before[key]} then, {after[key]} now" for key in before if before[key] != after[key])


def _build(folder: Path, model: EmbeddedModel) -> None:
    """Write everything beside and rename it into place, so that the folder is complete or absent."""
    broken = flaw(model)
    if broken:
        raise UsageError(
            f"no model can be made of `embedded:`: {broken[0]}: {broken[1]}", "change it in the hero's YAML"
        )
    new, old = (folder.with_name(f".{folder.name}.{word}") for word in ("new", "old"))
    for rest in (new, old):
        shutil.rmtree(rest, ignore_errors=True)
    try:
        new.mkdir()
        for name, data in _contents(model).items():
            store.write_atomic(new / name, data, durable=True)
        if folder.exists():
            os.rename(folder, old)
        os.rename(new, folder)
        store.sync_folder(folder.parent)
    except OSError as error:
        raise StorageError("make the model in", folder, error) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _contents(model: EmbeddedModel) -> Mapping[str, bytes]:
    """All files of the model."""
    from realm_cli.embedded_weights import weights_file

    ids = token_ids(model.words)
    ends = {"bos_token_id": None, "eos_token_id": ids[END], "pad_token_id": ids[PAD]}
    size = vocabulary_size(model.words)
    return {
        "config.json": store.to_json({**_architecture(model), "vocab_size": size, **ends}),
        "generation_config.json": store.to_json({"_from_model_config": False, "do_sample": False, **ends}),
        "model.safetensors": weights_file(model, size),
        "tokenizer.json": store.to_json(tokenizer_json(model.words)),
        "tokenizer_config.json": store.to_json(tokenizer_config(MAX_POSITIONS)),
        "chat_template.jinja": CHAT_TEMPLATE.encode(),
        MARK: store.to_json(EmbeddedRecord(settings=msgspec.to_builtins(model)).to_dict()),
    }


def _architecture(model: EmbeddedModel) -> dict[str, Any]:
    """The shape, in the words of transformers' Qwen3Config."""
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "dtype": "float32",
        "hidden_size": model.hidden_size,
        "intermediate_size": model.intermediate_size,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "num_key_value_heads": model.kv_heads,
        "head_dim": model.head_size,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "initializer_range": model.initializer_range,
        "max_position_embeddings": MAX_POSITIONS,
        "rope_parameters": {"rope_type": "default", "rope_theta": model.rope_theta},
        "attention_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": True,
        "use_cache": True,
    }
