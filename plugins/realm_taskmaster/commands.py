"""`realm task run|once|cancel|exec`."""

from __future__ import annotations

import time

import click
import msgspec

from realm_cli import process, task_config
from realm_cli.jobs import open_runner
from realm_cli.task_records import TaskRun
from realm_cli.terminal import Context, emit, json_option, note, pass_context_realm, quiet_option
from realm_taskmaster.master import TaskMaster, only_master, task_of
from realm_taskmaster.runs import SAID, Runs, of_task, problem_of

POLL_SECONDS = 0.1


def _runs(ctx: Context) -> Runs:
    return Runs(ctx.realm, ctx.manager, lambda: open_runner(ctx.realm, ctx.manager))


def _waited(runs: Runs, run: TaskRun) -> TaskRun:
    """Wait until it has ended, whoever files it."""
    from realm_cli import task_records

    while True:
        found = runs.settle(run) or task_records.find(runs.realm, run.id)
        if found.ended_at:
            return found
        time.sleep(POLL_SECONDS)


def _report(run: TaskRun, as_json: bool, quiet: bool) -> None:
    """Print how it ended; raise when it did not do what it should."""
    if as_json:
        emit(msgspec.to_builtins(run), True, lambda: None)
    elif run.state == "done" and not quiet:
        click.echo(f"{run.name}: {run.said}")
    if run.state != "done":
        raise problem_of(run)


@click.command("run")
@click.argument("task")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for its end.")
@json_option
@quiet_option
@pass_context_realm
def run_command(ctx: Context, task: str, wait: bool, as_json: bool, quiet: bool) -> None:
    """Run TASK now: no idle check, no cooldown. Ctrl-C ends the waiting, not the run."""
    part = task_of(ctx.manager, task)
    chosen = task_config.configured(ctx.realm).of(task)
    priority = part.priority if chosen.priority is None else chosen.priority
    runs = _runs(ctx)
    run = runs.force(of_task(part, priority, process.user_name(), forced=True))
    if wait:
        _report(_waited(runs, run), as_json, quiet)
    else:
        emit(msgspec.to_builtins(run), as_json, lambda: click.echo(run.id))


@click.command("once")
@click.option("--dry-run", is_flag=True, help="Say what would run, and start nothing.")
@json_option
@quiet_option
@pass_context_realm
def once_command(ctx: Context, dry_run: bool, as_json: bool, quiet: bool) -> None:
    """Run what the task master would start now, and wait for its end. Where a GPU is needed it is watched first."""
    with only_master(ctx.realm):
        master = TaskMaster.of(ctx.realm, ctx.manager)
        try:
            ended = [] if dry_run else master.settle()
            if master.needs_gpu():
                master.cards.settle()
            if dry_run:
                _tell_plan(master, as_json, quiet)
                return
            ended += [_waited(master.runs, run) for run in master.look(0)]
        finally:
            master.close()
    if as_json:
        emit([msgspec.to_builtins(run) for run in ended], True, lambda: None)
    for run in ended if not as_json and not quiet else ():
        click.echo(f"{run.name}: {run.said if run.state == 'done' else f'{run.state}: {run.reason}'}")
    if not ended and not quiet:
        note("nothing may run now; why: realm task list")
    failed = [run for run in ended if run.state != "done"]
    if failed:
        raise problem_of(failed[0])


def _tell_plan(master: TaskMaster, as_json: bool, quiet: bool) -> None:
    found = master.plan(0)
    rows = [{"id": start.name, "card": start.card or None} for start in found.start]

    def render() -> None:
        for row in rows:
            click.echo(f"would run {row['id']}")
        if not rows and not quiet:
            note("nothing would run now; why: realm task list")

    emit(rows, as_json, render)


@click.command("cancel")
@click.argument("run")
@quiet_option
@pass_context_realm
def cancel_command(ctx: Context, run: str, quiet: bool) -> None:
    """End RUN with all that it started, or take it off the queue."""
    ended = _runs(ctx).cancel(run)
    if not quiet:
        click.echo(f"{ended.id} is {ended.state}" if ended.ended_at else f"{ended.id} is asked to end")


@click.command("exec", hidden=True)
@click.argument("task")
@pass_context_realm
def exec_command(ctx: Context, task: str) -> None:
    """Do the work of TASK in this process."""
    click.echo(f"{SAID}{task_of(ctx.manager, task).run(ctx.realm, ctx.manager)}")
