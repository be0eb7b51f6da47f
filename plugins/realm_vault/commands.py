"""`realm vault scan|list|locate|whereis|zones`."""

from __future__ import annotations

import time
from typing import Any

import click
import msgspec

from realm_cli.errors import AwayError, NotFoundError, RealmError
from realm_cli.records import seconds_since
from realm_cli.terminal import (
    Context,
    emit,
    human_bytes,
    human_seconds,
    json_option,
    note,
    pass_context_realm,
    quiet_option,
    table,
)
from realm_cli.zones import KINDS, LOCAL
from realm_vault.alarms import missing
from realm_vault.keeper import Keeper
from realm_vault.places import Places, opened
from realm_vault.records import Asset

PAGE = 100
"""Assets that are listed unless more are asked for."""


@click.command("scan")
@click.option("--zone", "zones", multiple=True, help="Only this one; may be given again. Default: all that answer.")
@click.option("--again", is_flag=True, help="Hash every file anew, whatever its size and time say.")
@json_option
@quiet_option
@pass_context_realm
def scan_command(ctx: Context, zones: tuple[str, ...], again: bool, as_json: bool, quiet: bool) -> None:
    """Look what lies in the zones and write it into the catalog. A zone that is away keeps what was known of it."""
    rows: list[dict[str, Any]] = []
    with opened(ctx.realm, ctx.manager) as places:
        keeper = Keeper(ctx.realm, ctx.manager, places)
        for name in zones or places.names():
            places.check(name)
            begun = time.monotonic()
            try:
                found = keeper.scan(name, again=again)
            except AwayError as error:
                if zones:
                    raise
                note(f"warning: {error.message}")
                continue
            for wrong in found.wrong:
                note(f"warning: {name}: {wrong}")
            rows.append({
                "zone": name, "assets": len(found.assets), "wrong": len(found.wrong), "hashed": found.hashed,
                "seconds": round(time.monotonic() - begun, 2),
            })  # fmt: skip
    if as_json or not quiet:
        shown = [{**row, "hashed": human_bytes(row["hashed"])} for row in rows]
        emit(rows, as_json, lambda: click.echo(table(shown, ["zone", "assets", "wrong", "hashed", "seconds"])))


@click.command("list")
@click.option("--kind", type=click.Choice(KINDS), help="Only assets of this kind.")
@click.option("--zone", help="Only what has a copy in this zone.")
@click.option("--limit", type=click.IntRange(0), default=PAGE, show_default=True, help="So many; 0 = all.")
@json_option
@pass_context_realm
def list_command(ctx: Context, kind: str | None, zone: str | None, limit: int, as_json: bool) -> None:
    """List assets, newest checkpoints first, with the zones that hold a copy."""
    with opened(ctx.realm, ctx.manager) as places:
        if zone:
            places.check(zone)
        known = known_assets(Keeper(ctx.realm, ctx.manager, places))
    found = [(name, one) for name, one in known if kind in (None, one.kind) and (not zone or zone in one.locations)]
    rows = [_row(name, one) for name, one in found[: limit or None]]
    shown = [{**row, "size": human_bytes(row["size"]), "zones": ", ".join(row["zones"])} for row in rows]
    emit(rows, as_json, lambda: click.echo(table(shown, ["id", "size", "files", "zones"])))
    if len(rows) < len(found) and not as_json:
        note(f"{len(found) - len(rows):,} more: --limit 0")


def known_assets(keeper: Keeper) -> list[tuple[str, Asset]]:
    """All assets in the order of their kinds, the newest steps first."""
    if not keeper.catalog.is_known:
        keeper.scan()
    known = keeper.catalog.read().assets.items()
    return sorted(known, key=lambda item: (KINDS.index(item[1].kind), -item[1].step, item[0]))


def _row(name: str, asset: Asset) -> dict[str, Any]:
    copies = [zone for zone, copy in asset.locations.items() if copy.digest == asset.digest]
    return {
        "id": name, "kind": asset.kind, "path": asset.path, "size": asset.size, "files": asset.files,
        "digest": asset.digest, "zones": copies,
    }  # fmt: skip


@click.command("locate")
@click.argument("asset")
@json_option
@pass_context_realm
def locate_command(ctx: Context, asset: str, as_json: bool) -> None:
    """Show where ASSET is: here before a NAS before other machines. Exit code 4 when no zone has it."""
    with opened(ctx.realm, ctx.manager) as places:
        found = Keeper(ctx.realm, ctx.manager, places).locate(asset)
    locations = [{"zone": zone, **msgspec.to_builtins(copy)} for zone, copy in found.copies]
    document = {
        "id": found.id, "found": found.found, "best": locations[0] if locations else None, "locations": locations,
        "others": [{"zone": zone, **msgspec.to_builtins(copy)} for zone, copy in found.others],
    }  # fmt: skip
    if not found.found and not as_json:
        raise NotFoundError(f"no zone has {found.id}", "look again: realm vault scan")
    shown = [{**row, "verified": _age(row["verified_at"])} for row in locations]
    emit(document, as_json, lambda: click.echo(table(shown, ["zone", "path", "verified"])))
    for zone, copy in found.others:
        note(f"warning: zone {zone} has another content under this name: {copy.path}")
    if not found.found:
        raise SystemExit(NotFoundError.exit_code)


def _age(moment: str) -> str:
    return f"{human_seconds(seconds_since(moment))} ago" if moment else "never"


@click.command("whereis")
@click.argument("assets", nargs=-1)
@click.option("--kind", type=click.Choice(KINDS), help="Only assets of this kind.")
@json_option
@pass_context_realm
def whereis_command(ctx: Context, assets: tuple[str, ...], kind: str | None, as_json: bool) -> None:
    """Show which zones hold which asset: `ok` = verified, `yes` = seen, `other` = another content, `-` = not there."""
    with opened(ctx.realm, ctx.manager) as places:
        keeper, zones = Keeper(ctx.realm, ctx.manager, places), places.names()
        wanted = {keeper.get(one).id for one in assets}
        known = [(name, one) for name, one in known_assets(keeper) if not wanted or name in wanted]
    rows = [
        {"id": name, **{zone: _cell(one, zone) for zone in zones}} for name, one in known if kind in (None, one.kind)
    ]
    shown = rows if wanted else rows[:PAGE]
    emit(rows, as_json, lambda: click.echo(table(shown, ["id", *zones])))
    if len(shown) < len(rows) and not as_json:
        note(f"{len(rows) - len(shown):,} more: --json shows all")


def _cell(asset: Asset, zone: str) -> str | None:
    copy = asset.locations.get(zone)
    if copy is None:
        return None
    if copy.digest != asset.digest:
        return "other"
    return "ok" if copy.verified_at else "yes"


@click.command("zones")
@click.option("--check", is_flag=True, help="Reach every zone now.")
@json_option
@pass_context_realm
def zones_command(ctx: Context, check: bool, as_json: bool) -> None:
    """List the zones: type, host, assets, when they were scanned; with --check free space, latency and state."""
    with opened(ctx.realm, ctx.manager) as places:
        keeper = Keeper(ctx.realm, ctx.manager, places)
        rows = [_zone_row(keeper, places, name, check) for name in places.names()]
        late = missing(keeper)
    shown = [
        {
            **row, "size": human_bytes(row["size"]), "free": None if row["free"] is None else human_bytes(row["free"]),
            "scanned": _age(row["scanned"] or ""),
            "seen": "here" if row["zone"] == LOCAL else _age(row["seen"] or ""),
            "latency": None if row["latency_s"] is None else f"{row['latency_s'] * 1000:.0f} ms",
        }
        for row in rows
    ]  # fmt: skip
    columns = [
        "zone",
        "type",
        "host",
        "assets",
        "size",
        "scanned",
        "seen",
        *(["free", "latency", "state"] if check else []),
    ]
    emit(rows, as_json, lambda: click.echo(table(shown, columns)))
    for name, days in late.items() if not as_json else ():
        note(f"warning: nothing new reached {name} for {human_seconds(days * 86_400)}")
    for row in rows:
        if row["why"] and not as_json:
            note(f"{row['zone']}: {row['why']}")


def _zone_row(keeper: Keeper, places: Places, name: str, check: bool) -> dict[str, Any]:
    config, record = places.config(name), keeper.catalog.read()
    held = [one for one in record.assets.values() if name in one.locations]
    row: dict[str, Any] = {
        "zone": name, "type": config.type, "host": config.host or None, "root": config.root, "assets": len(held),
        "size": sum(one.size for one in held), "scanned": record.scanned.get(name), "seen": places.seen(name) or None, "free": None, "total": None,
        "latency_s": None, "state": None, "why": "",
    }  # fmt: skip
    if check:
        try:
            state = places.zone(name).state()
        except RealmError as error:
            return {**row, "state": "away" if isinstance(error, AwayError) else "refused", "why": _why(error)}
        row |= {"free": state.free, "total": state.total, "latency_s": round(state.latency_s, 4), "state": "ok"}
        if abs(state.clock_ahead_s) > 60:
            row["why"] = (
                f"its clock is {human_seconds(abs(state.clock_ahead_s))} {'ahead' if state.clock_ahead_s > 0 else 'behind'}"
            )
    return row


def _why(error: RealmError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message
