"""`realm battle start|check`."""

from __future__ import annotations

import logging
import logging.handlers
import sys
import time

import click

from realm_arena import spinning, stacks
from realm_cli.callbacks import Orders
from realm_cli.errors import UsageError
from realm_cli.realm import Realm
from realm_cli.skillbook import goals_of
from realm_cli.terminal import Context, emit, json_option, pass_context_realm, quiet_option


class BattleLog(logging.handlers.RotatingFileHandler):
    """The log in the realm. A full disk takes lines from it, not from the terminal, and prints no traceback there."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Let a full disk pass; show all else."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


def log_to_file(realm: Realm, quiet: bool) -> None:
    """The battle's log lines go to `logs/battle.log`, and to the terminal unless quiet."""
    realm.logs.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("realm")
    logger.setLevel(logging.INFO)
    form = logging.Formatter("%(asctime)sZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    form.converter = time.gmtime
    file = BattleLog(realm.logs / "battle.log", maxBytes=5_000_000, backupCount=3, encoding="utf-8")
    file.setFormatter(form)
    logger.handlers = [file]
    screen = logging.StreamHandler(sys.stderr)
    screen.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    screen.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.addHandler(screen)


@click.command("start")
@click.option("--until-empty", is_flag=True, help="End with the board instead of waiting for more quests.")
@click.option("--forge", is_flag=True, help="Make quests at the hero's levels whenever the board is empty.")
@click.option("--until", "goals", metavar="SKILL=LEVEL", multiple=True, help="End when that level is in training.")
@click.option("--on", "place", metavar="PLACE", help="Train as a job of a cluster: slurm, slurm:PARTITION.")
@click.option("--gpus", type=click.IntRange(0, 1), default=1, show_default=True, help="With --on: GPUs to ask for.")
@quiet_option
@pass_context_realm
def start_command(
    ctx: Context, until_empty: bool, forge: bool, goals: tuple[str, ...], place: str | None, gpus: int, quiet: bool
) -> None:
    """Train what is on the board, quest after quest, until stopped (Ctrl-C saves and stops)."""
    if until_empty and forge:
        raise UsageError("--until-empty ends with the board, --forge never lets it be empty", "leave one of them out")
    realm, manager = ctx.realm, ctx.manager
    orders = Orders(forge=forge, until=goals_of(realm, goals))
    if place:
        options = {"--until-empty": until_empty, "--forge": forge, "--quiet": quiet}
        words = [word for word, given in options.items() if given]
        _start_on(ctx, place, gpus, [*words, *(f"--until={goal}" for goal in goals)], quiet=quiet)
        return
    log_to_file(realm, quiet)
    spinning.settle()
    with stacks.written(realm):
        from realm_arena.battle import Battle

        Battle(realm, manager, until_empty=until_empty, orders=orders).run()


def _start_on(ctx: Context, place: str, gpus: int, words: list[str], *, quiet: bool) -> None:
    from realm_arena import elsewhere

    job = elsewhere.submit(ctx.realm, ctx.manager, place, gpus, words)
    click.echo(job.id if quiet else f"{job.id} is {job.state} on {place}; end it with: realm job cancel {job.id}")


@click.command("check")
@click.argument("quest", required=False)
@json_option
@pass_context_realm
def check_command(ctx: Context, quest: str | None, as_json: bool) -> None:
    """Preflight for QUEST (default: the next one): memory, first batch, trained share, disk, time."""
    spinning.settle()
    from realm_arena import preflight

    report = preflight.check(ctx.realm, quest)
    emit(report.as_json(), as_json, lambda: click.echo(preflight.render(report)))
