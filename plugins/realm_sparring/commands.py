"""`realm spar run|validate`: each parses, calls and prints."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from realm_cli.errors import EXIT_FAILED, UsageError
from realm_cli.terminal import Context, emit, existing_files, json_option, note, pass_context_realm, quiet_option


@click.command("run")
@click.option("--skill", required=True, help="Whose problems.")
@click.option("--count", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many problems.")
@click.option("--level", type=click.IntRange(min=1), help="The level (default: the one in training).")
@click.option("--checkpoint", metavar="STEP|NAME", help="Which checkpoint; 0 = the base model (default: the newest).")
@click.option("--no-queue", is_flag=True, help="Leave the rows in data/sparring/ instead of queueing them.")
@click.option("--seed", type=int, help="The same seed gives the same problems (default: others at each run).")
@json_option
@quiet_option
@pass_context_realm
def run_command(
    ctx: Context, skill: str, count: int, level: int | None, checkpoint: str | None, no_queue: bool, seed: int | None,
    as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Let a checkpoint answer fresh training problems and make a quest of its wrong answers.

    Three rows for each: that it is wrong, what is right, and that the right answer to another problem is right. The quest
    goes to queue/high.
    """
    from realm_sparring.sparring import Order, spar
    from realm_sparring.wording import summary

    order = Order(skill=skill, count=count, level=level, checkpoint=checkpoint, queue=not no_queue, seed=seed)
    result = spar(ctx.realm, ctx.manager, order)

    def render() -> None:
        told = (result.run.quest or result.run.file) if quiet else summary(result)
        if told:
            click.echo(told)

    emit({**msgspec.to_builtins(result.run), "expired": [one.id for one in result.expired]}, as_json, render)
    if not quiet:
        for one in result.expired:
            note(f"quest {one.id} expired: {one.reason}")


@click.command("validate")
@click.argument("files", nargs=-1)
@click.option("--queued", is_flag=True, help="Only the sparring quests that wait in the queue.")
@json_option
@quiet_option
@pass_context_realm
def validate_command(ctx: Context, files: tuple[str, ...], queued: bool, as_json: bool, quiet: bool) -> int:
    """Check FILES of sparring rows; without any, those of all sparring quests on the board and those in data/sparring/.

    Types and phrases, the golden answer judged again, the wrong answer really wrong, balance, stamps. Exit code 1 when
    something is wrong.
    """
    from realm_cli.realm import PRIORITIES
    from realm_sparring import sources
    from realm_sparring.validating import check_file

    if files and queued:
        raise UsageError("FILES and --queued exclude each other", "give one of them")
    states = PRIORITIES if queued else (*PRIORITIES, "processing", "recently_completed")
    wanted: list[tuple[Path, sources.Source | None]] = [(path, None) for path in existing_files(files)]
    if not files:
        wanted = [(file.path, source) for file, _, source in sources.of_files(ctx.realm, states)]
        if not queued:
            wanted += [(path, None) for path in sorted((ctx.realm.data / sources.FOLDER).glob("*.jsonl"))]
    reports = [check_file(ctx.realm, ctx.manager, path, source) for path, source in wanted]

    def render() -> None:
        for report in reports:
            for one in report.findings:
                click.echo(f"{report.file}{f':{one.line}' if one.line else ''}: {one.check}: {one.message}")
            if not quiet and not report.findings:
                click.echo(f"{report.file}: ok, {report.rows} rows")
        if not quiet and not reports:
            click.echo("there is no sparring quest to check")

    emit([msgspec.to_builtins(report) for report in reports], as_json, render)
    return EXIT_FAILED if any(report.findings for report in reports) else 0
