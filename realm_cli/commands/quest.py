"""`realm quest add|intake|list|show|validate`: what comes to the board, and what it says of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from realm_cli import datafiles, gatekeeper, inbox, intake, store
from realm_cli.config import Depth
from realm_cli.errors import EXIT_FAILED, EXIT_REFUSED, FormatError
from realm_cli.inspection import DEPTHS
from realm_cli.questfiles import ID
from realm_cli.quests import Board
from realm_cli.questview import describe, quest_json, render_samples, state_of, what_next
from realm_cli.realm import PRIORITIES, Realm
from realm_cli.records import InspectionRecord, PreviewRecord
from realm_cli.terminal import (
    Context,
    emit,
    existing_files,
    facts,
    fold,
    human_bytes,
    json_option,
    note,
    pass_context_realm,
    quiet_option,
    table,
)  # fmt: skip

priority_option = click.option("--priority", type=click.Choice(PRIORITIES), default="normal", show_default=True)
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")
depth_option = click.option(
    "--depth", type=click.Choice(DEPTHS), help="How deep to inspect (default: the configuration's)."
)


def print_outcomes(realm: Realm, outcomes: Sequence[intake.Outcome], as_json: bool, quiet: bool) -> int:
    """Show what became of the files; the exit code follows the worst."""
    queued = [outcome.record for outcome in outcomes if outcome.record and not outcome.problem]
    if as_json:
        rows = [quest_json(record, "queued") for record in queued]
        emit(rows, True, lambda: None)
    elif quiet:
        for record in queued:
            click.echo(record.id)
    else:
        for record in queued:
            click.echo(describe(realm, record))
        if queued:
            click.echo(what_next(realm))
    for outcome in outcomes:
        if outcome.problem:
            note(f"error: {outcome.path}: {outcome.problem}")
            note(f"hint: {outcome.hint}")
        elif outcome.report and outcome.report.warnings and not quiet:
            first = outcome.report.findings[0]
            note(f"warning: {outcome.path}: {outcome.report.warnings} warnings, first: {_finding(first)}")
    if any(outcome.problem and (outcome.record or not outcome.duplicate) for outcome in outcomes):
        return EXIT_FAILED
    return EXIT_REFUSED if any(outcome.problem for outcome in outcomes) else 0


@click.command("add")
@click.argument("files", nargs=-1, required=True)
@priority_option
@click.option("--again", is_flag=True, help="Queue content once more that the board has had already.")
@depth_option
@json_option
@quiet_option
@pass_context_realm
def add_command(
    ctx: Context, files: tuple[str, ...], priority: str, again: bool, depth: Depth | None, as_json: bool, quiet: bool
) -> int:
    """Copy FILES to the board after inspecting them; the sources stay."""
    paths = existing_files(files)
    outcomes = intake.add(ctx.realm, ctx.manager, paths, priority=priority, again=again, depth=depth)
    return print_outcomes(ctx.realm, outcomes, as_json, quiet)


@click.command("intake")
@dry_run_option
@json_option
@quiet_option
@pass_context_realm
def intake_command(ctx: Context, dry_run: bool, as_json: bool, quiet: bool) -> int:
    """Take in what lies settled in the inbox, once; for cron when no battle runs."""
    if dry_run:
        seconds = ctx.realm.config.board.settle_seconds
        for found in [*inbox.settled(ctx.realm, seconds), *inbox.strays(ctx.realm, seconds)]:
            click.echo(f"{found.path.relative_to(ctx.realm.root)} would be taken in")
        return 0
    outcomes = intake.take_inbox(ctx.realm, ctx.manager)
    if not outcomes and not quiet and not as_json:
        click.echo("nothing settled lies in the inbox")
    return print_outcomes(ctx.realm, outcomes, as_json, quiet)


@click.command("list")
@click.option("--state", help="Only one state: queued, processing, completed, failed, skipped, cancelled, held…")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many ended ones to show.")
@click.option("--all", "everything", is_flag=True, help="Show every ended one.")
@json_option
@pass_context_realm
def list_command(ctx: Context, state: str | None, limit: int, everything: bool, as_json: bool) -> None:
    """List quests: in battle, queued in their order, then the last that ended."""
    board = Board(ctx.realm)
    states = ("processing", *PRIORITIES, "failed", "recently_completed")
    where = {file.id: file for name in states for file in board.files(name)}
    rows = []
    for record in board.records():
        file = where.get(record.id)
        row = quest_json(record, state_of(record, file))
        if file is not None and file.state in PRIORITIES:
            row["priority"] = file.state
        rows.append(row)
    rows = [row for row in rows if state in (None, row["state"])]
    live = [row for row in rows if row["state"] in ("queued", "processing")]
    live.sort(key=lambda row: (row["state"] == "queued", PRIORITIES.index(row["priority"]), row["number"]))
    ended = sorted((row for row in rows if row not in live), key=lambda row: row["ended_at"] or "")
    shown = live + (ended if everything or as_json else ended[-limit:])

    def render() -> None:
        columns = ["id", "state", "priority", "samples", "name"]
        click.echo(table(shown, columns, fit=["name"]) if shown else "the board is empty")
        for row in shown:
            if row["reason"]:
                click.echo(fold(f"{row['id']}: {row['reason']}"))

    emit(shown, as_json, render)


@click.command("show")
@click.argument("quest")
@json_option
@pass_context_realm
def show_command(ctx: Context, quest: str, as_json: bool) -> None:
    """Show one quest (`@` = the newest): facts, inspection report, preview."""
    realm, board = ctx.realm, Board(ctx.realm)
    record = board.record(quest)
    file = board.find(record.id)
    if file is not None and file.state in PRIORITIES:
        record = msgspec.structs.replace(record, priority=file.state)  # the folder tells, if a person moved it
    report = _read(realm.reports / f"{record.id}.json", InspectionRecord)
    preview = _read(realm.previews / f"{record.id}.json", PreviewRecord)
    data = {
        **quest_json(record, state_of(record, file)),
        "path": str(file.path) if file else None,
        "report": report and report.to_dict(),
        "preview": preview and preview.to_dict(),
    }

    def render() -> None:
        pairs = [
            ("quest", record.id), ("name", record.name), ("state", data["state"]), ("reason", record.reason),
            ("priority", record.priority), ("samples", f"{record.samples:,}"),
            ("tokens", f"{record.tokens:,}, {record.trained_tokens:,} trained" if record.tokens else None),
            ("left out", f"{record.skipped_samples:,} over-long samples" if record.skipped_samples else None),
            ("size", human_bytes(record.size)), ("sha256", record.sha256), ("from", record.source),
            ("added", record.added_at), ("ended", record.ended_at), ("file", data["path"] or "deleted"),
        ]  # fmt: skip
        click.echo(facts(pairs))
        if report is not None:
            click.echo("\n" + render_report(report))
        if preview is not None:
            under = "" if preview.profile == "none" else f"under the data profile {preview.profile}, "
            click.echo(f"\npreview ({under}trained tokens in ⟦ ⟧)\n" + render_samples(preview.samples))

    emit(data, as_json, render)


def _read(path: Path, record_class: type[Any]) -> Any:
    try:
        return store.read_record(path, record_class)
    except FileNotFoundError:
        return None


def _finding(finding: Any) -> str:
    where = f"line {finding.line}: " if finding.line else ""
    return f"{where}{finding.message}"


def render_report(report: InspectionRecord) -> str:
    """An inspection report for people."""
    lines = [f"inspection ({report.depth}): {report.errors} errors, {report.warnings} warnings"]
    lines += [f"  {finding.severity:<7} {_finding(finding)}" for finding in report.findings]
    hidden = report.errors + report.warnings - len(report.findings)
    return "\n".join([*lines, f"  … and {hidden} more"] if hidden else lines)


@click.command("validate")
@click.argument("target")
@depth_option
@json_option
@pass_context_realm
def validate_command(ctx: Context, target: str, depth: Depth | None, as_json: bool) -> int:
    """Inspect TARGET (a file, or a quest's id) and print the report; nothing is changed."""
    path = Path(target).expanduser()
    if ID.fullmatch(target) and not path.exists():
        board = Board(ctx.realm)
        file = board.find(board.record(target).id)
        paths = [file.path] if file else existing_files([target])
    else:
        paths = existing_files([target])
    try:
        sha256 = datafiles.content_hash(paths[0])
    except FormatError:
        sha256 = ""  # damaged compression: the inspector says so with its reason
    report = gatekeeper.inspect(ctx.realm, ctx.manager, paths[0], sha256, depth or ctx.realm.config.board.inspection)

    def render() -> None:
        click.echo(f"{paths[0]}: {'ok' if report.ok else 'rejected'}, {report.samples:,} samples")
        click.echo(render_report(report))

    emit(report.to_dict(), as_json, render)
    return 0 if report.ok else EXIT_FAILED
