"""`realm vault verify`."""

from __future__ import annotations

import time
import zlib
from typing import Any

import click

from realm_cli.errors import AwayError, NotFoundError, RealmError, UsageError
from realm_cli.terminal import Context, FiniteRange, emit, human_bytes, json_option, note, pass_context_realm
from realm_cli.zones import LOCAL
from realm_vault.commands import known_assets
from realm_vault.keeper import Keeper
from realm_vault.places import Places, opened
from realm_vault.telling import events_option, say_line


@click.command("verify")
@click.argument("assets", nargs=-1)
@click.option("--zone", help="Only copies in this zone; default: all zones that answer.")
@click.option(
    "--slice", "part", metavar="N/M", help="One of M equal parts of all assets, as for one night a week: 1/7."
)
@click.option("--max-bytes", type=click.IntRange(1), help="Stop when so many bytes were hashed.")
@click.option("--max-minutes", type=FiniteRange(0, min_open=True), help="Stop after so many minutes.")
@events_option
@json_option
@pass_context_realm
def verify_command(
    ctx: Context, assets: tuple[str, ...], zone: str | None, part: str | None, max_bytes: int | None,
    max_minutes: float | None, events: bool, as_json: bool,
) -> None:  # fmt: skip
    """Hash copies again, those first that were verified longest ago. A damaged one goes to .vault/quarantine, and a good
    copy takes its place where there is one.

    Exit code 1 when a copy was damaged.
    """
    deadline = time.monotonic() + (max_minutes or 1e9) * 60
    rows: list[dict[str, Any]] = []
    done = 0
    with opened(ctx.realm, ctx.manager) as places:
        keeper = Keeper(ctx.realm, ctx.manager, places)
        away: set[str] = set()
        keeper.scan()
        for name, where, size in _to_verify(keeper, places, assets, zone, _slice(part)):
            if time.monotonic() > deadline or (max_bytes is not None and done and done + size > max_bytes):
                break
            if where in away:
                continue
            try:
                wrong = keeper.verify(name, where)
            except AwayError as error:
                if zone:
                    raise
                away.add(where)
                note(f"warning: {error.message}")
                continue
            except NotFoundError as error:  # gone since it was listed
                note(f"warning: {error.message}")
                continue
            done += size
            row: dict[str, Any] = {"id": name, "zone": where, "size": size, "ok": not wrong, "wrong": wrong}
            rows.append({**row, "mended": bool(wrong) and _mended(keeper, name, where)})
            if events:
                say_line("verified", **rows[-1])
    damaged = [row for row in rows if not row["ok"]]
    document = {"verified": len(rows), "bytes": done, "damaged": damaged}
    words = f"{len(rows):,} copies verified ({human_bytes(done)}), {len(damaged)} damaged"
    if events:
        say_line("done", **document)
    else:
        emit(document, as_json, lambda: click.echo(words))
    for row in damaged:
        note(f"error: {row['id']} in zone {row['zone']} is damaged: {row['wrong'][0]}; {_fate(row)}")
    if damaged:
        raise SystemExit(RealmError.exit_code)


def _fate(row: dict[str, Any]) -> str:
    if row["zone"] == LOCAL and not row["id"].startswith("checkpoint_"):
        return "it stays, as the realm works with it: put a good copy in its place"
    aside = "it lies in .vault/quarantine there"
    return f"{aside}, and a good copy in its place" if row["mended"] else f"{aside}; no good copy took its place"


def _mended(keeper: Keeper, name: str, zone: str) -> bool:
    try:
        return keeper.mend(name, zone)
    except RealmError as error:
        note(f"warning: {name} could not be put back into zone {zone}: {error.message}")
        return False


def _slice(text: str | None) -> tuple[int, int]:
    if text is None:
        return 1, 1
    part, slash, parts = text.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise UsageError(f"'{text}' is no slice", "give N/M with N from 1 to M, as 1/7")
    return int(part), int(parts)


def _to_verify(
    keeper: Keeper, places: Places, assets: tuple[str, ...], zone: str | None, part: tuple[int, int]
) -> list[tuple[str, str, int]]:
    """(asset, zone, size) of copies; what is new or was verified long ago comes first, so a stopped run is gone on with."""
    if zone:
        places.check(zone)
    wanted = {keeper.get(one).id for one in assets}
    copies = [
        (copy.verified_at, name, where, one.size)
        for name, one in known_assets(keeper)
        if (not wanted or name in wanted) and zlib.crc32(name.encode()) % part[1] == part[0] - 1
        for where, copy in one.locations.items()
        if copy.digest == one.digest and zone in (None, where) and where in places.names()
    ]
    return [(name, where, size) for _, name, where, size in sorted(copies)]
