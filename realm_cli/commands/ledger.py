"""`realm ledger`: every checkpoint and its true statistics."""

from __future__ import annotations

from typing import Any

import click

from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.checkpoints import extract_step, is_step
from realm_cli.errors import UsageError
from realm_cli.ledger import METRICS, Ledger
from realm_cli.terminal import Context, emit, facts, human_bytes, json_option, pass_context_realm, table

hero_option = click.option("--hero", metavar="ID", help="Another hero than the active one.")


def _ledger(ctx: Context, hero: str | None) -> Ledger:
    """The ledger of a hero, of one whose configuration is gone as well."""
    ledger = Ledger(ctx.realm, hero)
    ctx.realm.hero_file(ledger.hero)  # refuses an id that could leave the folder
    if not ledger.folder.is_dir():
        ctx.realm.hero(ledger.hero)
    return ledger


def _loss(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


@click.command("list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many; the newest first.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@hero_option
@json_option
@pass_context_realm
def list_command(ctx: Context, limit: int, everything: bool, hero: str | None, as_json: bool) -> None:
    """List checkpoints, newest first."""
    ledger = _ledger(ctx, hero)
    records = ledger.list_all(None if everything or as_json else limit)

    def render() -> None:
        rows = [
            {
                "step": record.step, "checkpoint": record.canonical_name, "loss": _loss(record.train_loss),
                "val": _loss(record.val_loss), "size": human_bytes(record.size), "for": record.saved_for,
            }
            for record in records
        ]  # fmt: skip
        click.echo(table(rows, ["step", "checkpoint", "loss", "val", "size", "for"]) if rows else "no checkpoint yet")

    emit([ledger.as_json(record) for record in records], as_json, render)


def _show(ledger: Ledger, record: LedgerRecord, as_json: bool) -> None:
    def render() -> None:
        trained = ", ".join(f"{share.name} ({share.samples} samples)" for share in record.quests)
        click.echo(
            facts(
                [
                    ("checkpoint", record.canonical_name),
                    ("hero", record.hero),
                    ("path", ledger.path_of(record) or "deleted"),
                    ("saved", f"{record.created_at} for {record.saved_for}"),
                    ("train loss", _loss(record.train_loss)),
                    ("val loss", _loss(record.val_loss)),
                    ("lr", f"{record.learning_rate:.3g}"),
                    ("epoch", f"{record.epoch:.3f}"),
                    ("seen", f"{record.samples_seen:,} samples, {record.tokens_seen:,} trained tokens"),
                    ("parent", record.parent or "step 0"),
                    ("since parent", trained),
                    ("weights", record.weights_sha256),
                    ("template", record.template_sha256),
                    ("size", human_bytes(record.size)),
                ]
            )
        )

    emit(ledger.as_json(record), as_json, render)


def parse_step(text: str) -> int:
    """A step given as number or as a checkpoint's name."""
    return int(text) if is_step(text) else extract_step(text)


@click.command("show")
@click.argument("checkpoint")
@hero_option
@json_option
@pass_context_realm
def show_command(ctx: Context, checkpoint: str, hero: str | None, as_json: bool) -> None:
    """Show one checkpoint, by step or name."""
    ledger = _ledger(ctx, hero)
    _show(ledger, ledger.get(parse_step(checkpoint)), as_json)


@click.command("latest")
@hero_option
@json_option
@pass_context_realm
def latest_command(ctx: Context, hero: str | None, as_json: bool) -> None:
    """Show the newest checkpoint."""
    ledger = _ledger(ctx, hero)
    _show(ledger, ledger.get_latest(), as_json)


@click.command("best")
@click.option("--metric", default="train_loss", show_default=True, metavar="|".join(METRICS), help="Lowest wins.")
@hero_option
@json_option
@pass_context_realm
def best_command(ctx: Context, metric: str, hero: str | None, as_json: bool) -> None:
    """Show the best checkpoint by a metric."""
    ledger = _ledger(ctx, hero)
    _show(ledger, ledger.get_best(metric), as_json)


@click.command("lineage")
@click.argument("checkpoint", required=False)
@click.option("--quest", metavar="ID", help="Which checkpoints saw this quest.")
@hero_option
@json_option
@pass_context_realm
def lineage_command(ctx: Context, checkpoint: str | None, quest: str | None, hero: str | None, as_json: bool) -> None:
    """What a checkpoint is made of, or (--quest) which checkpoints saw a quest."""
    ledger = _ledger(ctx, hero)
    if bool(checkpoint) == bool(quest):
        raise UsageError("name either a checkpoint or --quest ID")
    rows: list[dict[str, Any]]
    if quest:
        rows = [
            {"step": record.step, "name": record.canonical_name, "deleted": ledger.path_of(record) is None}
            for record in ledger.saw(quest)
        ]
        columns = ["step", "name", "deleted"]
    else:
        rows = ledger.lineage(parse_step(checkpoint or ""))
        columns = ["id", "name", "samples", "first_step", "last_step"]
    emit(rows, as_json, lambda: click.echo(table(rows, columns) if rows else "none"))
