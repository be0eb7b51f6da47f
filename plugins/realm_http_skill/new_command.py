"""`realm skill new`: the template, with the new skill's id in it."""

from __future__ import annotations

import re
import urllib.parse
from pathlib import Path

import click

from realm_cli import skillbook, store
from realm_cli.errors import FormatError, NotFoundError, RefusedError, UsageError
from realm_cli.realm import HERO_ID, Realm
from realm_cli.terminal import Context, note, pass_context_realm, quiet_option

TEMPLATE = "_template.yaml"


@click.command("new")
@click.argument("skill")
@click.option("--api", metavar="URL", help="Where its server listens; else the template's address stands there.")
@quiet_option
@pass_context_realm
def new_command(ctx: Context, skill: str, api: str | None, quiet: bool) -> None:
    """Begin a new skill with the id SKILL: a commented YAML, to be filled in."""
    path = begin(ctx.realm, skill, api)
    click.echo(skill if quiet else str(path))
    if not quiet:
        note(f"fill it in and serve its API; then look: realm skill sample {skill} --level 1")


def begin(realm: Realm, skill: str, api: str | None) -> Path:
    """Write the YAML of a new skill; returns its path. Raises `UsageError` or `RefusedError`."""
    if not HERO_ID.fullmatch(skill):
        raise UsageError(f"'{skill}' cannot be a skill's id", "use lower-case letters, digits, - and _")
    if skill in skillbook.ALIASES:
        raise UsageError(f"'{skill}' is another name of '{skillbook.ALIASES[skill]}'", "choose another id")
    if api is not None and (urllib.parse.urlsplit(api).scheme not in ("http", "https") or re.search(r"[\s#\"']", api)):
        raise UsageError(f"'{api[:100]}' is no address of a skill server", "for instance http://127.0.0.1:8100")
    path = realm.skills / f"{skill}.yaml"
    if path.exists():
        raise RefusedError(f"there is a skill '{skill}' already: {path}", "choose another id, or edit that file")
    store.write_atomic(path, _filled(realm, skill, api).encode())
    return path


def _filled(realm: Realm, skill: str, api: str | None) -> str:
    template = realm.skills / TEMPLATE
    try:
        text = template.read_text("utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"there is no template {template}", "copy one from another realm: realm init DIR") from None
    changes = {"id": skill, "name": skill.replace("_", " ").replace("-", " ").title(), **({"api": api} if api else {})}
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
    import yaml

    written = f"{key}: {value}" if value[0].isalpha() and yaml.safe_load(value) == value else f'{key}: "{value}"'
    _, sign, comment = before.rstrip("\n").partition("  #")
    column = len(before.partition("#")[0])
    return (f"{written:<{column}}{'' if len(written) < column else '  '}#{comment}" if sign else written) + "\n"
