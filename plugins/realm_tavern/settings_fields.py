"""Every key of the configuration as a form shows it: what it takes, what holds now, what people wrote beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from msgspec import inspect

from realm_cli import configedit, heroes
from realm_cli.config import LOCKED_KEYS, HeroConfig, RealmConfig
from realm_cli.errors import UsageError, nearest
from realm_cli.realm import Realm

BATTLE = "at the next start of a battle"
WHEN = {
    "training": BATTLE,
    "board": "at once for what you bring in from now on; by a battle that runs, at its next start",
    "curriculum": "with the next quest that is forged",
    "sparring": BATTLE,
    "web": "at the next start of the Tavern and of each service",
    "tavern": "at the next start of the Tavern",
    "guardian": "at the next start of the guardian",
    "plugins": "at the next start of each program",
}
"""Section → when a change is seen."""
_COMMENT = re.compile(r"(?:^|\s)#\s?(.*)$")


@dataclass(frozen=True)
class Kind:
    """What a key takes."""

    widget: str
    """select, checkbox, number, text, lines; section for one that only the file can change."""
    words: str
    choices: tuple[str, ...] = ()
    lowest: float | None = None
    highest: float | None = None
    is_whole: bool = False
    is_optional: bool = False
    """Whether it may be null."""


@dataclass(frozen=True)
class Field:
    """One key."""

    key: str
    name: str
    """The key without its section."""
    kind: Kind
    value: Any
    default: Any
    has_default: bool
    is_default: bool
    """Whether nothing is written, so that the default holds."""
    source: str
    help: str
    locked: bool
    when: str

    def text(self) -> str:
        """The value as its input shows it."""
        return text_of(self.value)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        kind = self.kind
        return {
            "key": self.key, "value": self.value, "default": self.default if self.has_default else None,
            "required": not self.has_default, "source": self.source, "type": kind.words, "choices": list(kind.choices),
            "locked": self.locked, "help": self.help, "when": self.when,
        }  # fmt: skip


@dataclass(frozen=True)
class Group:
    """The keys of one section."""

    title: str
    fields: list[Field]


def text_of(value: Any) -> str:
    """A value as people type it."""
    if isinstance(value, list):
        return "\n".join(map(str, value))
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)


def fields(realm: Realm) -> list[Field]:
    """All keys. Raises `FormatError` when a file has a mistake."""
    settings = configedit.settings(realm)
    notes = _Notes(realm)
    trained = {hero for hero in realm.hero_ids() if heroes.has_checkpoints(realm, hero)}
    return [_field(realm, setting, notes, trained) for setting in settings if setting.key != "hero"]


def field(realm: Realm, key: str) -> Field:
    """One key. Raises `UsageError` for one that is not there."""
    found = {one.key: one for one in fields(realm)}
    if key not in found:
        raise UsageError(f"there is no key '{key[:100]}'", nearest(key[:100], found))
    return found[key]


def grouped(found: list[Field]) -> tuple[list[Group], dict[str, list[Group]]]:
    """(sections of `realm.yaml`, hero → sections of its file)."""
    main: dict[str, list[Field]] = {}
    by_hero: dict[str, dict[str, list[Field]]] = {}
    for one in found:
        parts = one.key.split(".")
        if parts[0] == "heroes":
            section = parts[2] if len(parts) > 3 else "model"
            by_hero.setdefault(parts[1], {}).setdefault(section, []).append(one)
        else:
            main.setdefault(parts[0], []).append(one)
    groups = [Group(title, inside) for title, inside in main.items()]
    return groups, {hero: [Group(*item) for item in found.items()] for hero, found in by_hero.items()}


def _field(realm: Realm, setting: configedit.Setting, notes: _Notes, trained: set[str]) -> Field:
    parts = setting.key.split(".")
    is_hero = parts[0] == "heroes"
    keys = parts[2:] if is_hero else parts
    kind, default, has_default = _schema("hero" if is_hero else "realm")[tuple(keys)]
    active = realm.config.hero
    when = WHEN.get(parts[0], BATTLE)
    if is_hero and parts[1] != active:
        when = f"when {parts[1]} is the active hero and a battle begins"
    return Field(
        key=setting.key, name=".".join(keys[1:]) or keys[0], kind=kind, value=setting.value, default=default,
        has_default=has_default, is_default=setting.default, source=setting.source, help=notes.of(setting),
        locked=is_hero and parts[1] in trained and (keys[0] in LOCKED_KEYS or keys[0] == "embedded"), when=when,
    )  # fmt: skip


# -- from the schema ---------------------------------------------------------------------------------------------


@cache
def _schema(which: str) -> dict[tuple[str, ...], tuple[Kind, Any, bool]]:
    """Key path → (kind, default, whether there is one)."""
    return dict(_walk(HeroConfig if which == "hero" else RealmConfig, ()))


def _walk(
    struct: type[msgspec.Struct], above: tuple[str, ...], *, optional: bool = False
) -> Iterator[tuple[tuple[str, ...], tuple[Kind, Any, bool]]]:
    if optional:
        yield above, (Kind("section", "a section, or nothing"), None, True)
    for known in inspect.type_info(struct).fields:  # type: ignore[attr-defined]
        path = (*above, known.name)
        inner, can_be_null = _inner(known.type)
        if isinstance(inner, inspect.StructType):
            yield from _walk(inner.cls, path, optional=can_be_null)
            continue
        has_default = not known.required
        value = known.default_factory() if known.default_factory is not msgspec.NODEFAULT else known.default
        yield path, (_kind(inner, optional=can_be_null), value if has_default else None, has_default)


def _inner(found: Any) -> tuple[Any, bool]:
    """(the type that is not null, whether null is allowed)."""
    if isinstance(found, inspect.UnionType):
        others = [one for one in found.types if not isinstance(one, inspect.NoneType)]
        mappings = [one for one in others if isinstance(one, inspect.DictType)]
        return (mappings or others)[0], len(others) < len(found.types)
    return found, False


def _kind(found: Any, *, optional: bool) -> Kind:
    end = ", or empty" if optional else ""
    if isinstance(found, inspect.LiteralType):
        names = tuple(str(value) for value in found.values)
        return Kind("select", f"one of: {', '.join(names)}{end}", choices=names, is_optional=optional)
    if isinstance(found, inspect.BoolType):
        return Kind("checkbox", f"true or false{end}", is_optional=optional)
    if isinstance(found, inspect.IntType | inspect.FloatType):
        whole = isinstance(found, inspect.IntType)
        limits = [
            (found.ge, "at least"), (found.gt, "more than"), (found.le, "at most"), (found.lt, "less than"),
        ]  # fmt: skip
        said = " and ".join(f"{words} {limit:g}" for limit, words in limits if limit is not None)
        words = f"{'a whole number' if whole else 'a number'}{f', {said}' if said else ''}{end}"
        lowest = found.ge if found.ge is not None else found.gt
        highest = found.le if found.le is not None else found.lt
        return Kind("number", words, lowest=lowest, highest=highest, is_whole=whole, is_optional=optional)
    if isinstance(found, inspect.DictType):
        return Kind("section", "keys with values of their own", is_optional=optional)
    if isinstance(found, inspect.ListType):
        return Kind("lines", f"one a line{end}", is_optional=optional)
    return Kind("text", f"a text{end}", is_optional=optional)


# -- what people wrote beside it ---------------------------------------------------------------------------------


class _Notes:
    """The comments of configuration files; for a key that is not written, those of a new realm."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._lines: dict[str, list[str]] = {}

    def of(self, setting: configedit.Setting) -> str:
        """The comment at a key."""
        if setting.source == "default":
            return "" if setting.key.startswith("heroes.") else _template_notes().get(setting.key, "")
        name, _, number = setting.source.rpartition(":")
        if name not in self._lines:
            self._lines[name] = (self._realm.root / name).read_text(encoding="utf-8").splitlines()
        return comment_at(self._lines[name], int(number))


@cache
def _template_notes() -> dict[str, str]:
    """Key → the comment in the `realm.yaml` of a new realm."""
    path = files("realm_cli") / "template" / "configs" / "realm.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    found, section = {}, ""
    for number, line in enumerate(lines, start=1):
        match = re.match(r"( *)([a-z_]+):", line)
        if match and not match[1]:
            section = match[2]
        elif match:
            found[f"{section}.{match[2]}"] = comment_at(lines, number)
    return found


def comment_at(lines: list[str], number: int) -> str:
    """The comment behind the 1-based line, or else the comment lines directly above it."""
    if not 0 < number <= len(lines):
        return ""
    line = lines[number - 1]
    quoted = re.sub(r"\"(?:\\.|[^\"])*\"|'(?:''|[^'])*'", lambda text: "_" * len(text[0]), line)
    behind = _COMMENT.search(quoted)
    if behind:
        return line[behind.start(1) :].strip()
    above = []
    for before in reversed(lines[: number - 1]):
        if not before.lstrip().startswith("#"):
            break
        above.append(before.lstrip().lstrip("#").strip())
    return " ".join(reversed(above)).strip()
