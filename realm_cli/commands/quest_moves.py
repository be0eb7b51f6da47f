"""`realm quest cancel|retry|move|delete`: what people do with quests on the board."""

from __future__ import annotations

import click

from realm_cli import disposal, intake
from realm_cli.events import emit as emit_event
from realm_cli.quests import Board
from realm_cli.questview import describe, quest_json, what_next
from realm_cli.realm import PRIORITIES
from realm_cli.terminal import Context, emit, json_option, pass_context_realm, quiet_option

dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")
quests_argument = click.argument("quests", nargs=-1, required=True)


@click.command("cancel")
@quests_argument
@click.option("--reason", default="cancelled by a person", help="Kept with the quest.")
@dry_run_option
@quiet_option
@pass_context_realm
def cancel_command(ctx: Context, quests: tuple[str, ...], reason: str, dry_run: bool, quiet: bool) -> None:
    """Take queued QUESTS off the board; their files go to queue/failed."""
    if dry_run:
        for quest in quests:
            click.echo(f"{Board(ctx.realm).queued(quest, 'cancel').id} would be cancelled")
        return
    for quest in quests:
        record = Board(ctx.realm).cancel(quest, reason)
        emit_event(ctx.realm, ctx.manager, "quest_cancelled", quest=record.id, reason=reason)
        if not quiet:
            click.echo(f"{record.id} is cancelled; undo it with: realm quest retry {record.id}")


@click.command("retry")
@quests_argument
@click.option("--priority", type=click.Choice(PRIORITIES), help="Another priority than before.")
@dry_run_option
@json_option
@quiet_option
@pass_context_realm
def retry_command(
    ctx: Context, quests: tuple[str, ...], priority: str | None, dry_run: bool, as_json: bool, quiet: bool
) -> None:
    """Queue ended QUESTS again, after inspecting them again."""
    if dry_run:
        board = Board(ctx.realm)
        for quest in quests:
            record = board.record(board.ended(quest).id)
            click.echo(f"{record.id} would be queued again in {priority or record.priority}")
        return
    records = [intake.retry(ctx.realm, ctx.manager, quest, priority) for quest in quests]

    def render() -> None:
        for record in records:
            click.echo(record.id if quiet else describe(ctx.realm, record))
        if not quiet:
            click.echo(what_next(ctx.realm))

    emit([quest_json(record, "queued") for record in records], as_json, render)


@click.command("move")
@quests_argument
@click.argument("priority", type=click.Choice(PRIORITIES))
@dry_run_option
@json_option
@quiet_option
@pass_context_realm
def move_command(
    ctx: Context, quests: tuple[str, ...], priority: str, dry_run: bool, as_json: bool, quiet: bool
) -> None:
    """Give queued QUESTS another PRIORITY."""
    if dry_run:
        for quest in quests:
            file = Board(ctx.realm).movable(quest, priority)
            click.echo(f"{file.id} would go from {file.state} to {priority}")
        return
    records = [Board(ctx.realm).change_priority(quest, priority) for quest in quests]

    def render() -> None:
        for record in records:
            if not quiet:
                click.echo(describe(ctx.realm, record))

    emit([quest_json(record, "queued") for record in records], as_json, render)


@click.command("delete")
@quests_argument
@dry_run_option
@quiet_option
@pass_context_realm
def delete_command(ctx: Context, quests: tuple[str, ...], dry_run: bool, quiet: bool) -> None:
    """Delete the data files of ended QUESTS; record, report and preview stay."""
    if dry_run:
        for quest in quests:
            click.echo(f"{disposal.deletable(ctx.realm, quest).path} would be deleted")
        return
    for quest in quests:
        record = disposal.delete(ctx.realm, ctx.manager, quest)
        if not quiet:
            click.echo(f"the data file of {record.id} ({record.name}) is deleted; its record stays")
