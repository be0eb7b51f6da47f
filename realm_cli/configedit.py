"""Keys of the configuration, `training.save_steps` or `heroes.<id>.recipe.learning_rate`: read and changed.

A change is checked before anything is written, leaves comments and order alone, and has a snapshot in `backups/`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin

import msgspec

from realm_cli import backups, embedded, heroes, profiles, status, store, yamlfile
from realm_cli.config import LOCKED_KEYS, HeroConfig, RealmConfig
from realm_cli.errors import FormatError, NotFoundError, RefusedError, UsageError, nearest
from realm_cli.realm import Realm


@dataclass(frozen=True)
class Setting:
    """One key with the value that holds, and where it comes from: `file:line`, or default."""

    key: str
    value: Any
    default: bool
    source: str


@dataclass(frozen=True)
class Change:
    """What `set_value` did. `backup` is the snapshot's folder; None when the value was the same already."""

    key: str
    before: Any
    after: Any
    file: Path
    backup: Path | None


@dataclass(frozen=True)
class Edit:
    """What `edit` did. `backup` is the snapshot's folder; None when nothing was written."""

    before: RealmConfig
    after: RealmConfig
    backup: Path | None


@dataclass(frozen=True)
class _Place:
    """Where a key lies: its file, that file's schema, and the path of keys inside."""

    path: Path
    schema: type[msgspec.Struct]
    keys: list[str]
    hero: str = ""
    choices: str = ""
    """`one of: fp32, bf16`, for a key that takes nothing else."""


def settings(realm: Realm) -> list[Setting]:
    """The whole configuration with all defaults filled in."""
    found = _flat(realm, realm.config_file, RealmConfig, "")
    for hero in realm.hero_ids():
        found += _flat(realm, realm.hero_file(hero), HeroConfig, f"heroes.{hero}.")
    return found


def get(realm: Realm, key: str) -> Any:
    """The value of a key, or of a section as a mapping, with defaults filled in."""
    place = _place(realm, key)
    return _value(msgspec.to_builtins(yamlfile.load(place.path, place.schema)), place.keys)


def set_value(realm: Realm, key: str, text: str, *, approve: bool = False) -> Change:
    """Give a key the value that `text` means in YAML; `null` takes the key out, so that its default holds."""
    if key == "hero":
        raise UsageError("the active hero is not set as a key: more than this file changes", f"realm hero use {text}")
    place = _place(realm, key, leaf=True)
    with store.locked(realm.status / ".config.lock"):
        content = yamlfile.edited(_readable(place.path), place.keys, _parsed(key, text))
        after = _checked(place, key, text, content)
        if isinstance(after, HeroConfig) and place.keys[0] in ("profile", "system_prompt"):
            _check_profile(realm, place.hero, after, f"{key} cannot be {text!r}")
        before = _unchecked(place)
        changed = _value(before, place.keys) != _value(msgspec.to_builtins(after), place.keys)
        model_changes = changed and bool(place.hero) and _is_locked(place.keys)
        if model_changes:
            _refuse_locked(realm, place.hero, key, approve=approve)
        backup = _commit(realm, place.path, content, f"set {key}") if content != store.read_bytes(place.path) else None
        if model_changes and isinstance(after, HeroConfig) and after.embedded is not None:
            embedded.remake(realm.base_folder(place.hero), after.embedded)
    values = (_value(before, place.keys), _value(msgspec.to_builtins(after), place.keys))
    return Change(key, *values, place.path, backup)


def set_active_hero(realm: Realm, hero: str) -> Path | None:
    """Write `hero:` in `realm.yaml`; the snapshot's folder, None when it stood there already."""
    place = _Place(realm.config_file, RealmConfig, ["hero"])
    with store.locked(realm.status / ".config.lock"):
        if yamlfile.load(realm.config_file, RealmConfig).hero == hero:
            return None
        content = yamlfile.edited(realm.config_file, place.keys, hero)
        _checked(place, "hero", hero, content)
        return _commit(realm, realm.config_file, content, f"use {hero}")


def edit(
    realm: Realm,
    changes_of: Callable[[RealmConfig], list[tuple[list[str], Any]]],
    reason: str,
    *,
    dry_run: bool = False,
) -> Edit:
    """Change several keys of `realm.yaml` at once: `changes_of` the present configuration gives key paths and values.

    A value of None takes the key out. With `dry_run` nothing is written.
    """
    with store.locked(realm.status / ".config.lock"):
        before = yamlfile.load(realm.config_file, RealmConfig)
        changes = changes_of(before)
        if not changes:
            return Edit(before, before, None)
        content = yamlfile.edited_all(realm.config_file, changes)
        after = _checked(_Place(realm.config_file, RealmConfig, changes[0][0]), reason, "", content)
        backup = None if dry_run else _commit(realm, realm.config_file, content, reason)
        return Edit(before, cast(RealmConfig, after), backup)


def _place(realm: Realm, key: str, *, leaf: bool = False) -> _Place:
    """Where `key` lies; `UsageError` when no schema has it, or when it is a section and a `leaf` is wanted."""
    keys = key.split(".")
    if keys[0] == "heroes":
        if len(keys) < 3:
            raise UsageError(
                f"'{key}' names no key of a hero", "heroes.ID.KEY, for example heroes.dio-mini.recipe.learning_rate"
            )
        path = realm.hero_file(keys[1])
        if not path.is_file():
            raise NotFoundError(
                f"there is no hero '{keys[1]}' ({path} does not exist)", nearest(keys[1], realm.hero_ids())
            )
        place = _Place(path, HeroConfig, keys[2:], keys[1])
    else:
        place = _Place(realm.config_file, RealmConfig, keys)
    section: type[msgspec.Struct] | None = place.schema
    for depth, name in enumerate(place.keys):
        fields = {field.name: field.type for field in msgspec.structs.fields(section)} if section else {}
        if name not in fields:
            raise UsageError(f"there is no key '{key}' ('{name}' is unknown)", nearest(name, fields))
        if depth < len(place.keys) - 1 and yamlfile.entries_of(fields[name]) is not None:
            hint = f"write it into {place.path} by hand; for the curriculum: realm skill schedule set"
            raise UsageError(f"'{'.'.join(place.keys[: depth + 1])}' is a mapping with keys of its own", hint)
        section = yamlfile.struct_in(fields[name])
        if leaf and section and depth == len(place.keys) - 1:
            inside = ", ".join(field.name for field in msgspec.structs.fields(section))
            raise UsageError(f"'{key}' is a section", f"set one key of it: {inside}")
    return replace(place, choices=choices(fields[place.keys[-1]]))


def choices(annotation: Any) -> str:
    """`one of: fp32, bf16` for a type that is or contains a Literal, else nothing."""
    if get_origin(annotation) is Literal:
        return f"one of: {', '.join(map(str, get_args(annotation)))}"
    return next(filter(None, map(choices, get_args(annotation))), "")


def _flat(realm: Realm, path: Path, schema: type[msgspec.Struct], prefix: str) -> list[Setting]:
    """Every leaf of one file's resolved configuration; a mapping whose keys people choose is one."""
    resolved = msgspec.to_builtins(yamlfile.load(path, schema))
    written, node = yamlfile.read(path)
    name = path.relative_to(realm.root).as_posix()
    found: list[Setting] = []

    def visit(value: Any, given: Any, keys: list[str], kind: Any) -> None:
        section = yamlfile.struct_in(kind)
        if section is not None and value is not None:
            for field in msgspec.structs.fields(section):
                inner = given.get(field.name, ...) if isinstance(given, dict) else ...
                visit(value[field.name], inner, [*keys, field.name], field.type)
        else:
            source = "default" if given is ... else f"{name}:{yamlfile.line_of(node, keys)}"
            found.append(Setting(prefix + ".".join(keys), value, given is ..., source))

    visit(resolved, {} if written is None else written, [], schema)
    return found


def _value(data: Any, keys: list[str]) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _readable(path: Path) -> Path:
    """`path`, once it is known that it parses, so that a mistake in it is reported with its line."""
    data, _ = yamlfile.read(path)
    if not isinstance(data, dict | None):
        raise FormatError(str(path), f"expected keys and values, found {type(data).__name__}")
    return path


def _parsed(key: str, text: str) -> Any:
    """The value that `text` means, kept in its own spelling (`1e-3` stays `1e-3`)."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if not text:
        return ""
    reader = YAML(typ="rt")
    reader.preserve_quotes = True
    try:
        value = reader.load(StringIO(text))
    except YAMLError:
        raise UsageError(
            f"{key}: {text!r} is not valid YAML", "quote a text with special characters: '\"like: this\"'"
        ) from None
    if isinstance(value, dict):
        raise UsageError(
            f"{key}: {text!r} is a mapping, not one value", "set one key at a time; quote a text that contains ': '"
        )
    return value


def _checked(place: _Place, key: str, text: str, content: bytes) -> msgspec.Struct:
    """The edited file against its schema. When the file was good before, the new value is to blame and named."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / place.path.name
        draft.write_bytes(content)
        data, node = yamlfile.read(draft)
    try:
        config = yamlfile.check(data if data is not None else {}, place.schema, place.path, node)
        for keys, problem, hint in heroes.config_flaws(config) if isinstance(config, HeroConfig) else ():
            raise FormatError(f"{place.path}:{yamlfile.line_of(node, keys)}", f"{'.'.join(keys)}: {problem}", hint)
    except FormatError as error:
        yamlfile.load(place.path, place.schema)
        problem = error.problem.removeprefix(f"{'.'.join(place.keys)}: ")
        hint = error.hint or place.choices or f"{place.path} is unchanged"
        raise UsageError(f"{key} cannot be {text!r}: {problem}", hint) from None
    return config


def _check_profile(realm: Realm, hero: str, config: HeroConfig, said: str) -> None:
    """Refuse a data profile that no plugin offers, or that does not go with the system prompt."""
    try:
        profiles.of_config(realm, hero, config)
    except FormatError as error:
        raise UsageError(f"{said}: {error.problem}", error.hint) from None


def _unchecked(place: _Place) -> Any:
    """The file's data before the change, resolved where it is valid, else as it is written."""
    try:
        return msgspec.to_builtins(yamlfile.load(place.path, place.schema))
    except FormatError:
        return yamlfile.read(place.path)[0]


def _is_locked(keys: list[str]) -> bool:
    return keys[0] in LOCKED_KEYS or keys[0] == "embedded"


def _refuse_locked(realm: Realm, hero: str, key: str, *, approve: bool) -> None:
    """A hero's model changes under its checkpoints only when that is approved, and never during a battle."""
    if status.battle_process(realm) is not None:
        raise RefusedError(f"{key} cannot change while a battle runs", "realm battle stop")
    if heroes.has_checkpoints(realm, hero) and not approve:
        raise RefusedError(
            f"{key} is locked: '{hero}' has checkpoints that were trained with the present value",
            "recruit another hero for another model; or, where you mean it: --approve (a backup is made)",
        )


def _commit(realm: Realm, path: Path, content: bytes, reason: str) -> Path:
    backup = backups.snapshot(realm, [path], reason)
    store.write_atomic(path, content, durable=True)
    if path == realm.config_file:
        vars(realm).pop("config", None)  # a cached property: the next look reads the file again
    return backup
