"""Continuous decoding: a batch that prompts join and rows leave between two tokens. Token ids in, token ids out.

New prompts are computed together, then their keys and values are set beside those of the running rows: the shorter side
is padded on the left, so that the newest token of every row stands in the last column. What no row needs any more is
cut off on the left. Knows no text, no templates, no files.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from realm_arena import decoding

_MERGEABLE = ("DynamicLayer", "DynamicSlidingWindowLayer")
"""Kinds of cache layers whose columns are tokens and nothing else."""

Ended = Callable[[list[int]], bool]
"""Whether a reply ends with the tokens it has, beside its room."""


@dataclass
class Row:
    """One prompt and its reply so far."""

    ticket: int
    prompt: Sequence[int]
    room: int
    """Most tokens of the reply."""
    ended: Ended
    pick: Callable[[torch.Tensor], int] | None = None
    """The next token from the logits, for anything but greedy decoding."""
    bend: decoding.Bend | None = None
    ids: list[int] = field(default_factory=list)
    is_open: bool = True

    def take(self, token: int) -> None:
        """Note the next token."""
        self.ids.append(token)
        self.is_open = len(self.ids) < self.room and not self.ended(self.ids)

    @property
    def length(self) -> int:
        """Tokens that the reply may need together with its prompt."""
        return len(self.prompt) + self.room


class Batch:
    """The rows that are decoded together, and those that wait for room."""

    def __init__(self, model: nn.Module, pad_id: int) -> None:
        signature = inspect.signature(model.forward).parameters
        chunked = getattr(model.config.get_text_config(), "attention_chunk_size", None)
        self._model = model
        self._pad_id = pad_id
        self._last: dict[str, Any] = {"logits_to_keep": 1} if "logits_to_keep" in signature else {}
        self._budget = decoding.token_budget(model)
        self._anew = not decoding.runs_by_attention(model) or bool(chunked)
        self._waiting: list[Row] = []
        self._rows: list[Row] = []
        self._cache: Any = None
        self._mask = torch.empty(0)
        """1 where a column of the cache holds a token of the row."""
        self._positions = torch.empty(0)
        """Position of each row's last token in the cache."""

    def __len__(self) -> int:
        return len(self._waiting) + len(self._rows)

    @property
    def has_room(self) -> bool:
        """Whether all that wait can join at the next step, and perhaps one more."""
        if len(self) >= decoding.BATCH_ROWS:
            return False
        return not self._waiting or self._fit([*self._rows, *self._waiting])

    def _fit(self, rows: Sequence[Row]) -> bool:
        """Whether these rows can be decoded together; a single one always."""
        few = len(rows) <= decoding.BATCH_ROWS and len(rows) * max(row.length for row in rows) <= self._budget
        return few or len(rows) == 1

    def add(self, row: Row) -> None:
        """Let a row join at the next step, or when there is room."""
        self._waiting.append(row)

    @torch.inference_mode()
    def drop(self, ticket: int) -> None:
        """Let a row leave; nothing happens when it has left."""
        self._waiting = [row for row in self._waiting if row.ticket != ticket]
        self._leave(row for row in self._rows if row.ticket == ticket)

    @torch.inference_mode()
    def step(self) -> list[Row]:
        """One more token for every row that has room in the batch; these rows. Those that ended have left."""
        joining = self._admitted()
        if self._anew:
            self._rows += joining
            self._step_anew()
            stepped = list(self._rows)
        else:
            self._step_running()
            stepped = [*self._rows, *joining]
            self._leave(row for row in self._rows if not row.is_open)
            self._join(joining)
        self._leave(row for row in self._rows if not row.is_open)
        return stepped

    def _admitted(self) -> list[Row]:
        """Take from those that wait as many as there is room for, in their order; one at least when none runs."""
        taken: list[Row] = []
        while self._waiting and self._fit([*self._rows, *taken, self._waiting[0]]):
            taken.append(self._waiting.pop(0))
        return taken

    # -- with kept keys and values -------------------------------------------------------------------------------

    def _step_running(self) -> None:
        if not self._rows:
            return
        self._mask = torch.cat([self._mask, self._mask.new_ones((len(self._mask), 1))], dim=1)
        self._positions = self._positions + 1
        newest = torch.tensor([[row.ids[-1]] for row in self._rows], device=self._mask.device)
        out = self._forward(newest, self._mask, self._positions, self._cache)
        _take(self._rows, out.logits)

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any) -> Any:
        return self._model(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True,
            **self._last,
        )  # fmt: skip

    def _join(self, joining: list[Row]) -> None:
        """Compute new prompts, take their first tokens, and set what goes on beside the running rows."""
        if not joining:
            return
        device = next(self._model.parameters()).device
        ids, mask = decoding.left_padded([row.prompt for row in joining], self._pad_id, device)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        out = self._forward(ids, mask, positions, None)
        _take(joining, out.logits)
        cache, positions = out.past_key_values, positions[:, -1:]
        if not all(type(layer).__name__ in _MERGEABLE for layer in cache.layers):
            self._rows += joining
            self._anew, self._cache = True, None
            return
        if self._rows:
            width = max(mask.shape[1], self._mask.shape[1])
            _merge(self._cache, cache, width)
            self._mask = torch.cat([_wider(self._mask, width), _wider(mask, width)])
            self._positions = torch.cat([self._positions, positions])
        else:
            self._cache, self._mask, self._positions = cache, mask, positions
        self._rows += joining

    def _leave(self, rows: Iterable[Row]) -> None:
        leaving = {row.ticket for row in rows}
        if not leaving:
            return
        kept = [number for number, row in enumerate(self._rows) if row.ticket not in leaving]
        self._rows = [self._rows[number] for number in kept]
        if not self._rows:
            self._cache = None
        elif not self._anew:
            chosen = torch.tensor(kept, device=self._mask.device)
            self._cache.batch_select_indices(chosen)
            self._mask, self._positions = self._mask[chosen], self._positions[chosen]
            self._cut()

    def _cut(self) -> None:
        """Give up the columns on the left that hold no row's token."""
        width = int(self._positions.max()) + 1
        if width < self._mask.shape[1]:
            self._mask = self._mask[:, -width:]
            for layer in self._cache.layers:
                kept = min(width, layer.keys.shape[-2])
                layer.keys, layer.values = layer.keys[..., -kept:, :], layer.values[..., -kept:, :]
                _set_length(layer, width)

    # -- without -------------------------------------------------------------------------------------------------

    def _step_anew(self) -> None:
        """For models whose state padding would disturb: rows of one length together, all computed again."""
        device = next(self._model.parameters()).device
        lengths: dict[int, list[Row]] = {}
        for row in self._rows:
            lengths.setdefault(len(row.prompt) + len(row.ids), []).append(row)
        for rows in lengths.values():
            ids = torch.tensor([[*row.prompt, *row.ids] for row in rows], device=device)
            _take(rows, self._model(input_ids=ids, use_cache=False).logits)


def _take(rows: list[Row], logits: torch.Tensor) -> None:
    last = logits[:, -1].float()
    for row, of_row in zip(rows, last, strict=True):
        if row.bend is not None:
            row.bend(row.ids, of_row)
    for number, best in enumerate(last.argmax(dim=-1).tolist()):
        pick = rows[number].pick
        rows[number].take(pick(last[number]) if pick else int(best))


def _merge(cache: Any, other: Any, width: int) -> None:
    """Set the rows of `other` below those of `cache`; both end in the last column of `width`."""
    for layer, added in zip(cache.layers, other.layers, strict=True):
        columns = max(layer.keys.shape[-2], added.keys.shape[-2])
        layer.keys = torch.cat([_wider(layer.keys, columns, -2), _wider(added.keys, columns, -2)])
        layer.values = torch.cat([_wider(layer.values, columns, -2), _wider(added.values, columns, -2)])
        _set_length(layer, width)


def _set_length(layer: Any, width: int) -> None:
    """A layer with a sliding window keeps its last columns, and counts all that there were."""
    if hasattr(layer, "cumulative_length"):
        layer.cumulative_length = width


def _wider(tensor: torch.Tensor, columns: int, dim: int = -1) -> torch.Tensor:
    """Zeros on the left up to so many columns."""
    missing = columns - tensor.shape[dim]
    if not missing:
        return tensor
    shape = list(tensor.shape)
    shape[dim] = missing
    return torch.cat([tensor.new_zeros(shape), tensor], dim=dim)
