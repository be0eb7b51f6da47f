"""The training step: model, optimizer, schedule, precision. Knows nothing of quests, files or flags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional as F

from realm_arena import model as models
from realm_arena.packing import MicroBatch
from realm_cli.config import Recipe


@dataclass(frozen=True)
class StepResult:
    """What one optimizer step did."""

    loss: float
    """Mean cross-entropy over the step's trained tokens, natural logarithm."""
    gradient_norm: float
    trained_tokens: int
    learning_rate: float

    @property
    def finite(self) -> bool:
        """Whether loss and gradient are numbers."""
        return abs(self.loss) < float("inf") and abs(self.gradient_norm) < float("inf")


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then constant, and from `decay_after` on with the inverse square root. Steps count from 1.

    The hero trains without end, so there is no end to decay towards.
    """
    rate = recipe.learning_rate * min(1.0, step / max(1, recipe.warmup_steps))
    return rate if recipe.decay_after is None else rate * min(1.0, recipe.decay_after / step) ** 0.5


class Trainer:
    """A hero's model in training."""

    def __init__(self, folder: Path, recipe: Recipe, device: torch.device) -> None:
        self.recipe = recipe
        self.device = device
        self.is_released = False
        """The GPU's memory is free for others; nothing can be computed until it is reclaimed."""
        self.step = 0
        self.model = models.load(folder, device, gradient_checkpointing=recipe.gradient_checkpointing)
        self.forward = models.Forward(self.model)
        self.names = [name for name, weight in self.model.named_parameters() if weight.requires_grad]
        self.parameters = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimizer = self._make_optimizer()
        vocab_size = int(self.model.config.get_text_config().vocab_size)
        self.packed = models.packs_exactly(self.forward, vocab_size, device)

    def _make_optimizer(self) -> torch.optim.AdamW:
        decayed = [weight for weight in self.parameters if weight.ndim >= 2]
        plain = [weight for weight in self.parameters if weight.ndim < 2]
        groups = [{"params": decayed, "weight_decay": self.recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        betas = (self.recipe.beta1, self.recipe.beta2)
        return torch.optim.AdamW(groups, lr=self.recipe.learning_rate, betas=betas, fused=True)

    def _precision(self) -> AbstractContextManager[object]:
        if self.recipe.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return nullcontext()

    def _summed_loss(self, batch: MicroBatch) -> torch.Tensor:
        """Cross-entropy summed over the micro-batch's targets, in fp32."""
        ids, positions, predicting, targets = models.to_device(batch, self.device)
        with self._precision():
            logits = self.forward.logits(ids, positions, predicting)
        return F.cross_entropy(logits.float(), targets, reduction="sum")

    def train(self, batches: Sequence[MicroBatch]) -> StepResult:
        """One optimizer step over the micro-batches. When the result is not finite, the weights are spoiled."""
        count = sum(len(batch.targets) for batch in batches)
        total = torch.zeros((), device=self.device)
        for batch in batches:
            loss = self._summed_loss(batch) / max(1, count)
            loss.backward()
            total += loss.detach()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip_norm)
        self.step += 1
        rate = learning_rate(self.step, self.recipe)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        # One transfer for both numbers: on a GPU every read of a value waits for all work before it.
        loss_value, norm_value = torch.stack([total, norm.to(total)]).tolist()
        return StepResult(loss_value, norm_value, count, rate)

    def rehearse(self, batches: Sequence[MicroBatch]) -> None:
        """Forward and backward without a step, to find out whether the batch fits; leaves no trace."""
        with self._untouched_random_state():
            for batch in batches:
                self._summed_loss(batch).backward()
            self.optimizer.zero_grad(set_to_none=True)

    @contextmanager
    def _untouched_random_state(self) -> Iterator[None]:
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            yield

    @torch.no_grad()
    def evaluate(self, batches: Sequence[MicroBatch]) -> float | None:
        """Mean loss over the batches' targets in eval mode; None without targets."""
        count = sum(len(batch.targets) for batch in batches)
        if count == 0:
            return None
        self.model.eval()
        try:
            total = sum(float(self._summed_loss(batch)) for batch in batches)
        finally:
            self.model.train()
        return total / count

    def release_memory(self) -> None:
        """Move everything off the GPU, so that others may use it. Without a GPU there is nothing to do."""
        self.is_released = self.device.type == "cuda"
        self._move(torch.device("cpu"))

    def reclaim_memory(self) -> None:
        """Come back to the GPU; the numbers are the same."""
        self._move(self.device)
        self.is_released = False

    def _move(self, device: torch.device) -> None:
        if self.device.type != "cuda":
            return
        self.model.to(device)
        for state in self.optimizer.state.values():
            for key, value in state.items():
                if torch.is_tensor(value):
                    state[key] = value.to(device)
        torch.cuda.empty_cache()

    @property
    def gpu_memory(self) -> int | None:
        """Bytes reserved on the GPU; None on CPU."""
        return int(torch.cuda.memory_reserved(self.device)) if self.device.type == "cuda" else None
