"""The model as the battle uses it: transformers' own class, logits only where a label is, a check that packing is exact."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn

from realm_arena.packing import MicroBatch
from realm_cli.errors import RealmError

_TOLERANCE = 2e-3


def load(folder: Path, device: torch.device, *, gradient_checkpointing: bool) -> nn.Module:
    """The causal LM in `folder` with fp32 weights on `device`, ready for training. Loads safetensors only."""
    transformers.utils.logging.disable_progress_bar()
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError, KeyError) as error:
        raise RealmError(f"the model in {folder} cannot be loaded: {error}", "check the hero's base_model") from error
    model.to(device)
    model.train()
    model.config.use_cache = False
    if gradient_checkpointing:
        model.activation_checkpointing_enable()
    return model


class Forward:
    """Runs the model over packed rows and gives the logits of the predicting positions alone.

    With a vocabulary of 150,000 the head is a large part of all work, and only a third of the tokens have a label:
    a hook hands the head the hidden states of just those, so that scaling or capping after it stays the model's own.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._predicting: torch.Tensor | None = None
        head = model.get_output_embeddings()
        head.register_forward_pre_hook(self._select)
        self.takes_positions = "position_ids" in inspect.signature(model.forward).parameters

    def _select(self, _module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if self._predicting is None:
            return None
        hidden = inputs[0]
        chosen = hidden.reshape(-1, hidden.shape[-1]).index_select(0, self._predicting)
        return (chosen.unsqueeze(0), *inputs[1:])

    def logits(self, ids: torch.Tensor, positions: torch.Tensor, predicting: torch.Tensor) -> torch.Tensor:
        """Shape (targets, vocabulary). `ids` and `positions`: (rows, width); `predicting`: flat indices, (targets,)."""
        extra = {"position_ids": positions} if self.takes_positions else {}
        self._predicting = predicting
        try:
            out = self.model(input_ids=ids, use_cache=False, **extra)
        finally:
            self._predicting = None
        return out.logits.squeeze(0)


def to_device(batch: MicroBatch, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """ids, positions, predicting, targets as tensors."""
    arrays = (batch.ids, batch.positions, batch.predicting, batch.targets)
    ids, positions, predicting, targets = (torch.from_numpy(a).to(device, non_blocking=True) for a in arrays)
    return ids, positions, predicting, targets


@torch.no_grad()
def packs_exactly(forward: Forward, vocab_size: int, device: torch.device) -> bool:
    """Whether two samples in one row give the logits that each gives alone: not so for models with a running state."""
    if not forward.takes_positions:
        return False
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randint(0, vocab_size, (1, n), generator=generator).to(device) for n in (7, 5))
    was_training = forward.model.training
    forward.model.eval()
    try:
        alone = [_all_logits(forward, ids, _positions(ids)) for ids in (first, second)]
        row = torch.cat([first, second], dim=1)
        packed = _all_logits(forward, row, torch.cat([_positions(first), _positions(second)], dim=1))
    finally:
        forward.model.train(was_training)
    reference = torch.cat(alone)
    return bool((packed - reference).abs().max() <= _TOLERANCE * (1 + reference.abs().max()))


def _positions(ids: torch.Tensor) -> torch.Tensor:
    return torch.arange(ids.shape[1], device=ids.device).unsqueeze(0)


def _all_logits(forward: Forward, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    return forward.logits(ids, positions, torch.arange(ids.shape[1], device=ids.device)).float()
