"""`realm status`: one screen of what is going on, and why."""

from __future__ import annotations

import click

from realm_cli.statusview import render
from realm_cli.terminal import Context, emit, json_option, pass_context_realm
from realm_cli.watchtower import gaze


@click.command("status")
@json_option
@pass_context_realm
def status_command(ctx: Context, as_json: bool) -> None:
    """Show hero, battle, board and skills."""
    snapshot = gaze(ctx.realm, ctx.manager)
    emit(snapshot.as_json(), as_json, lambda: click.echo(render(snapshot)))
