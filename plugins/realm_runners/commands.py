"""`realm job run|list|show|logs|cancel`."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Iterator
from typing import Any

import click
import msgspec

from realm_cli import store
from realm_cli.errors import EXIT_FAILED, AwayError, NotFoundError, nearest
from realm_cli.jobs import DEFAULT_RUNNER, ENDED, Job, JobStatus, Runner, open_runner
from realm_cli.realm import Realm
from realm_cli.terminal import (
    Context,
    FiniteRange,
    emit,
    facts,
    fold,
    json_option,
    note,
    pass_context_realm,
    quiet_option,
    table,
)
from realm_runners.foldered import jobs_folder, known
from realm_runners.records import JobRecord

LOOK_SECONDS = 0.5


@click.command("run")
@click.option("--on", "place", metavar="PLACE", default=DEFAULT_RUNNER, help="local, ssh:HOST, slurm, slurm:PARTITION.")
@click.option("--name", default="", help="What it is called in lists.")
@click.option("--seconds", type=FiniteRange(min=0, min_open=True), help="End it after so long.")
@click.option("--gpus", type=click.IntRange(0), default=0, help="GPUs to ask a cluster for.")
@click.option("--id", "job_id", help="Its id; the same id twice is one job.")
@click.option("--wait", is_flag=True, help="Stay until it has ended; the exit code is its success.")
@quiet_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@pass_context_realm
def run_command(
    ctx: Context,
    place: str,
    name: str,
    seconds: float | None,
    gpus: int,
    job_id: str | None,
    wait: bool,
    quiet: bool,
    command: tuple[str, ...],
) -> int:
    """Run COMMAND detached: realm job run --on ssh:3090 -- python train.py --epochs 3."""
    chosen = job_id or f"job-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
    runner = open_runner(ctx.realm, ctx.manager, place)
    status = runner.submit(Job(id=chosen, command=command, name=name, seconds=seconds, gpus=gpus))
    click.echo(chosen if quiet else f"{chosen} is {status.state} on {place}{_because(status)}")
    if not wait:
        return EXIT_FAILED if status.state in ENDED and status.state != "done" else 0
    ended = _until_end(runner, status, quiet=quiet)
    if not quiet:
        note(f"{chosen} {ended.state}{_because(ended)}")
    return 0 if ended.state == "done" else EXIT_FAILED


def _until_end(runner: Runner, status: JobStatus, *, quiet: bool) -> JobStatus:
    is_away = False
    while status.state not in ENDED:
        time.sleep(LOOK_SECONDS)
        try:
            status, is_away = runner.poll(status.id), False
        except AwayError as error:
            if not is_away and not quiet:
                note(f"warning: {error.message}; the job goes on there, this waits")
            is_away = True
    return status


def _because(status: JobStatus) -> str:
    return f": {status.reason}" if status.reason and status.reason != status.state else ""


# -- looking -------------------------------------------------------------------------------------------------------


def records(realm: Realm) -> Iterator[JobRecord]:
    """The jobs of a realm, the latest first."""
    found = [store.read_or_set_aside(path, JobRecord) for path in jobs_folder(realm).glob("[!.]*.json")]
    yield from sorted(filter(None, found), key=lambda one: one.submitted_at, reverse=True)


def _record(realm: Realm, job: str) -> JobRecord:
    record = store.read_or_set_aside(jobs_folder(realm) / f"{known(job)}.json", JobRecord)
    if record is None:
        raise NotFoundError(f"there is no job '{job[:100]}'", nearest(job, [one.id for one in records(realm)]))
    return record


def _runner(ctx: Context, job: str) -> Runner:
    return open_runner(ctx.realm, ctx.manager, _record(ctx.realm, job).place)


def _status(ctx: Context, record: JobRecord) -> JobStatus:
    """How it stands. One that was asked for and never started says so."""
    try:
        return open_runner(ctx.realm, ctx.manager, record.place).poll(record.id)
    except NotFoundError as error:
        reason = f"{record.place} does not know it: {error.message}"
        return JobStatus(id=record.id, state="lost", reason=reason, submitted_at=record.submitted_at)


def _document(record: JobRecord, status: JobStatus | None, away: str = "") -> dict[str, Any]:
    seen = msgspec.to_builtins(status) if status is not None else {"id": record.id, "state": "unknown", "reason": away}
    return {"place": record.place, "name": record.name, "command": record.command, **seen}


@click.command("list")
@click.option("-n", "--last", type=click.IntRange(1), default=20, show_default=True, help="So many of the latest.")
@json_option
@pass_context_realm
def list_command(ctx: Context, last: int, as_json: bool) -> None:
    """List the latest jobs; a machine that is away is said to be so."""
    rows: list[dict[str, Any]] = []
    away: dict[str, str] = {}
    for record in list(records(ctx.realm))[:last]:
        status = None
        if record.place not in away:
            try:
                status = _status(ctx, record)
            except AwayError as error:
                away[record.place] = error.message
        rows.append(_document(record, status, away.get(record.place, "")))

    def render() -> None:
        shown: list[dict[str, Any]] = [{**row, "what": str(row["name"] or " ".join(row["command"]))} for row in rows]
        click.echo(
            table(shown, ["id", "state", "place", "what"], fit=["what"])
            if rows
            else "no job yet: realm job run -- COMMAND"
        )
        for row in rows:
            if row["reason"]:
                click.echo(fold(f"{row['id']}: {row['reason']}"))

    emit(rows, as_json, render)


@click.command("show")
@click.argument("job_id", metavar="ID")
@json_option
@pass_context_realm
def show_command(ctx: Context, job_id: str, as_json: bool) -> None:
    """Show one job: where it is, how it stands and why."""
    record = _record(ctx.realm, job_id)
    data = _document(record, _status(ctx, record))
    emit(data, as_json, lambda: click.echo(facts(list(data.items()))))


@click.command("logs")
@click.argument("job_id", metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@pass_context_realm
def logs_command(ctx: Context, job_id: str, follow: bool) -> None:
    """Print what a job said, byte for byte; the middle of a flood is left out."""
    runner, offset = _runner(ctx, job_id), 0
    out = sys.stdout.buffer
    while True:
        has_ended = not follow or runner.poll(job_id).state in ENDED
        while (piece := runner.logs(job_id, offset)).data:
            out.write(piece.data)
            out.flush()
            offset = piece.offset
        if has_ended:
            return
        time.sleep(LOOK_SECONDS)


@click.command("cancel")
@click.argument("job_id", metavar="ID")
@quiet_option
@pass_context_realm
def cancel_command(ctx: Context, job_id: str, quiet: bool) -> int:
    """End a job with all that it started: SIGTERM, then SIGKILL. One that has ended stays as it is."""
    status = _runner(ctx, job_id).cancel(job_id)
    if not quiet:
        click.echo(f"{job_id} is {status.state}{_because(status)}")
    return 0 if status.state in ENDED else EXIT_FAILED
