"""`realm task list|available|status|log`."""

from __future__ import annotations

import sys
from typing import Any

import click
import msgspec

from realm_cli import services, task_records
from realm_cli.gpus import LocalGpus
from realm_cli.jobs import open_runner
from realm_cli.records import seconds_since
from realm_cli.task_records import GpuStanding, TaskRun
from realm_cli.terminal import (
    Context,
    emit,
    facts,
    fold,
    human_bytes,
    human_seconds,
    json_option,
    pass_context_realm,
    quiet_option,
    table,
)
from realm_taskmaster.master import TaskMaster
from realm_taskmaster.service import NAME
from realm_taskmaster.standing import NO_MASTER, available, standings

SHOWN = 20
"""Ended runs that the status lists."""


@click.command("list")
@json_option
@pass_context_realm
def list_command(ctx: Context, as_json: bool) -> None:
    """List the tasks, the highest priority first, with why each does not run now and when it is looked at next."""
    found = standings(ctx.realm, ctx.manager)
    rows = [msgspec.to_builtins(one) for one in found]
    shown = [{**row, "on": "yes" if row["enabled"] else "no", "next": _clock(row["next"])} for row in rows]
    emit(rows, as_json, lambda: click.echo(_shortened(shown)))


def _clock(moment: str | None) -> str | None:
    """By the clock on the wall."""
    from datetime import datetime

    return datetime.fromisoformat(moment).astimezone().strftime("%H:%M:%S") if moment else None


def _shortened(rows: list[dict[str, Any]]) -> str:
    """As a table that fits 80 columns: the reasons stand below it, one a line."""
    lines = [table(rows, ["priority", "id", "gpu", "on", "next"]), ""]
    why = (f"{row['id']}: {row['reason'] or 'it runs, or is started now'}" for row in rows)
    return "\n".join([*lines, *map(fold, why)])


@click.command("available")
@json_option
@quiet_option
@pass_context_realm
def available_command(ctx: Context, as_json: bool, quiet: bool) -> None:
    """List the tasks that may run now. Where a GPU is needed it is watched first, unless a task master does so."""
    master = TaskMaster.of(ctx.realm, ctx.manager)
    try:
        found = available(master)
    finally:
        master.close()
    rows: list[dict[str, Any]] = [
        {"id": task.id, "priority": one.priority, "gpu": task.gpu} for one in found for task in (one.task,)
    ]
    if quiet:
        for row in rows:
            click.echo(row["id"])
    else:
        emit(rows, as_json, lambda: click.echo(table(rows, ["priority", "id", "gpu"])))


@click.command("status")
@json_option
@pass_context_realm
def status_command(ctx: Context, as_json: bool) -> None:
    """Show the task master, the GPUs, what runs and waits, and the last runs."""
    realm = ctx.realm
    master, service = task_records.master(realm), services.running(realm, NAME)
    cards, no_gpu = (master.gpus, master.no_gpu) if master else _cards_now()
    document: dict[str, Any] = {
        "master": None
        if master is None
        else {
            "pid": master.process.pid, "url": service.url if service else None, "looked_at": master.looked_at,
            "next_look": master.next_look, "host": master.host or None,
        },
        "gpus": msgspec.to_builtins(cards),
        "no_gpu": no_gpu,
        "running": msgspec.to_builtins(task_records.running(realm)),
        "queue": msgspec.to_builtins(task_records.queued(realm)),
        "last": msgspec.to_builtins(task_records.history(realm, SHOWN)),
    }  # fmt: skip

    def render() -> None:
        where = f"pid {master.process.pid}, next look {_clock(master.next_look)}" if master else NO_MASTER
        click.echo(facts([("task master", where), ("API", service.url if service else ""), ("GPUs", no_gpu)]))
        for one in cards:
            click.echo(_card(one))
        for run in (*task_records.running(realm), *task_records.queued(realm)):
            click.echo(f"{run.state:<8}  {run.id}")
        _render_last(task_records.history(realm, SHOWN))

    emit(document, as_json, render)


def _cards_now() -> tuple[list[GpuStanding], str]:
    """This machine's cards at one look, which makes no average."""
    reading = LocalGpus().read()
    return [GpuStanding(card=card, state="unknown") for card in reading.gpus], reading.reason


def _card(one: GpuStanding) -> str:
    memory = f"{human_bytes(one.card.memory_used)} of {human_bytes(one.card.memory_total)}"
    average = "" if one.average is None else f", {one.average:.0f} % over the window"
    heat = "" if one.card.temperature is None else f", {one.card.temperature} °C"
    return f"GPU {one.card.index} ({one.card.name}): {one.state}{average}, {memory}{heat}"


def _render_last(runs: list[TaskRun]) -> None:
    if runs:
        click.echo()
    for run in runs:
        ago = human_seconds(max(0.0, seconds_since(run.ended_at)))
        click.echo(fold(f"{run.state:<9}  {run.name}, {ago} ago: {run.said or run.reason}", indent=11))


@click.command("log")
@click.argument("run")
@pass_context_realm
def log_command(ctx: Context, run: str) -> None:
    """Print what RUN said; a flood is cut in the middle."""
    found = task_records.find(ctx.realm, run)
    runner, offset = open_runner(ctx.realm, ctx.manager), 0
    while (piece := runner.logs(found.id, offset)).data:
        sys.stdout.buffer.write(piece.data)
        offset = piece.offset
    sys.stdout.buffer.flush()
