"""Autoregressive decoding in batches: token ids in, generated token ids out. Knows no text, no templates, no files.

Prompts are sorted by length and padded on the left, the keys and values of earlier tokens are kept, and rows that have
ended leave the batch, so that a few long replies do not make all the others be computed on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

BATCH_ROWS = 128
BATCH_TOKENS = 65_536
"""Most tokens of a batch, prompts and replies with their padding."""
CACHE_BYTES = 2 << 30
"""Most memory of a batch's keys and values: a model of 0.6 billion parameters keeps over 200 KB a token."""
SHRINK_BELOW = 0.75
"""Rows that ended are dropped once fewer than this share of the batch is left: dropping copies the cache."""

Pick = Callable[[int, torch.Tensor], int]
"""(number of the prompt, its logits) → the next token, for anything but greedy decoding."""
Ended = Callable[[int, list[int]], bool]
"""(number of the prompt, its generated tokens) → whether to end here, beside the end tokens."""
Bend = Callable[[list[int], torch.Tensor], None]
"""Changes the logits of a row in place, by its generated tokens, before the next one is chosen."""


@dataclass(frozen=True)
class Limits:
    """When a reply ends, and what pads."""

    max_tokens: int
    end_ids: frozenset[int]
    pad_id: int
    context: int | None = None
    """Most tokens of a prompt with its reply; None where the model has no such limit. A prompt has to be shorter."""


@torch.inference_mode()
def decode(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    limits: Limits,
    pick: Pick | None = None,
    ended: Ended | None = None,
    bends: Sequence[Bend | None] = (),
) -> list[list[int]]:
    """The generated tokens of each prompt, the end token included. Greedy without `pick`; `bends` has one for each prompt."""
    replies: list[list[int]] = [[] for _ in prompts]
    by_attention = runs_by_attention(model)
    keeps_last = "logits_to_keep" in inspect.signature(model.forward).parameters
    lengths = [len(prompt) for prompt in prompts]
    for batch in _batches(lengths, limits.max_tokens, token_budget(model), equal=not by_attention):
        rows = _Rows(batch, prompts, replies, limits, pick, ended, bends)
        if by_attention:
            _decode_batch(model, rows, keeps_last)
        else:
            _decode_anew(model, rows)
    return replies


def runs_by_attention(model: nn.Module) -> bool:
    """Whether rows can be padded and their keys and values kept; not so for models with a running state."""
    return {"position_ids", "past_key_values", "attention_mask"} <= set(inspect.signature(model.forward).parameters)


def token_budget(model: nn.Module) -> int:
    """Most tokens of a batch, as what is kept of each takes memory."""
    return min(BATCH_TOKENS, CACHE_BYTES // _cached_bytes(model))


def _cached_bytes(model: nn.Module) -> int:
    """What a token's keys and values take, in fp32."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_attention_heads", None) or 1
    shared = getattr(config, "num_key_value_heads", None) or heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    return int(2 * 4 * config.num_hidden_layers * shared * size)


def _batches(lengths: list[int], max_tokens: int, budget: int, *, equal: bool) -> list[list[int]]:
    """Numbers of prompts that run together, the longest first; with `equal`, of one length only."""
    batches: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        last = batches[-1] if batches else []
        fits = last and len(last) < BATCH_ROWS and (len(last) + 1) * (lengths[last[0]] + max_tokens) <= budget
        if fits and not (equal and lengths[last[0]] != lengths[number]):
            last.append(number)
        else:
            batches.append([number])
    return batches


class _Rows:
    """The prompts of one batch that are still being answered."""

    def __init__(
        self,
        numbers: list[int],
        prompts: Sequence[Sequence[int]],
        replies: list[list[int]],
        limits: Limits,
        pick: Pick | None,
        ended: Ended | None,
        bends: Sequence[Bend | None],
    ) -> None:
        self.numbers = numbers
        self.prompts = [prompts[number] for number in numbers]
        self.limits = limits
        self._replies = replies
        self._pick = pick
        self._ended = ended
        self._bends = dict(zip(numbers, (bends[number] for number in numbers), strict=True)) if bends else {}
        self.open = [True] * len(numbers)

    def take(self, logits: torch.Tensor) -> list[int]:
        """Note the next token of every open row; `logits` has the shape (rows, vocabulary). All rows' tokens."""
        for row, number in enumerate(self.numbers):
            bend = self._bends.get(number)
            if bend is not None and self.open[row]:
                bend(self._replies[number], logits[row])
        greedy = logits.argmax(dim=-1).tolist()
        for row, number in enumerate(self.numbers):
            if not self.open[row]:
                continue
            token = self._pick(number, logits[row]) if self._pick else greedy[row]
            greedy[row] = token
            reply = self._replies[number]
            reply.append(token)
            self.open[row] = not (
                token in self.limits.end_ids
                or len(reply) >= self._room(row)
                or (self._ended is not None and self._ended(number, reply))
            )
        return [int(token) for token in greedy]

    def _room(self, row: int) -> int:
        """How long the row's reply may become."""
        if self.limits.context is None:
            return self.limits.max_tokens
        return min(self.limits.max_tokens, self.limits.context - len(self.prompts[row]))

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows alone."""
        self.numbers = [self.numbers[row] for row in rows]
        self.prompts = [self.prompts[row] for row in rows]
        self.open = [True] * len(rows)

    def sequences(self) -> list[list[int]]:
        """Prompt and reply so far of every row."""
        return [[*prompt, *self._replies[number]] for number, prompt in zip(self.numbers, self.prompts, strict=True)]


def _decode_batch(model: nn.Module, rows: _Rows, keeps_last: bool) -> None:
    """One prefill, then a token a step with the cache of keys and values."""
    device = next(model.parameters()).device
    ids, mask = left_padded(rows.prompts, rows.limits.pad_id, device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    last: dict[str, Any] = {"logits_to_keep": 1} if keeps_last else {}
    out = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True, **last)
    position = positions[:, -1:]
    while True:
        tokens = torch.tensor(rows.take(out.logits[:, -1].float()), device=device)
        cache = out.past_key_values
        left = [row for row, is_open in enumerate(rows.open) if is_open]
        if not left:
            return
        if len(left) < SHRINK_BELOW * len(rows.open):
            chosen = torch.tensor(left, device=device)
            cache.batch_select_indices(chosen)
            mask, position, tokens = mask[chosen], position[chosen], tokens[chosen]
            rows.keep(left)
        mask = torch.cat([mask, mask.new_ones((len(mask), 1))], dim=1)
        position = position + 1
        out = model(
            input_ids=tokens.unsqueeze(1), attention_mask=mask, position_ids=position, past_key_values=cache,
            use_cache=True, **last,
        )  # fmt: skip


def _decode_anew(model: nn.Module, rows: _Rows) -> None:
    """For models with a running state, which padding would disturb: rows of one length, computed anew at every token."""
    device = next(model.parameters()).device
    while any(rows.open):
        rows.keep([row for row, is_open in enumerate(rows.open) if is_open])
        out = model(input_ids=torch.tensor(rows.sequences(), device=device), use_cache=False)
        rows.take(out.logits[:, -1].float())


def left_padded(
    prompts: Sequence[Sequence[int]], pad_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """ids and mask, both (rows, longest prompt)."""
    width = max(map(len, prompts))
    ids = torch.tensor([[pad_id] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    return ids.to(device), mask.to(device)
