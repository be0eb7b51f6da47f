"""The inference back end `local`: one exact checkpoint of this machine, loaded with transformers and checked by its hash."""

from __future__ import annotations

from pathlib import Path

import torch

from realm_arena import machine
from realm_arena import model as models
from realm_arena.generating import ModelGenerator
from realm_arena.quest_data import Hero
from realm_cli import heroes, weights
from realm_cli.errors import FormatError, NotFoundError
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm


class LocalBackend:
    """Opens checkpoints in this process."""

    def open(self, realm: Realm, hero: str, step: int) -> ModelGenerator:
        """The checkpoint of `step`, 0 = the base model. Its weights are hashed and compared with the ledger's word."""
        config = realm.hero(hero)
        mine = Hero(realm, hero, config, heroes.base_path(realm, hero))
        folder, expected = _find(mine, step)
        found = weights.weights_sha256(folder)
        if expected and found != expected:
            problem = "its weights are not those of the ledger's record, so it is not loaded"
            raise FormatError(str(folder), problem, "fetch or train it again")
        device = machine.pick_device(realm.config.training.device)
        torch.set_num_threads(realm.config.training.threads or machine.default_threads())
        model = models.load(folder, device, gradient_checkpointing=False)
        model.eval()
        return ModelGenerator(model, mine.tokenizer, hero, step, found, config.recipe.precision)


def _find(hero: Hero, step: int) -> tuple[Path, str]:
    """(folder, weights hash that it has to have; empty for the base model, which has no record)."""
    if step == 0:
        return hero.base, ""
    ledger = Ledger(hero.realm, hero.id)
    record = ledger.get(step)
    folder = ledger.path_of(record)
    if folder is None:
        raise NotFoundError(f"checkpoint {record.canonical_name} of {hero.id} is not on this machine")
    return folder, record.weights_sha256
