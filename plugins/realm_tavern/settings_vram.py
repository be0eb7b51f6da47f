"""The VRAM calculator: the core's estimate for a hero or a model of a known size, beside the memory of usual cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from realm_cli import heroes, modelfolder, vram
from realm_cli.config import Recipe
from realm_cli.errors import NotFoundError, RealmError, UsageError, nearest
from realm_cli.modelfolder import ModelFolder
from realm_cli.realm import Realm
from realm_cli.vram import ModelShape

GIB = 1 << 30
CARDS = (("RTX 4090", 24 * GIB), ("RTX 3090", 24 * GIB), ("RTX 4080", 16 * GIB), ("RTX 4070", 12 * GIB))
SIZES = {
    "Qwen3-0.6B": ModelShape(596_049_920, 28, 1024, 3072, 151_936),
    "Qwen3-1.7B": ModelShape(1_720_574_976, 28, 2048, 6144, 151_936),
    "Qwen3-4B": ModelShape(4_022_468_096, 36, 2560, 9728, 151_936),
}
"""Models that need not be on this machine."""
PRECISIONS = ("fp32", "bf16")
ARGUMENTS = ("hero", "size", "micro_batch_tokens", "max_length", "precision", "checkpointing", "trained_share")
PARTS = ("weights", "gradients", "optimizer", "activations", "logits")
MOST = 10_000_000


@dataclass(frozen=True)
class Asked:
    """What is to be estimated."""

    hero: str
    """Empty where a size is asked for."""
    size: str
    micro_batch_tokens: int
    max_length: int
    row_tokens: int
    precision: str
    checkpointing: bool
    trained_share: float


def asked(realm: Realm, given: Mapping[str, str]) -> Asked:
    """From the address; what it does not say is as in the recipe of the hero. Raises `UsageError`."""
    size = given.get("size", "")
    if size and size not in SIZES:
        raise UsageError(f"size '{size[:40]}' is not known", nearest(size[:40], SIZES))
    hero = "" if size else given.get("hero", "") or realm.config.hero
    config = realm.hero(hero or None)
    recipe = config.recipe if hero else Recipe(precision="bf16", gradient_checkpointing=True, micro_batch_tokens=4096)
    length = _whole(given, "max_length", config.max_length if hero else 2048)
    return Asked(
        hero=hero, size=size, micro_batch_tokens=_whole(given, "micro_batch_tokens", recipe.micro_batch_tokens),
        max_length=length, row_tokens=max(length, recipe.row_tokens if hero else 0),
        precision=_choice(given, "precision", PRECISIONS, recipe.precision),
        checkpointing=_choice(given, "checkpointing", ("true", "false"), _yes(recipe.gradient_checkpointing)) == "true",
        trained_share=_share(given, "trained_share"),
    )  # fmt: skip


def answer(realm: Realm, wanted: Asked, gpus: list[dict[str, Any]]) -> dict[str, Any]:
    """The estimate in bytes, its parts, and whether it fits into each card."""
    shape = SIZES[wanted.size] if wanted.size else _shape_of(realm, wanted.hero)
    tokens = max(wanted.max_length, wanted.micro_batch_tokens)  # one sample is never cut
    found = vram.estimate(
        shape, tokens=tokens, row_tokens=wanted.row_tokens, trained_share=wanted.trained_share,
        bf16=wanted.precision == "bf16", checkpointing=wanted.checkpointing,
    )  # fmt: skip
    here = [(f"{gpu['name']} (this machine)", gpu["memory_total"]) for gpu in gpus]
    return {
        "model": wanted.size or wanted.hero,
        "parameters": shape.parameters,
        "tokens": tokens,
        "parts": {name: getattr(found, name) for name in PARTS},
        "total": found.total,
        "cards": [
            {"name": name, "memory": memory, "fits": found.total <= memory, "left": memory - found.total}
            for name, memory in (*here, *CARDS)
        ],
    }


def _shape_of(realm: Realm, hero: str) -> ModelShape:
    """The sizes of a hero's model, from its files or, where they are not here, from the model's name."""
    model = _model(realm, hero)
    if model is None:
        name = realm.hero(hero).model_name
        if name not in SIZES:
            raise NotFoundError(
                f"the model of {hero} is not on this machine, so its sizes are not known",
                f"choose a size: {', '.join(SIZES)}",
            )
        return SIZES[name]
    text = model.config.get("text_config", model.config)
    hidden = int(text.get("hidden_size") or text.get("n_embd") or 0)
    return ModelShape(
        parameters=model.parameters,
        layers=int(text.get("num_hidden_layers") or text.get("n_layer") or 0),
        hidden_size=hidden,
        intermediate_size=int(text.get("intermediate_size") or 4 * hidden),
        vocab_size=int(text.get("vocab_size", 0)),
    )


def _model(realm: Realm, hero: str) -> ModelFolder | None:
    path = heroes.show(realm, hero)["base_path"]
    return None if path is None else modelfolder.open_folder(realm.path(path))


def known_heroes(realm: Realm) -> list[str]:
    """Heroes whose files can be read."""
    found = []
    for hero in realm.hero_ids():
        try:
            realm.hero(hero)
        except RealmError:
            continue  # the page shows what is wrong with its file
        found.append(hero)
    return found


def _yes(value: bool) -> str:
    return "true" if value else "false"


def _whole(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= MOST):
        raise UsageError(f"{name} must be a whole number from 1 to {MOST:,}")
    return int(text)


def _share(given: Mapping[str, str], name: str) -> float:
    text = given.get(name, "") or "1"
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UsageError(f"{name} must be a number from 0 to 1")
    return value


def _choice(given: Mapping[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    text = given.get(name, "") or default
    if text not in choices:
        raise UsageError(f"{name} '{text[:40]}' is not known", f"one of: {', '.join(choices)}")
    return text
