"""Fixtures of the arena's tests of data: a tokenizer that knows the tokens of all templates, inspection."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realm_arena_chats import CORPUS, SPECIAL, TEMPLATES, Inspect
from realm_cli import datafiles, gatekeeper
from realm_cli.config import Depth
from realm_cli.errors import FormatError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import InspectionRecord


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`tokenizer_folder("chatml")`: a folder with a byte-level BPE tokenizer and that template, as on the Hub."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS * 20, trainer)
    tokenizer.add_tokens(["<think>", "</think>"])
    # As in Llama 3: the offsets of tokens are trimmed, and a bos token is put before every text.
    bos = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", bos)]),
        ]
    )
    text = tokenizer.to_str()

    def make(template: str | None, **config: Any) -> Path:
        folder = tmp_path_factory.mktemp("tokenizer")
        (folder / "tokenizer.json").write_text(text)
        names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
        settings = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            **names,
            "clean_up_tokenization_spaces": False,
            **config,
        }
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        if template is not None:
            (folder / "chat_template.jinja").write_text(TEMPLATES.get(template, template))
        return folder

    return make


@pytest.fixture
def inspect(realm: Realm) -> Inspect:
    """`inspect(path, "deep")`: the report of the inspectors up to that depth; with a quest id they leave by-products."""
    manager = Manager.of(realm)

    def call(path: Path, depth: Depth = "quick", quest: str = "") -> InspectionRecord:
        try:
            sha256 = datafiles.content_hash(path)
        except FormatError:  # a damaged file is named by the inspector
            sha256 = "0" * 64
        return gatekeeper.inspect(realm, manager, path, sha256, depth, quest)

    return call
