"""`realm archive make|list|restore`."""

from __future__ import annotations

import dataclasses

import click

from realm_cli import risks
from realm_cli.records import seconds_since
from realm_cli.terminal import Context, emit, human_seconds, json_option, note, pass_context_realm, table
from realm_vault import archives


@click.command("make")
@click.option("--reason", default="asked for", show_default=True, help="Becomes part of its name.")
@json_option
@pass_context_realm
def make_command(ctx: Context, reason: str, as_json: bool) -> None:
    """Archive configs, ledger and curriculum now. Nothing is written when nothing changed since the last archive."""
    name, is_new = archives.make(ctx.realm, reason)
    said = f"{name} holds it" if is_new else f"nothing changed since {name}"
    emit({"name": name, "new": is_new}, as_json, lambda: click.echo(said))


@click.command("list")
@json_option
@pass_context_realm
def list_command(ctx: Context, as_json: bool) -> None:
    """List the archives, newest first."""
    rows = [
        {"name": name, "reason": record.reason, "made_at": record.made_at, "files": len(record.files)}
        for name, record in archives.every(ctx.realm)
    ]
    shown = [{**row, "made": f"{human_seconds(seconds_since(str(row['made_at'])))} ago"} for row in rows]
    emit(rows, as_json, lambda: click.echo(table(shown, ["name", "files", "made"])))


@click.command("restore")
@click.argument("name")
@click.option("--part", "parts", multiple=True, type=click.Choice(archives.PARTS), help="Only this; default: all.")
@click.option("--apply", is_flag=True, help="Do it; without it the plan is shown.")
@json_option
@pass_context_realm
def restore_command(ctx: Context, name: str, parts: tuple[str, ...], apply: bool, as_json: bool) -> None:
    """Show what going back to archive NAME would change, or do it. What is there now is archived first.

    Files that the archive does not hold stay as they are.
    """
    changes = archives.plan(ctx.realm, name, parts or archives.PARTS)
    if apply and changes:
        risks.before(ctx.realm, ctx.manager, f"going back to {name}")
        archives.restore(ctx.realm, name, changes)
    rows = [dataclasses.asdict(one) for one in changes]
    emit(rows, as_json, lambda: click.echo(table(rows, ["deed", "part", "path"])))
    if not changes:
        note("nothing would change")
    elif apply:
        note(f"{len(changes):,} files are as in {name}")
    else:
        note(f"nothing was changed; do it: realm archive restore {name} --apply")
