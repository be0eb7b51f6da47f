"""`realm battle status|log`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import click
from msgspec.structs import asdict

from realm_cli import status
from realm_cli.errors import NotFoundError
from realm_cli.statusview import render
from realm_cli.terminal import Context, emit, json_option, pass_context_realm
from realm_cli.watchtower import gaze

POLL_SECONDS = 0.2


@click.command("status")
@json_option
@pass_context_realm
def status_command(ctx: Context, as_json: bool) -> None:
    """What the battle is doing, with all that it wrote."""
    written = status.read(ctx.realm)
    snapshot = gaze(ctx.realm, ctx.manager)
    data = {**asdict(snapshot.battle), "written": written.to_dict() if written else None}
    emit(data, as_json, lambda: click.echo(render(snapshot)))


@click.command("log")
@click.option("-f", "--follow", is_flag=True, help="Go on showing new lines until interrupted.")
@click.option("-n", "--lines", type=click.IntRange(0), default=20, show_default=True, help="Lines to begin with.")
@pass_context_realm
def log_command(ctx: Context, follow: bool, lines: int) -> None:
    """Show the battle's log."""
    path = ctx.realm.logs / "battle.log"
    if not path.exists() and not follow:
        raise NotFoundError("there is no battle log yet", "start a battle: realm battle start")
    for line in _last(path, lines):
        click.echo(line)
    if follow:
        for line in _new_lines(path):
            click.echo(line)


def _last(path: Path, count: int) -> list[str]:
    if not path.exists() or count == 0:
        return []
    return path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]


def _new_lines(path: Path) -> Iterator[str]:
    """Lines as they come; a rotated log is followed into its successor."""
    position = path.stat().st_size if path.exists() else 0
    inode = path.stat().st_ino if path.exists() else None
    rest = ""
    while True:
        if path.exists():
            facts = path.stat()
            if facts.st_ino != inode or facts.st_size < position:
                inode, position = facts.st_ino, 0
            with open(path, encoding="utf-8", errors="replace") as file:
                file.seek(position)
                rest += file.read()
                position = file.tell()
            *whole, rest = rest.split("\n")
            yield from whole
        time.sleep(POLL_SECONDS)
