"""The inference back end `transformers`: one exact checkpoint of this machine, loaded with transformers and checked by its hash."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from realm_arena import machine
from realm_arena import model as models
from realm_arena.encoding import HeroTokenizer
from realm_arena.generating import ModelGenerator
from realm_cli import checkpoints, heroes, profiles, store, weights
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.errors import FormatError, RealmError
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm

AGAIN = "fetch or train it again"


class TransformersBackend:
    """Opens checkpoints in this process."""

    def open(self, realm: Realm, hero: str, step: int) -> ModelGenerator:
        """The checkpoint of `step`, 0 = the base model. Its weights are hashed and compared with the ledger's word."""
        config = realm.hero(hero)
        if step == 0:
            folder, expected, profile = heroes.base_path(realm, hero), "", profiles.of_hero(realm, hero)
            template = realm.path(config.chat_template) if config.chat_template else None
        else:
            record, folder = _find(Ledger(realm, hero), step)
            # A checkpoint brings the template and the profile that it was trained with; the hero's may be others by now.
            expected, template, profile = record.weights_sha256, None, profiles.of_record(realm, record)
        found = weights.weights_sha256(folder)
        if expected and found != expected:
            problem = "its weights are not those of the ledger's record, so it is not loaded"
            raise FormatError(str(folder), problem, AGAIN)
        tokenizer = HeroTokenizer.load(folder, template)
        device = machine.pick_device(realm.config.training.device)
        torch.set_num_threads(realm.config.training.threads or machine.default_threads())
        model = _load(folder, device)
        return ModelGenerator(model, tokenizer, hero, step, found, config.recipe.precision, profile)


def _load(folder: Path, device: torch.device) -> nn.Module:
    try:
        return models.load(folder, device, gradient_checkpointing=False).eval()
    except (MemoryError, RuntimeError) as error:
        if not machine.is_out_of_memory(error):
            raise
        raise RealmError(f"out of memory while loading {folder}", "end or unload something, then try again") from None


def _find(ledger: Ledger, step: int) -> tuple[LedgerRecord, Path]:
    """(what is known of it, its folder). Its small files decide what the weights mean, so they are hashed."""
    record, folder = ledger.here(step)
    for name, facts in checkpoints.open_checkpoint(folder).manifest.files.items():
        if not name.endswith(".safetensors") and store.sha256_file(folder / name) != facts.sha256:
            raise FormatError(str(folder / name), "changed since the checkpoint was saved, so it is not loaded", AGAIN)
    return record, folder
