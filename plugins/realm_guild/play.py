"""`realm play`: forge the first lessons when nothing waits, start a battle, and show it until the board is empty."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from realm_cli import status
from realm_cli.errors import EXIT_FAILED
from realm_cli.founding import found
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm
from realm_cli.records import TrainingStatus
from realm_cli.terminal import Context, human_seconds, is_interactive, pass_context_realm
from realm_guild import lessons

if TYPE_CHECKING:
    from rich.console import RenderableType

POLL_SECONDS = 0.25
PLAIN_SECONDS = 5.0


@click.command("play")
@pass_context_realm
def play_command(ctx: Context) -> int:
    """Forge quests of BIN levels 1 to 3 when the board is empty, and train to the end of the board.

    Ctrl-C saves and stops; the same command goes on later.
    """
    realm, _ = found(ctx.realm.root)
    if status.battle_process(realm) is not None:
        click.echo("a battle runs already; watch it with: realm status, realm battle log -f")
        return 0
    _fill_board(ctx, realm)
    code = _watch(realm)
    _summary(realm)
    return code


def _fill_board(ctx: Context, realm: Realm) -> None:
    lessons.make_held_out(realm, ctx.manager)
    if lessons.board_is_empty(realm):
        for record in lessons.forge_lessons(realm, ctx.manager):
            click.echo(f"forged   {record.name}, {record.samples:,} samples")
    else:
        click.echo("the board has quests already; they are trained first")


@contextlib.contextmanager
def _battle(realm: Realm) -> Iterator[subprocess.Popen[bytes]]:
    """The battle in a process of its own; however we leave, it is asked to save and stop, and waited for."""
    line = [sys.executable, "-m", "realm_cli", "--realm", str(realm.root), "battle", "start", "--until-empty", "-q"]
    process = subprocess.Popen(line, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(KeyboardInterrupt):
                click.echo("saving and stopping; a moment")
            process.wait()


def _watch(realm: Realm) -> int:
    """Show the battle until it ends; its exit code, or 130 after Ctrl-C."""
    with _battle(realm) as process:
        try:
            if is_interactive():
                _live(realm, process)
            else:
                _plain(realm, process)
        except KeyboardInterrupt:
            return 130
        return EXIT_FAILED if process.wait() else 0


def _mine(realm: Realm, process: subprocess.Popen[bytes]) -> TrainingStatus | None:
    seen = status.read(realm)
    return seen if seen is not None and seen.process.pid == process.pid else None


def _line(seen: TrainingStatus) -> str:
    if seen.state != "training":
        return f"{seen.state}{': ' + seen.reason if seen.reason else ''}, step {seen.step:,}"
    done = 100 * seen.samples_done / max(1, seen.samples_total)
    return (
        f"step {seen.step:,}  {seen.quest_name}  {done:.0f} %  loss {seen.smoothed_loss or 0:.4f}  "
        f"{seen.tokens_per_s or 0:,.0f} trained tokens/s  board {human_seconds(seen.board_eta_s)} left"
    )


def _plain(realm: Realm, process: subprocess.Popen[bytes]) -> None:
    """Lines now and then, for logs and pipes."""
    told = 0.0
    while process.poll() is None:
        seen = _mine(realm, process)
        if seen is not None and time.monotonic() - told > PLAIN_SECONDS:
            told = time.monotonic()
            click.echo(_line(seen))
        time.sleep(POLL_SECONDS)


def _live(realm: Realm, process: subprocess.Popen[bytes]) -> None:
    """A picture that renews itself."""
    from rich.live import Live

    with Live(refresh_per_second=4) as live:
        while process.poll() is None:
            seen = _mine(realm, process)
            if seen is not None:
                live.update(_picture(seen))
            time.sleep(POLL_SECONDS)


def _picture(seen: TrainingStatus) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding
    from rich.panel import Panel
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    powers = f"{_power('ATK', 'loss', seen.smoothed_loss)}   {_power('DEF', 'val loss', seen.val_loss)}"
    doing = f"quest    {seen.quest_name}" if seen.state == "training" else _line(seen)
    left = f"left     quest {human_seconds(seen.eta_s)}, board {human_seconds(seen.board_eta_s)}"
    parts: list[RenderableType] = [
        Text(f"level {seen.step // 1000}   XP {seen.step:,}   {powers}", style="bold"),
        Text(""),
        Text(doing, overflow="ellipsis", no_wrap=True),
        Padding(ProgressBar(total=max(1, seen.samples_total), completed=seen.samples_done), 0),  # it ends its line
        Text(f"{left}   {seen.tokens_per_s or 0:,.0f} trained tokens/s"),
    ]
    if seen.sample is not None:
        parts += [Text(""), Text(f"lesson   {_plain_text(seen.sample.prompt)}")]
        parts += [Text(f"answer   {_plain_text(seen.sample.golden)}", style="green")]
    return Panel(Group(*parts), title=f"⚔ {seen.hero}", subtitle="Ctrl-C saves and stops", width=80)


def _power(name: str, what: str, loss: float | None) -> str:
    """A game number with its real meaning beside it: 1/loss and the loss."""
    return f"{name} {1 / loss:.2f} ({what} {loss:.4f})" if loss else f"{name} - ({what} unknown)"


def _plain_text(text: str) -> str:
    """A lesson without the template's marks, in one short line."""
    words = re.sub(r"<\|[a-z_]+\|>", " ", text).split()
    return " ".join(words)[:68]


def _summary(realm: Realm) -> None:
    """Where the hero stands now."""
    ledger = Ledger(realm)
    if not ledger.steps():
        click.echo("no checkpoint was saved; see why: realm battle log")
        return
    latest = ledger.get_latest()
    losses = " ".join(
        f"{name} {value:.4f}"
        for name, value in (("loss", latest.train_loss), ("val loss", latest.val_loss))
        if value is not None
    )
    click.echo(f"{latest.hero} stands at step {latest.step:,}: {losses}")
    click.echo(f"checkpoint {ledger.path_of(latest)}")
    click.echo("again: realm play; more: realm status, realm ledger list, realm quest list")
