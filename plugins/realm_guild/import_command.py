"""`realm quest import`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from realm_cli.errors import EXIT_FAILED, EXIT_REFUSED
from realm_cli.questview import describe, quest_json, what_next
from realm_cli.realm import PRIORITIES
from realm_cli.terminal import Context, emit, existing_files, json_option, note, pass_context_realm, quiet_option

if TYPE_CHECKING:
    from realm_cli.importing import Converted


@click.command("import")
@click.argument("files", nargs=-1, required=True)
@click.option(
    "--format", "wanted", metavar="NAME", default="", help="The format (default: found by the keys of the rows)."
)
@click.option("--priority", type=click.Choice(PRIORITIES), default="normal", show_default=True)
@click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")
@json_option
@quiet_option
@pass_context_realm
def import_command(
    ctx: Context, files: tuple[str, ...], wanted: str, priority: str, dry_run: bool, as_json: bool, quiet: bool
) -> int:
    """Convert FILES of other tools to quests and put them on the board; the sources stay.

    Formats: the original's rows (pairs, problems, messages), alpaca, sharegpt; in JSON lines or one JSON document. The chat
    files of axolotl and LLaMA-Factory have one of these. All files are converted before the first one is queued.
    """
    from realm_cli import importing

    paths = existing_files(files)
    tried = [
        importing.queue(ctx.realm, ctx.manager, path, wanted=wanted, dry_run=True)[0]
        for path in (paths if dry_run or len(paths) > 1 else [])
    ]
    if dry_run:
        _tell(tried, as_json, quiet)
        return 0
    done = [importing.queue(ctx.realm, ctx.manager, path, wanted=wanted, priority=priority) for path in paths]
    queued = [outcome.record for _, outcome in done if outcome and outcome.record and not outcome.problem]

    def render() -> None:
        for record in queued:
            click.echo(record.id if quiet else describe(ctx.realm, record))
        if queued and not quiet:
            click.echo(what_next(ctx.realm))

    emit([quest_json(record, "queued") for record in queued], as_json, render)
    for converted, outcome in done:
        if outcome and outcome.problem:
            note(f"error: {converted.path}: {outcome.problem}")
            note(f"hint: {outcome.hint}")
        elif not quiet:
            _warn(converted)
    problems = [outcome for _, outcome in done if outcome and outcome.problem]
    if any(not outcome.duplicate for outcome in problems):
        return EXIT_FAILED
    return EXIT_REFUSED if problems else 0


def _warn(converted: Converted) -> None:
    """What somebody may not expect of a file."""
    if converted.repeats:
        count = f"{converted.repeats} {'row repeats' if converted.repeats == 1 else 'rows repeat'}"
        note(f"warning: {converted.path}: {count} the prompt of an earlier row")
    if converted.left_out:
        note(f"warning: {converted.path}: the quest is without {', '.join(converted.left_out)}")


def _tell(tried: list[Converted], as_json: bool, quiet: bool) -> None:
    """What would become of the files."""

    def render() -> None:
        for one in tried if not quiet else ():
            click.echo(f"{one.path} would become a quest of {one.rows:,} rows (format {one.format})")

    rows = [
        {"path": str(one.path), "format": one.format, "samples": one.rows, "left_out": list(one.left_out)}
        for one in tried
    ]
    emit(rows, as_json, render)
    for one in tried if not quiet else ():
        _warn(one)
