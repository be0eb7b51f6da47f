"""Generators over tiny models, for tests of what they say: what is loaded is real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from realm_arena import model as models
from realm_arena.encoding import HeroTokenizer
from realm_arena.generating import ModelGenerator
from realm_arena.rows import Row
from realm_arena_models import gemma, llama, mamba
from realm_cli import embedded
from realm_cli.config import EmbeddedModel
from realm_cli.generation import Message

CPU = torch.device("cpu")


def ask(text: str) -> list[Message]:
    return [Message("user", text)]


def dio_mini(folder: Path) -> Path:
    embedded.ensure(folder, EmbeddedModel(words=["add", " = "]), frozen=False)
    return folder


def make_folders(folder: Path) -> dict[str, Path]:
    """Models of several architectures, by name."""
    torch.manual_seed(3)
    makers = {"llama": llama, "gemma": gemma, "mamba": mamba, "dio-mini": dio_mini}
    return {name: maker(folder / name) for name, maker in makers.items()}


def loaded(folder: Path, template: Path | None = None) -> ModelGenerator:
    """A generator over the model in `folder`, with weights so large that it does not say its last token for ever."""
    model = models.load(folder, CPU, gradient_checkpointing=False).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("proj.weight"):
                weight.mul_(8)
    return ModelGenerator(model, HeroTokenizer.load(folder, template), "tiny", 3, "f00d", "fp32")


def always(tokens: list[int], folder: Path) -> ModelGenerator:
    """A generator whose model says `tokens`, whatever it is asked: its head is replaced, all else is real."""
    generator = loaded(folder)
    model: Any = generator._model
    begun: list[int] = []

    def say(_module: object, _inputs: object, out: Any) -> None:
        out.logits.zero_()
        out.logits[:, -1, tokens[len(begun)]] = 1.0
        begun.append(1)

    model.register_forward_hook(say)
    return generator


def text_tokens(generator: ModelGenerator, text: str) -> list[int]:
    return [int(token) for token in generator._tokenizer.encode([Row(text=text)])[0].ids][:-1]
