"""Every mistake in a configuration file, not only the first: the strict schema, walked key by key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from realm_cli import heroes, profiles, service_config, task_config, yamlfile
from realm_cli.config import HeroConfig, RealmConfig
from realm_cli.configedit import choices
from realm_cli.errors import FormatError, RealmError, nearest
from realm_cli.hosts import Hosts, hosts_file
from realm_cli.manager import Manager
from realm_cli.realm import HERO_ID, Realm
from realm_cli.zones import configured, zones_file


@dataclass(frozen=True)
class Problem:
    """One mistake; `line` is 0 where the file as a whole is meant."""

    file: str
    line: int
    key: str
    problem: str
    hint: str = ""

    @property
    def message(self) -> str:
        """`configs/realm.yaml:7: training.save_step: unknown key; did you mean 'save_steps'?`"""
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f"{self.key}: " if self.key else ""
        return f"{place}: {key}{self.problem}{f'; {self.hint}' if self.hint else ''}"


@dataclass(frozen=True)
class FileReport:
    """What a check found in one file; nothing is good."""

    file: str
    problems: list[Problem]


def check_all(realm: Realm) -> list[FileReport]:
    """A report on `realm.yaml`, on every hero's file, on hosts, zones and tasks."""
    reports = [FileReport(_name(realm, realm.config_file), _realm_problems(realm))]
    for path in sorted(realm.heroes.glob("*.y*ml")):
        reports.append(FileReport(_name(realm, path), _hero_problems(realm, path)))
    loaders: list[tuple[Path, Callable[[Realm], object]]] = [
        (hosts_file(realm), Hosts.of),
        (zones_file(realm), configured),
        (task_config.tasks_file(realm), task_config.configured),
        (service_config.services_file(realm), service_config.configured),
    ]
    return reports + [_loaded(realm, path, load) for path, load in loaders if path.is_file()]


def check_offered(realm: Realm, manager: Manager) -> list[FileReport]:
    """A report on every file of settings that a plugin reads (hook `realm_settings`)."""
    reports = []
    for name in sorted(manager.parts("realm_settings")):
        path = realm.configs / name
        if path.is_file():
            reports.append(_loaded(realm, path, manager.load_part("realm_settings", name, "file of settings")))
    return reports


def _loaded(realm: Realm, path: Path, load: Callable[[Realm], object]) -> FileReport:
    return FileReport(_name(realm, path), _loading_problems(realm, path, load))


def _loading_problems(realm: Realm, path: Path, load: Callable[[Realm], object]) -> list[Problem]:
    """The first mistake that loading a file finds."""
    try:
        load(realm)
    except FormatError as error:
        line = error.where.removeprefix(f"{path}:")
        return [Problem(_name(realm, path), int(line) if line.isdecimal() else 0, "", error.problem, error.hint)]
    return []


def _name(realm: Realm, path: Path) -> str:
    return path.relative_to(realm.root).as_posix()


def _realm_problems(realm: Realm) -> list[Problem]:
    found, data, node = _of_file(realm, realm.config_file, RealmConfig)
    hero = data.get("hero", RealmConfig().hero) if isinstance(data, dict) else None
    if isinstance(hero, str) and hero not in realm.hero_ids():
        line = yamlfile.line_of(node, ["hero"])
        found.append(
            Problem(
                _name(realm, realm.config_file),
                line,
                "hero",
                f"there is no hero '{hero}'",
                nearest(hero, realm.hero_ids()),
            )
        )
    return found


def _hero_problems(realm: Realm, path: Path) -> list[Problem]:
    name = _name(realm, path)
    if path.suffix != ".yaml" or not HERO_ID.fullmatch(path.stem):
        hint = "rename it: lower-case letters, digits, - and _, then .yaml"
        return [Problem(name, 0, "", f"'{path.name}' cannot be a hero's file, so it is not read", hint)]
    found, data, node = _of_file(realm, path, HeroConfig)
    if not found:
        for keys, problem, hint in heroes.config_flaws(msgspec.convert(data, HeroConfig)):
            found.append(Problem(name, yamlfile.line_of(node, keys), ".".join(keys), problem, hint))
        try:
            profiles.of_hero(realm, path.stem)
        except FormatError as error:
            found.append(Problem(name, yamlfile.line_of(node, ["profile"]), "profile", error.problem, error.hint))
    return found


def _of_file(realm: Realm, path: Path, schema: type[msgspec.Struct]) -> tuple[list[Problem], Any, Any]:
    """(problems, data, nodes) of one file against its schema."""
    name = _name(realm, path)
    try:
        data, node = yamlfile.read(path)
    except FormatError as error:
        line = error.where.rpartition(":")[2]
        return [Problem(name, int(line) if line.isdigit() else 0, "", error.problem, error.hint)], None, None
    except RealmError as error:
        return [Problem(name, 0, "", error.message, error.hint)], None, None
    data = {} if data is None else data
    found = [
        Problem(name, yamlfile.line_of(node, keys), ".".join(keys), *rest) for keys, *rest in _walk(data, schema, [])
    ]
    return found, data, node


def _walk(data: Any, schema: type[msgspec.Struct], above: list[str]) -> Iterator[tuple[list[str], str, str]]:
    """(keys, problem, hint) for everything in `data` that the schema does not allow."""
    if not isinstance(data, dict):
        yield above, f"expected keys and values, found {type(data).__name__}", ""
        return
    fields = {field.name: field for field in msgspec.structs.fields(schema)}
    for key, value in data.items():
        keys = [*above, str(key)]
        if key not in fields:
            yield keys, "unknown key", nearest(str(key), fields)
            continue
        section = yamlfile.struct_in(fields[key].type)
        if section is not None and value is not None:
            yield from _walk(value, section, keys)
            continue
        entries = yamlfile.entries_of(fields[key].type)
        if entries is not None and isinstance(value, dict):
            for name, entry in value.items():
                yield from _walk(entry, entries, [*keys, str(name)])
            continue
        try:
            msgspec.convert(value, fields[key].type)
        except msgspec.ValidationError as error:
            yield keys, f"{str(error)[:1].lower()}{str(error)[1:]}", choices(fields[key].type)
    for name, field in fields.items():
        if field.required and name not in data:
            yield [*above, name], "missing", "add it"
