"""The random weights of an embedded model, the same bytes on every machine.

numpy keeps the raw stream of PCG64 for ever but not its normal distribution, whose tails also ask the C library for
logarithms. So a weight here is the sum of twelve 16-bit integers of that stream, which is near normal (no weight is more
than six standard deviations out) and needs nothing but integer addition and one multiplication.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from realm_cli.config import EmbeddedModel

_DRAWS = 12
_MEAN = _DRAWS * 65535 / 2
_SPREAD = 65536.0
"""Standard deviation of the sum: sqrt(12 * (65536² - 1) / 12), but for the last bit."""


def weights_file(model: EmbeddedModel, vocabulary: int) -> bytes:
    """`model.safetensors` for a Qwen3ForCausalLM with tied embeddings."""
    stream = np.random.PCG64(model.seed)
    tensors = {
        name: np.ones(shape, np.float32) if len(shape) == 1 else _near_normal(stream, shape, model.initializer_range)
        for name, shape in _shapes(model, vocabulary).items()
    }
    data: bytes = save(tensors, metadata={"format": "pt"})
    return data


def _near_normal(stream: np.random.PCG64, shape: tuple[int, ...], spread: float) -> NDArray[np.float32]:
    count = int(np.prod(shape))
    raw = np.asarray(stream.random_raw(count * _DRAWS // 4), dtype="<u8")
    sums: NDArray[np.int64] = raw.view("<u2").reshape(count, _DRAWS).sum(axis=1, dtype=np.int64)
    return np.asarray((sums - _MEAN) * (spread / _SPREAD), dtype=np.float32).reshape(shape)


def _shapes(model: EmbeddedModel, vocabulary: int) -> dict[str, tuple[int, ...]]:
    """Every tensor by its name in transformers; vectors are norms, which start at one."""
    hidden, queries, keys = model.hidden_size, model.heads * model.head_size, model.kv_heads * model.head_size
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, hidden)}
    for layer in range(model.layers):
        inside: dict[str, tuple[int, ...]] = {
            "input_layernorm": (hidden,),
            "self_attn.q_proj": (queries, hidden),
            "self_attn.k_proj": (keys, hidden),
            "self_attn.v_proj": (keys, hidden),
            "self_attn.o_proj": (hidden, queries),
            "self_attn.q_norm": (model.head_size,),
            "self_attn.k_norm": (model.head_size,),
            "post_attention_layernorm": (hidden,),
            "mlp.gate_proj": (model.intermediate_size, hidden),
            "mlp.up_proj": (model.intermediate_size, hidden),
            "mlp.down_proj": (hidden, model.intermediate_size),
        }
        shapes.update({f"model.layers.{layer}.{name}.weight": shape for name, shape in inside.items()})
    return {**shapes, "model.norm.weight": (hidden,)}
