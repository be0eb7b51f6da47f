"""Which samples a step trains. The order of a quest depends on its hash and the epoch alone; a step takes the next ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from realm_cli.checkpoint_records import Cursor
from realm_cli.config import Recipe

Indices = np.ndarray


@dataclass(frozen=True)
class Step:
    """One optimizer step's samples, and where the quest stands after it."""

    samples: Indices
    """Indices into the quest's tokens, in training order."""
    after: Cursor


def sample_order(sha256: str, epoch: int, count: int) -> Indices:
    """A permutation of `range(count)`, the same on every machine for the same quest and epoch."""
    seed = hashlib.sha256(f"{sha256}/{epoch}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(seed[:16], "big"))).permutation(count)


def steps(sha256: str, lengths: np.ndarray, cursor: Cursor, recipe: Recipe) -> Iterator[Step]:
    """The steps that remain from `cursor`: up to `batch_samples` samples and `batch_tokens` tokens each.

    A step always takes a contiguous piece of the order, so a cursor stays exact when the recipe changes in between.
    """
    count = len(lengths)
    for epoch in range(cursor.epoch, recipe.epochs):
        order = sample_order(sha256, epoch, count)
        position = cursor.samples if epoch == cursor.epoch else 0
        while position < count:
            window = order[position : position + recipe.batch_samples]
            fitting = int(np.searchsorted(np.cumsum(lengths[window]), recipe.batch_tokens, side="right"))
            window = window[: max(1, fitting)]
            position += len(window)
            yield Step(window, Cursor(quest=cursor.quest, number=cursor.number, epoch=epoch, samples=position))


def samples_done(cursor: Cursor, count: int) -> int:
    """Samples behind the cursor over all epochs."""
    return cursor.epoch * count + cursor.samples
