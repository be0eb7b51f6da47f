"""`realm init`."""

from __future__ import annotations

from pathlib import Path

import click

from realm_cli.founding import found
from realm_cli.terminal import emit, json_option, quiet_option


@click.command("init")
@click.argument("folder", default=".")
@json_option
@quiet_option
def init_command(folder: str, as_json: bool, quiet: bool) -> None:
    """Make a realm in FOLDER (default: here), with the embedded hero. Repeating it completes, and changes nothing."""
    root = Path(folder).expanduser().absolute()
    realm, new = found(root)

    def render() -> None:
        if quiet:
            return
        click.echo(f"realm at {realm.root}: " + (f"{len(new)} new files" if new else "complete already"))
        click.echo(f"hero     {realm.config.hero}")
        click.echo("next     realm quest forge --skill bin --level 1 --count 2000")
        click.echo("         realm battle start --until-empty")

    emit({"root": str(realm.root), "hero": realm.config.hero, "new": new}, as_json, render)
