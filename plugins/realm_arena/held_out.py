"""The fixed held-out set behind `val_loss`: rows that are never trained, the same at every checkpoint."""

from __future__ import annotations

import logging

import numpy as np

from realm_arena.packing import MicroBatch
from realm_arena.quest_data import Hero
from realm_arena.trainer import Trainer
from realm_cli import datafiles

log = logging.getLogger("realm.arena")
MOST_SAMPLES = 512
"""A fixed cost at every checkpoint; the first so many rows of the file are used."""


class HeldOut:
    """The held-out samples, ready as micro-batches."""

    def __init__(self, batches: list[MicroBatch]) -> None:
        self.batches = batches

    @classmethod
    def load(cls, hero: Hero, packed: bool) -> HeldOut | None:
        """The set named by `training.held_out`; None, said in the log, where that file does not exist."""
        path = hero.realm.path(hero.realm.config.training.held_out)
        if not path.is_file():
            log.info("no held-out set at %s, so val_loss stays empty", path)
            return None
        view = hero.tokens_of(path, datafiles.content_hash(path))
        return cls(hero.batches(view, np.arange(min(len(view), MOST_SAMPLES)), packed))

    def loss(self, trainer: Trainer) -> float | None:
        """Mean loss over the set."""
        return trainer.evaluate(self.batches)
