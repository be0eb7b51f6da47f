"""Samples into rows without cross-talk: position ids restart at every sample, and only predicted tokens reach the head.

Transformers reads restarting position ids as borders that attention does not cross (masking_utils,
find_packed_sequence_indices), for full and sliding attention alike.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from realm_arena.tokens import TokenView


@dataclass(frozen=True)
class MicroBatch:
    """What one forward pass gets; arrays of shape (rows, width) unless said."""

    ids: np.ndarray
    positions: np.ndarray
    predicting: np.ndarray
    """Flat indices, shape (targets,): positions whose next token is trained."""
    targets: np.ndarray
    """Shape (targets,): those next tokens."""


def fill_rows(lengths: Sequence[int], row_tokens: int, packed: bool) -> list[list[int]]:
    """Distribute samples over as few balanced rows as `row_tokens` asks for; every list holds positions in `lengths`.

    Longest first into the emptiest row: rows come out nearly equal, so hardly any padding is computed.
    """
    if not packed:
        return [[index] for index in range(len(lengths))]
    count = max(1, -(-sum(lengths) // row_tokens))
    rows: list[list[int]] = [[] for _ in range(min(count, len(lengths)))]
    heap = [(0, number) for number in range(len(rows))]
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        fill, number = heapq.heappop(heap)
        rows[number].append(index)
        heapq.heappush(heap, (fill + lengths[index], number))
    return [sorted(row) for row in rows if row]


def group_rows(widths: Sequence[int], micro_batch_tokens: int) -> list[list[int]]:
    """Rows into micro-batches whose padded size stays within `micro_batch_tokens`; similar widths come together."""
    groups: list[list[int]] = []
    for index in sorted(range(len(widths)), key=lambda i: (-widths[i], i)):
        # Widths fall, so the first row of a group is its widest.
        if groups and widths[groups[-1][0]] * (len(groups[-1]) + 1) <= micro_batch_tokens:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def micro_batches(
    view: TokenView, samples: np.ndarray, *, row_tokens: int, micro_batch_tokens: int, packed: bool, pad_id: int
) -> list[MicroBatch]:
    """One step's samples as micro-batches; deterministic."""
    pieces = [view.sample(int(index)) for index in samples]
    lengths = [len(ids) for ids, _ in pieces]
    rows = fill_rows(lengths, row_tokens, packed)
    widths = [sum(lengths[index] for index in row) for row in rows]
    return [
        _collate([[pieces[index] for index in rows[row]] for row in group], pad_id)
        for group in group_rows(widths, micro_batch_tokens)
    ]


def _collate(rows: list[list[tuple[np.ndarray, np.ndarray]]], pad_id: int) -> MicroBatch:
    width = max(sum(len(ids) for ids, _ in row) for row in rows)
    ids = np.full((len(rows), width), pad_id, dtype=np.int64)
    positions = np.zeros((len(rows), width), dtype=np.int64)
    trained = np.zeros((len(rows), width), dtype=bool)
    for number, row in enumerate(rows):
        start = 0
        for sample_ids, sample_trained in row:
            end = start + len(sample_ids)
            ids[number, start:end] = sample_ids
            positions[number, start:end] = np.arange(end - start)
            # The first token of a sample has nothing before it that could predict it.
            trained[number, start + 1 : end] = sample_trained[1:]
            start = end
        # Padding is a sequence of its own: nothing attends to it, and no row of the mask is empty.
        positions[number, start:] = np.arange(width - start)
    target_places = np.flatnonzero(trained)
    return MicroBatch(ids, positions, target_places - 1, ids.reshape(-1)[target_places])
