"""`realm vault pin|unpin|rm|prune|restore`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import click

from realm_cli import pins, risks
from realm_cli.errors import NotFoundError
from realm_cli.process import user_name
from realm_cli.records import seconds_since
from realm_cli.terminal import Context, emit, human_bytes, human_seconds, json_option, note, pass_context_realm, table
from realm_cli.zones import LOCAL
from realm_vault.assets import full_id
from realm_vault.dropping import Dropper
from realm_vault.keeper import Keeper
from realm_vault.places import opened
from realm_vault.pruning import carry_out, plan


@contextmanager
def _dropper(ctx: Context) -> Iterator[tuple[Keeper, Dropper]]:
    with opened(ctx.realm, ctx.manager) as places:
        keeper = Keeper(ctx.realm, ctx.manager, places)
        yield keeper, Dropper(ctx.realm, ctx.manager, keeper)


@click.command("pin")
@click.argument("asset", required=False)
@click.option("--why", default="", help="Kept on record.")
@json_option
@pass_context_realm
def pin_command(ctx: Context, asset: str | None, why: str, as_json: bool) -> None:
    """Let ASSET stay wherever it is; without one, list what is pinned."""
    if asset is not None:
        with _dropper(ctx) as (keeper, _):
            pins.pin(ctx.realm, keeper.get(asset).id, why, user_name())
    rows = [
        {"asset": name, "why": one.why or None, "by": one.by, "at": one.at}
        for name, one in pins.read(ctx.realm).items()
    ]
    shown = [{**row, "pinned": f"{human_seconds(seconds_since(str(row['at'])))} ago"} for row in rows]
    emit(rows, as_json, lambda: click.echo(table(shown, ["asset", "why", "by", "pinned"])))


@click.command("unpin")
@click.argument("asset")
@pass_context_realm
def unpin_command(ctx: Context, asset: str) -> None:
    """Let a pinned ASSET go again."""
    name = full_id(asset, ctx.realm.config.hero)
    if not pins.unpin(ctx.realm, name):
        raise NotFoundError(f"{name} is not pinned", "see: realm vault pin")
    click.echo(f"{name} is no longer pinned")


@click.command("rm")
@click.argument("asset")
@click.option("--zone", required=True, help="Whose copy; local = this realm's.")
@click.option("--reason", default="asked for", show_default=True, help="Kept on record.")
@click.option("--dry-run", is_flag=True, help="Say whether it would be deleted, and delete nothing.")
@pass_context_realm
def rm_command(ctx: Context, asset: str, zone: str, reason: str, dry_run: bool) -> None:
    """Move one copy of ASSET into its zone's trash. Refused where it is needed, or too few other copies are there."""
    with _dropper(ctx) as (_, dropper):
        name = dropper.drop(asset, zone, reason, dry_run=dry_run)
    back = f"bring it back: realm vault restore {name} --zone {zone}"
    click.echo(
        f"{name} would go to the trash of zone {zone}" if dry_run else f"{name} went to the trash of zone {zone}"
    )
    if not dry_run:
        note(back)


@click.command("prune")
@click.option("--zone", "zones", multiple=True, help="Only this one; may be given again. Default: all with rules.")
@click.option("--apply", is_flag=True, help="Do it; without it nothing is deleted.")
@json_option
@pass_context_realm
def prune_command(ctx: Context, zones: tuple[str, ...], apply: bool, as_json: bool) -> None:
    """Show what the rules of the zones (`keep` in zones.yaml) would delete, and why the others stay.

    With --apply what no rule keeps goes to the trash, copy by copy, each checked at that moment; what lies in the trash
    longer than trash_days is deleted.
    """
    rows: list[dict[str, object]] = []
    with _dropper(ctx) as (keeper, dropper):
        if apply:
            for old in dropper.empty_trash(LOCAL):  # first: an archive needs room
                note(f"{old.record.id} was deleted for good from the trash of zone {LOCAL}")
            risks.before(ctx.realm, ctx.manager, "pruning")
        for zone in zones or [name for name in keeper.places.names() if keeper.places.config(name).keep]:
            keeper.places.check(zone)
            keeper.scan(zone)
            for verdict in plan(ctx.realm, keeper, dropper, zone):
                rows.append({**dataclasses.asdict(verdict), "outcome": carry_out(dropper, verdict, apply=apply)})
            for old in dropper.empty_trash(zone) if apply else []:
                note(f"{old.record.id} was deleted for good from the trash of zone {zone}")
    shown = [{**row, "size": human_bytes(float(str(row["size"])))} for row in rows]
    emit(rows, as_json, lambda: click.echo(table(shown, ["zone", "asset", "size", "outcome", "reason"])))
    if not apply and any(row["drop"] for row in rows):
        note("nothing was deleted; do it: realm vault prune --apply")


@click.command("restore")
@click.argument("asset", required=False)
@click.option("--zone", default=LOCAL, show_default=True, help="Whose trash.")
@json_option
@pass_context_realm
def restore_command(ctx: Context, asset: str | None, zone: str, as_json: bool) -> None:
    """Bring ASSET back from a zone's trash; without one, list the trash."""
    with _dropper(ctx) as (keeper, dropper):
        keeper.places.check(zone)
        if asset is not None:
            dropper.restore(asset, zone)
            note(f"{asset} is back in zone {zone}")
        rows = [
            {
                "asset": one.record.id,
                "size": one.record.size,
                "dropped": one.record.dropped_at,
                "reason": one.record.reason,
            }
            for one in dropper.trash(zone)
        ]
    shown = [
        {
            **row, "size": human_bytes(float(str(row["size"]))),
            "dropped": f"{human_seconds(seconds_since(str(row['dropped'])))} ago",
        }
        for row in rows
    ]  # fmt: skip
    if asset is None or as_json:
        emit(rows, as_json, lambda: click.echo(table(shown, ["asset", "size", "dropped", "reason"])))
