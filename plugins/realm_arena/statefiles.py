"""Trainer state to and from a folder: weights, optimizer, random states. Safetensors only, nothing is unpickled."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from realm_arena.trainer import Trainer
from realm_cli.errors import FormatError

OPTIMIZER = "optimizer.safetensors"
RANDOM = "random_state.safetensors"
STATIC = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "vocab.json",
    "merges.txt", "tokenizer.model", "added_tokens.json",
)  # fmt: skip


def save(trainer: Trainer, folder: Path, base: Path, chat_template: Path | None) -> None:
    """Write the model in Hugging Face layout, its tokenizer's files as they are, and the rest of the state.

    A chat template of the hero's own goes where transformers looks first, so that it holds wherever this is loaded.
    """
    trainer.model.save_pretrained(folder)
    for name in STATIC:
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)
    if chat_template is not None:
        shutil.copyfile(chat_template, folder / "chat_template.jinja")
    save_file(_optimizer_tensors(trainer), folder / OPTIMIZER)
    save_file(_random_tensors(trainer), folder / RANDOM)


def _optimizer_tensors(trainer: Trainer) -> dict[str, torch.Tensor]:
    found = {}
    for name, weight in zip(trainer.names, trainer.parameters, strict=True):
        for key, value in trainer.optimizer.state[weight].items():
            found[f"{name}:{key}"] = value.detach().cpu().contiguous()
    return found


def _random_tensors(trainer: Trainer) -> dict[str, torch.Tensor]:
    found = {"cpu": torch.get_rng_state()}
    if trainer.device.type == "cuda":
        found["cuda"] = torch.cuda.get_rng_state(trainer.device)
    return found


def restore(trainer: Trainer, folder: Path, step: int) -> None:
    """Put optimizer and random states back; the weights were loaded with the model. Raises `FormatError`."""
    tensors = load_file(folder / OPTIMIZER)
    weights = dict(zip(trainer.names, trainer.parameters, strict=True))
    for full, value in tensors.items():
        name, _, key = full.rpartition(":")
        if name not in weights:
            raise FormatError(str(folder / OPTIMIZER), f"it holds a state for '{name}', which the model does not have")
        weight = weights[name]
        # AdamW keeps its step count in fp32 beside the weights, its moments in the weights' type.
        trainer.optimizer.state[weight][key] = value.to(weight.device)
    random = load_file(folder / RANDOM)
    torch.set_rng_state(random["cpu"])
    if trainer.device.type == "cuda" and "cuda" in random:
        torch.cuda.set_rng_state(random["cuda"], trainer.device)
    trainer.step = step


def reload_weights(trainer: Trainer, folder: Path) -> None:
    """Bring the running model back to the weights in `folder` (after a loss that was no number)."""
    from realm_arena import model as models

    fresh = models.load(folder, trainer.device, gradient_checkpointing=False)
    trainer.model.load_state_dict(fresh.state_dict())
    trainer.optimizer.zero_grad(set_to_none=True)
    trainer.optimizer.state.clear()
