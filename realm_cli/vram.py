"""An estimate of the memory that training needs. A formula, not a measurement; the battle tries the real thing as well."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelShape:
    """The sizes that memory depends on."""

    parameters: int
    layers: int
    hidden_size: int
    intermediate_size: int
    vocab_size: int


@dataclass(frozen=True)
class Estimate:
    """Bytes by purpose."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits


def estimate(
    shape: ModelShape, *, tokens: int, row_tokens: int, trained_share: float, bf16: bool, checkpointing: bool
) -> Estimate:
    """Bytes for one micro-batch of `tokens` tokens in rows of `row_tokens`.

    Weights, gradients and AdamW's two moments are fp32 (4 + 4 + 8 bytes a parameter). Activations follow Korthikanti
    et al. 2022 (Reducing Activation Recomputation in Large Transformer Models), eq. 1, counted for a gated MLP and
    attention without a stored score matrix; checkpointing keeps one hidden state a layer and one layer's activations.
    Logits and their gradient exist for trained tokens only.
    """
    width = 2 if bf16 else 4
    per_layer = tokens * width * (10 * shape.hidden_size + 4 * shape.intermediate_size)
    mask = tokens * row_tokens
    if checkpointing:
        activations = tokens * width * shape.hidden_size * shape.layers + per_layer
    else:
        activations = per_layer * shape.layers
    logits = int(tokens * trained_share) * shape.vocab_size * (4 + 4 + width)
    return Estimate(
        weights=4 * shape.parameters,
        gradients=4 * shape.parameters,
        optimizer=8 * shape.parameters,
        activations=activations + mask,
        logits=logits,
    )
