"""`realm status`: one screen of what is going on, and why; with `--since`, what happened."""

from __future__ import annotations

import click

from realm_cli.statusview import render
from realm_cli.terminal import Context, emit, json_option, pass_context_realm
from realm_cli.watchtower import gaze


@click.command("status")
@click.option("--since", metavar="WHEN", help="What happened since 8h, 2d, a date, '2026-05-01 07:30', or last.")
@json_option
@pass_context_realm
def status_command(ctx: Context, since: str | None, as_json: bool) -> None:
    """Show hero, battle, board and skills. With --since: what happened since then, the most important first.

    `--since last` means since it was asked for the last time.
    """
    if since is not None:
        _show_since(ctx, since, as_json=as_json)
        return
    snapshot = gaze(ctx.realm, ctx.manager)
    emit(snapshot.as_json(), as_json, lambda: click.echo(render(snapshot)))


def _show_since(ctx: Context, since: str, *, as_json: bool) -> None:
    from msgspec import to_builtins

    from realm_cli import away

    try:
        moment = away.moment_of(ctx.realm, since)
    finally:
        if since == "last":
            away.remember(ctx.realm)
    found = away.account(ctx.realm, gaze(ctx.realm, ctx.manager), away.Before(moment))

    def show() -> None:
        click.echo(away.heading(found))
        for line in found.lines or ["nothing happened"]:
            click.echo(f"  {away.folded(line)}")

    emit(to_builtins(found), as_json, show)
