"""`realm vault tend`."""

from __future__ import annotations

import dataclasses

import click

from realm_cli.errors import RealmError
from realm_cli.terminal import Context, emit, json_option, pass_context_realm, table
from realm_vault.keeper import Keeper
from realm_vault.places import opened
from realm_vault.tending import Tender


@click.command("tend")
@json_option
@pass_context_realm
def tend_command(ctx: Context, as_json: bool) -> None:
    """Do what is due: send what waits, free a disk that gets full, and once a day an archive, a copy of the champion, the
    old trash, the alarm for zones that nothing new reached. `realm vault serve` does it every five minutes.

    Exit code 1 when something needs a person.
    """
    with opened(ctx.realm, ctx.manager) as places:
        deeds = Tender(ctx.realm, ctx.manager, Keeper(ctx.realm, ctx.manager, places)).tend()
    rows = [dataclasses.asdict(one) for one in deeds]
    shown = [{"task": one.task, "state": "ok" if one.ok else "look", "what": one.said} for one in deeds]
    emit(rows, as_json, lambda: click.echo(table(shown, ["task", "state", "what"]) if shown else "nothing is due"))
    if not all(one.ok for one in deeds):
        raise SystemExit(RealmError.exit_code)
