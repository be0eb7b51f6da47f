"""`realm skill new`: the template with the new skill's id in it, or the YAML of a skill that a plugin offers."""

from __future__ import annotations

import re
import urllib.parse
from pathlib import Path

import click

from realm_cli import skillbook, store
from realm_cli.errors import FormatError, NotFoundError, RefusedError, UsageError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.sampling import sample
from realm_cli.skills import Skill
from realm_cli.terminal import Context, note, pass_context_realm, quiet_option

TEMPLATE = "_template.yaml"


@click.command("new")
@click.argument("skill")
@click.option("--api", metavar="URL", help="Where its server listens; else the template's address stands there.")
@quiet_option
@pass_context_realm
def new_command(ctx: Context, skill: str, api: str | None, quiet: bool) -> None:
    """Begin a new skill with the id SKILL: a commented YAML, to be filled in.

    Where a plugin offers SKILL (realm skill list --all), nothing is left to fill in.
    """
    offered = api is None and skill in ctx.manager.parts("realm_skills")
    path = enable(ctx.realm, ctx.manager, skill) if offered else begin(ctx.realm, skill, api)
    click.echo(skill if quiet else str(path))
    if not quiet:
        note(f"{'' if offered else 'fill it in and serve its API; then '}look: realm skill sample {skill} --level 1")


def begin(realm: Realm, skill: str, api: str | None) -> Path:
    """Write the YAML of a new skill; returns its path. Raises `UsageError` or `RefusedError`."""
    if api is not None and (urllib.parse.urlsplit(api).scheme not in ("http", "https") or re.search(r"[\s#\"']", api)):
        raise UsageError(f"'{api[:100]}' is no address of a skill server", "for instance http://127.0.0.1:8100")
    path = _free_path(realm, skill)
    store.write_atomic(path, _filled(realm, skill, api).encode())
    return path


def enable(realm: Realm, manager: Manager, skill: str) -> Path:
    """Write the YAML of a skill that a plugin offers; returns its path. Raises `RealmError` for one that gives nothing."""
    path = _free_path(realm, skill)
    found = manager.skill(skill)
    sample(found, 1, 1, 0, "train")  # one that is of no use says so
    store.write_atomic(path, _of_plugin(skill, found).encode())
    return path


def _free_path(realm: Realm, skill: str) -> Path:
    """Where the YAML of a skill goes that is not there yet."""
    if not skillbook.SKILL_ID.fullmatch(skill):
        raise UsageError(f"'{skill}' cannot be a skill's id", "use lower-case letters, digits, - and _")
    if skill in skillbook.ALIASES:
        raise UsageError(f"'{skill}' is another name of '{skillbook.ALIASES[skill]}'", "choose another id")
    path = realm.skills / f"{skill}.yaml"
    if path.exists():
        raise RefusedError(f"there is a skill '{skill}' already: {path}", "choose another id, or edit that file")
    return path


def _of_plugin(skill: str, found: Skill) -> str:
    """The YAML of a plugin's skill."""
    facts = {
        "id": skill, "name": getattr(found, "name", _title(skill)), "category": getattr(found, "category", ""),
        "max_level": found.max_level, "plugin": skill,
    }  # fmt: skip
    lines = [f"{key}: {_scalar(value)}\n" for key, value in facts.items() if value != ""]
    return f"# A skill of an installed plugin; what else can be set stands in {TEMPLATE}.\n{''.join(lines)}"


def _title(skill: str) -> str:
    """What people see of a skill that nobody named."""
    return re.sub("[-_.]", " ", skill).title()


def _filled(realm: Realm, skill: str, api: str | None) -> str:
    template = realm.skills / TEMPLATE
    try:
        text = template.read_text("utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"there is no template {template}", "copy one from another realm: realm init DIR") from None
    changes = {"id": skill, "name": _title(skill), **({"api": api} if api else {})}
    lines = text.splitlines(keepends=True)
    for key, value in changes.items():
        number = next((number for number, line in enumerate(lines) if line.startswith(f"{key}: ")), None)
        if number is None:
            raise FormatError(
                str(template), f"it has no line `{key}:`", "put it back, from the template of a new realm"
            )
        lines[number] = _line(key, value, lines[number])
    return "".join(lines[1:] if lines[0].startswith("# A new skill") else lines)


def _line(key: str, value: str, before: str) -> str:
    """A line of the template with another value; its comment stays where it is."""
    written = f"{key}: {_scalar(value)}"
    _, sign, comment = before.rstrip("\n").partition("  #")
    column = len(before.partition("#")[0])
    return (f"{written:<{column}}{'' if len(written) < column else '  '}#{comment}" if sign else written) + "\n"


def _scalar(value: str | int) -> str:
    """A value as YAML takes it for the same."""
    import yaml

    if isinstance(value, int):
        return str(value)
    return value if value[0].isalpha() and yaml.safe_load(value) == value else f'"{value}"'
