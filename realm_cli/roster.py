"""Changes of the roster: a hero is recruited, a hero becomes the active one."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime, timezone
from pathlib import Path

from realm_cli import configedit, modelfolder, status, store, yamlfile
from realm_cli.config import HeroConfig
from realm_cli.errors import FormatError, NotFoundError, RefusedError, StorageError, UsageError
from realm_cli.hub import HUB_ID
from realm_cli.modelfolder import ModelFolder
from realm_cli.realm import RESERVED, Realm

LONGEST = 2048
"""Default `max_length`: memory grows with it, and quests are short."""

SMALL = 100_000_000
"""Parameters under which a model is trained in full precision and without checkpointing: memory is no concern."""


def derive_id(name: str) -> str:
    """A hero's id from a path or a Hub id: `Qwen/Qwen3-0.6B` gives `qwen3-0-6b`."""
    hero = re.sub(r"[^a-z0-9_-]+", "-", _short(name).lower()).strip("-_")[:64]
    if not hero:
        raise UsageError(f"no id can be made from '{name}'", "give one: --id NAME")
    return hero


def recruit(realm: Realm, name: str, hero: str | None = None, template: Path | None = None) -> tuple[str, HeroConfig]:
    """Write `configs/heroes/<id>.yaml` for a model folder or Hub id; (id, configuration)."""
    hero = hero or derive_id(name)
    path = realm.hero_file(hero)
    if hero in RESERVED:
        raise UsageError(
            f"'{hero}' cannot be a hero's id: models/{hero} has another meaning", "give another: --id NAME"
        )
    _refuse_existing(path, hero)
    model = modelfolder.locate(name, [Path.cwd(), realm.root])
    if "quantization_config" in model.config:
        raise FormatError(
            str(model.path / "config.json"),
            "the weights are quantized, which cannot be trained in full",
            "take the unquantized model",
        )
    template_text = _template(template) if template else None
    copied = path.with_suffix(".jinja")
    text = _yaml(realm, name, model, copied.relative_to(realm.root).as_posix() if template_text else None)
    with store.locked(realm.status / ".config.lock"):
        _refuse_existing(path, hero)
        path.parent.mkdir(parents=True, exist_ok=True)
        if template_text is not None:
            store.write_atomic(copied, template_text.encode(), durable=True)
        store.write_atomic(path, text.encode(), durable=True)
    return hero, yamlfile.load(path, HeroConfig)


def use(realm: Realm, hero: str) -> Path | None:
    """Make a hero the active one; the snapshot's folder, None when it was active already."""
    realm.hero(hero)
    battle = status.battle_process(realm)
    if battle is not None:
        raise RefusedError(
            f"a battle is running (pid {battle.pid}); the active hero cannot change under it",
            "realm battle stop, then again",
        )
    with store.locked(realm.battle_lock, wait=False, owner="a battle that is starting"):
        link_current_model(realm, hero, dry=True)
        backup = configedit.set_active_hero(realm, hero)
        link_current_model(realm, hero)
    return backup


def link_current_model(realm: Realm, hero: str, *, dry: bool = False) -> None:
    """Point `models/current_model` at the hero's folder, in one step; something else of that name is never replaced."""
    link = realm.models / "current_model"
    if link.exists() and not link.is_symlink():
        raise RefusedError(f"{link} is not a link", "move it away; Realm makes it a link to the active hero's folder")
    if dry or (link.is_symlink() and os.readlink(link) == hero):
        return
    try:
        realm.hero_folder(hero).mkdir(parents=True, exist_ok=True)
        temp = store.temp_name(link)
        temp.symlink_to(hero)
        os.replace(temp, link)
        store.sync_folder(realm.models)
    except OSError as error:
        raise StorageError("link", link, error) from error


def _short(name: str) -> str:
    """The last part of a path or Hub id; `.` is the folder one stands in."""
    return Path(name).expanduser().absolute().name


def _refuse_existing(path: Path, hero: str) -> None:
    for taken in (path, path.with_suffix(".jinja")):
        if taken.exists():
            raise RefusedError(f"hero '{hero}': {taken} exists already", "give another id: --id NAME")


def _template(path: Path) -> str:
    """The text of a chat template that renders an exchange."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    try:
        text = path.expanduser().read_text(encoding="utf-8")
        turns = [{"role": "user", "content": "question?"}, {"role": "assistant", "content": "answer!"}]
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["strftime_now"] = datetime.now(timezone.utc).strftime
        # Marks of the assistant's text, which plain Jinja does not know; they print nothing.
        plain = re.sub(r"{%-?\s*(?:end)?generation\s*-?%}", "", text)
        rendered = environment.from_string(plain).render(
            messages=turns, add_generation_prompt=False, bos_token="", eos_token=""
        )
    except FileNotFoundError:
        raise NotFoundError(f"{path} does not exist", "name a file with a Jinja chat template") from None
    except (UnicodeDecodeError, TemplateError, TypeError) as error:
        raise FormatError(
            str(path), f"not a usable chat template ({error})", "it is rendered with messages, as in transformers"
        ) from None
    if "question?" not in rendered or "answer!" not in rendered:
        raise FormatError(
            str(path), "the rendered text does not contain both messages", "it must print every message's content"
        )
    return text


def _base_model(realm: Realm, name: str, model: ModelFolder) -> str:
    """How the YAML names the model: a Hub id, a path inside the realm, or an absolute path."""
    if HUB_ID.fullmatch(name) and not any((root / name).is_dir() for root in (Path.cwd(), realm.root)):
        return name
    return str(model.path.relative_to(realm.root) if model.path.is_relative_to(realm.root) else model.path)


def _yaml(realm: Realm, name: str, model: ModelFolder, template: str | None) -> str:
    """The commented configuration of a recruited hero."""
    small = model.parameters < SMALL
    length = min(model.max_positions or LONGEST, LONGEST)
    text = f"""\
# {model.architecture}, {model.parameters:,} parameters.
# model_name, base_model and max_length are locked once the hero has checkpoints.
model_name: {_quoted(_short(name))}
base_model: {_quoted(_base_model(realm, name, model))}
# Longest sample in tokens; longer ones are left out and reported. The model allows {model.max_positions or "an unstated number"}.
max_length: {length}
title: {_quoted(_short(name))}
"""
    if template:
        text += f"# Used instead of the template that the model brings.\nchat_template: {_quoted(template)}\n"
    return text + _recipe(small, length)


def _recipe(small: bool, length: int) -> str:
    """A cautious start for a model that was trained before."""
    memory = "a third more computing for most of the activations' memory"
    lines = [
        ("learning_rate", "1e-4", "a small model takes larger steps")
        if small
        else ("learning_rate", "1e-5", "a trained model forgets at larger steps"),
        ("warmup_steps", 100, "the optimizer's averages settle before the full rate"),
        ("batch_samples", 16, "samples an optimizer step"),
        ("batch_tokens", max(16384, length), "and at most this many tokens"),
        ("row_tokens", length, "samples are packed into rows of this length"),
        ("micro_batch_tokens", max(4096, length), "tokens in memory at once; lower it when memory runs out"),
        ("precision", "fp32", "memory is no concern at this size")
        if small
        else ("precision", "bf16", "twice the speed of fp32; weights and optimizer stay fp32"),
        ("gradient_checkpointing", "false" if small else "true", memory),
    ]
    return "recipe:\n" + "".join(f"  {f'{key}: {value}':<30} # {why}\n" for key, value, why in lines)


def _quoted(text: str) -> str:
    """A YAML scalar that is read as this very text."""
    return json.dumps(text, ensure_ascii=False)
