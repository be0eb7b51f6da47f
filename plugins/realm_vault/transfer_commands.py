"""`realm vault push|fetch|pull|transfers`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from realm_cli import champions
from realm_cli.errors import RealmError
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm
from realm_cli.records import seconds_since
from realm_cli.terminal import (
    Context,
    emit,
    human_bytes,
    human_seconds,
    is_interactive,
    json_option,
    note,
    pass_context_realm,
    table,
)
from realm_cli.zones import Copying
from realm_vault import transfers, waiting
from realm_vault.assets import full_id
from realm_vault.catalog import Located
from realm_vault.keeper import Keeper, Moved
from realm_vault.places import opened
from realm_vault.telling import events_option, progress_of, say_line

PARALLEL = 3
"""Assets that are on their way at once."""
SMALL = 100_000_000
"""Checkpoints of fewer bytes travel together."""
TOGETHER = 50
"""So many at once: their paths are arguments of one command, which may not be too long."""
limit_option = click.option("--limit-kb", type=click.IntRange(1), help="Kilobytes a second at most, for each asset.")
Report = Callable[[str], Callable[[int], None] | None]


@click.command("push")
@click.argument("assets", nargs=-1)
@click.option("--zone", required=True, help="Where to.")
@limit_option
@events_option
@json_option
@pass_context_realm
def push_command(
    ctx: Context, assets: tuple[str, ...], zone: str, limit_kb: int | None, events: bool, as_json: bool
) -> None:
    """Send ASSETS to a zone; without one, the latest checkpoint and the champion.

    Every file is hashed there before the asset appears. What is cut off goes on where it was. When the zone is away,
    they wait: realm vault transfers --send.
    """
    with opened(ctx.realm, ctx.manager) as places:
        keeper = Keeper(ctx.realm, ctx.manager, places)
        places.check(zone)
        keeper.scan()
        wanted = list(dict.fromkeys(full_id(one, ctx.realm.config.hero) for one in assets or _usual(ctx.realm)))
        small = [one for one in wanted if _is_small(keeper.get(one))]
        together: dict[str, Moved] = {}
        for first in range(0, len(small) if len(small) > 1 else 0, TOGETHER):
            together |= keeper.push_together(small[first : first + TOGETHER], zone, Copying(limit_kb))

        def push(one: str, report: Report) -> Moved:
            return keeper.push(one, zone, Copying(limit_kb, report(one)))

        rest = iter(_all([one for one in wanted if one not in together], push, events=events))
        moved = [together[one] if one in together else next(rest) for one in wanted]
        for done in together.values() if events else ():
            say_line("ended", **dataclasses.asdict(done))
    _say(moved, as_json, events=events)


def _is_small(found: Located) -> bool:
    return found.asset is not None and found.asset.kind == "checkpoint" and found.asset.size < SMALL


def _usual(realm: Realm) -> list[str]:
    hero = realm.config.hero
    champion = champions.read(realm, hero)
    steps = [Ledger(realm).get_latest().step, *([champion.step] if champion else [])]
    return [f"checkpoint_{hero}_{step}" for step in steps]


@click.command("fetch")
@click.argument("asset")
@click.option("--to", "dest", type=click.Path(path_type=Path), help="A new folder or file instead of the realm.")
@limit_option
@events_option
@json_option
@pass_context_realm
def fetch_command(
    ctx: Context, asset: str, dest: Path | None, limit_kb: int | None, events: bool, as_json: bool
) -> None:
    """Bring ASSET here from the nearest zone that has it, verified, or fail."""
    with opened(ctx.realm, ctx.manager) as places:
        keeper = Keeper(ctx.realm, ctx.manager, places)

        def fetch(one: str, report: Report) -> Moved:
            return keeper.fetch(one, dest, copying=Copying(limit_kb, report(one)))

        moved = _all([asset], fetch, events=events)
    _say(moved, as_json, events=events)


@click.command("pull")
@click.argument("assets", nargs=-1, required=True)
@click.option("--zone", required=True, help="Where from.")
@limit_option
@events_option
@json_option
@pass_context_realm
def pull_command(
    ctx: Context, assets: tuple[str, ...], zone: str, limit_kb: int | None, events: bool, as_json: bool
) -> None:
    """Bring ASSETS here from one zone, verified."""
    with opened(ctx.realm, ctx.manager) as places:
        keeper = Keeper(ctx.realm, ctx.manager, places)
        places.check(zone)
        keeper.scan(zone)

        def pull(one: str, report: Report) -> Moved:
            return keeper.fetch(one, zone=zone, copying=Copying(limit_kb, report(one)))

        moved = _all(list(dict.fromkeys(assets)), pull, events=events)
    _say(moved, as_json, events=events)


@click.command("transfers")
@click.option("--send", is_flag=True, help="Send what waits for a zone.")
@json_option
@pass_context_realm
def transfers_command(ctx: Context, send: bool, as_json: bool) -> None:
    """List transfers, newest first: queued, running, done, failed."""
    if send:
        _send_waiting(ctx)
    rows = [record.to_dict() for record in transfers.read_all(ctx.realm)]
    shown = [
        {**row, "size": human_bytes(row["size"]), "asked": f"{human_seconds(seconds_since(row['asked_at']))} ago"}
        for row in rows[:30]
    ]
    columns = ["asset", "direction", "zone", "size", "state", "asked"]
    emit(rows, as_json, lambda: click.echo(table(shown, columns)))
    for row in rows[:30]:
        if row["reason"] and row["state"] == "queued" and not as_json:
            note(f"{row['asset']}: {row['reason']}")


def _send_waiting(ctx: Context) -> None:
    with opened(ctx.realm, ctx.manager) as places:
        for one in waiting.send(Keeper(ctx.realm, ctx.manager, places)):
            if one.state == "failed":
                note(f"error: {one.asset}: {one.reason}")


# -- several at once ---------------------------------------------------------------------------------------------


def _all(wanted: list[str], work: Callable[[str, Report], Moved], *, events: bool) -> list[Moved | RealmError]:
    """Move every asset, a few at a time; what fails keeps no other from being moved."""

    def one(asset: str) -> Moved | RealmError:
        if events:
            say_line("begun", asset=asset)
        try:
            moved = work(asset, report)
        except RealmError as error:
            if events:
                say_line("failed", asset=asset, error=error.message, hint=error.hint)
            return error
        if events:
            say_line("ended", **dataclasses.asdict(moved))
        return moved

    with _progress(events) as report, ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(one, wanted))


@contextmanager
def _progress(events: bool) -> Iterator[Report]:
    """A line for each asset on a terminal, nothing elsewhere; or events."""
    if events:
        yield progress_of
        return
    if not is_interactive():
        yield lambda asset: None
        return
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    with Progress("{task.description}", DownloadColumn(), TransferSpeedColumn(), transient=True) as shown:

        def report(asset: str) -> Callable[[int], None]:
            task = shown.add_task(asset, total=None)
            return lambda count: shown.update(task, completed=count)

        yield report


def _say(moved: list[Moved | RealmError], as_json: bool, *, events: bool) -> None:
    """What became of each; the first error is raised when all is said."""
    good = [one for one in moved if isinstance(one, Moved)]
    rows: list[dict[str, Any]] = [dataclasses.asdict(one) for one in good]
    shown = [{**row, "size": human_bytes(row["bytes"]), "time": human_seconds(row["seconds"])} for row in rows]
    if (rows or as_json) and not events:
        emit(rows, as_json, lambda: click.echo(table(shown, ["asset", "zone", "state", "size", "time"])))
    for one in good:
        if one.state == "queued":
            note(f"{one.asset} waits for zone {one.zone}: {one.reason}")
    errors = [one for one in moved if isinstance(one, RealmError)]
    for error in errors[1:]:
        note(f"error: {error.message}")
    if errors:
        raise errors[0]
