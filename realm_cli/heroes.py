"""The heroes of a realm, read: where each one's step 0 lies and what is known of it. Changes are in `roster`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from realm_cli import checkpoints, embedded, hub, modelfolder
from realm_cli.config import HeroConfig
from realm_cli.errors import FormatError, RealmError
from realm_cli.modelfolder import ModelFolder
from realm_cli.realm import Realm

EMBEDDED = "embedded"
"""The `base_model` of a hero that is made from its `embedded:` section."""


def config_flaws(config: HeroConfig) -> Iterable[tuple[list[str], str, str]]:
    """(keys, problem, hint) of what the schema alone cannot see."""
    if config.embedded is None:
        return
    if config.base_model != EMBEDDED:
        hint = f"write `base_model: {EMBEDDED}`, or take the section `embedded:` out"
        yield ["base_model"], f"'{config.base_model}' contradicts the section `embedded:`", hint
    flaw = embedded.flaw(config.embedded)
    if flaw:
        yield ["embedded", flaw[0]], flaw[1], "change it; the hero's model is made from these numbers"


def base_path(realm: Realm, hero: str) -> Path:
    """The local folder of a hero's step 0, in the Hugging Face layout; an embedded one is made when it is not there."""
    config = realm.hero(hero)
    for keys, problem, hint in config_flaws(config):
        raise FormatError(f"{realm.hero_file(hero)}: {'.'.join(keys)}", problem, hint)
    if config.embedded is not None:
        folder = realm.base_folder(hero)
        embedded.ensure(folder, config.embedded, frozen=has_checkpoints(realm, hero))
        return folder
    return modelfolder.locate(config.base_model, [realm.root]).path


def has_checkpoints(realm: Realm, hero: str) -> bool:
    """Whether anything was trained that a change of the hero's model would cut off."""
    return bool(checkpoints.folders(realm, hero))


def list_heroes(realm: Realm) -> list[dict[str, Any]]:
    """What is known of every hero. Nothing is made or downloaded; what is wrong with one stands in its `error`."""
    rows = []
    for hero in realm.hero_ids():
        config, model, problem = None, None, ""
        try:
            config = realm.hero(hero)
            model = _local_model(realm, hero, config)
        except RealmError as error:
            problem = error.message
        rows.append({**_facts(realm, hero, config, model), "error": problem})
    return rows


def show(realm: Realm, hero: str) -> dict[str, Any]:
    """All that is known of one hero; an embedded one is made where it never was, nothing is downloaded."""
    config = realm.hero(hero)
    if config.embedded is not None:
        base_path(realm, hero)
    model = _local_model(realm, hero, config)
    return {
        **_facts(realm, hero, config, model),
        "base_path": str(model.path) if model else None,
        "architecture": model.architecture if model else None,
        "chat_template": bool(config.chat_template or (model and model.chat_template)),
        "checkpoints": len(checkpoints.folders(realm, hero)),
        "config": str(realm.hero_file(hero)),
    }


def _facts(realm: Realm, hero: str, config: HeroConfig | None, model: ModelFolder | None) -> dict[str, Any]:
    saved = checkpoints.folders(realm, hero)
    return {
        "id": hero,
        "active": hero == realm.config.hero,
        "title": config.title if config else None,
        "model_name": config.model_name if config else None,
        "base_model": config.base_model if config else None,
        "max_length": config.max_length if config else None,
        "step": checkpoints.extract_step(saved[0].name) if saved else 0,
        "parameters": model.parameters if model else None,
        "size": model.size if model else None,
        "recipe": msgspec.to_builtins(config.recipe) if config else None,
    }


def _local_model(realm: Realm, hero: str, config: HeroConfig) -> ModelFolder | None:
    """The step 0 that is on this machine already; None when it would have to be made or downloaded."""
    if config.embedded is not None:
        folder = realm.base_folder(hero)
        return modelfolder.open_folder(folder) if embedded.made_from(folder) else None
    folder = realm.path(config.base_model)
    if not folder.exists() and hub.HUB_ID.fullmatch(config.base_model):
        cached = hub.cached(config.base_model)
        return modelfolder.open_folder(cached) if cached else None
    return modelfolder.locate(config.base_model, [realm.root])
