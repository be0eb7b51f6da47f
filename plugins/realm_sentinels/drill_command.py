"""`realm drill`."""

from __future__ import annotations

import textwrap

import click

from realm_cli.errors import EXIT_DONE, EXIT_FAILED
from realm_cli.terminal import Context, emit, human_seconds, json_option, note, pass_context_realm, quiet_option, table
from realm_sentinels.drills import registry
from realm_sentinels.drills.stage import Step


@click.command("drill")
@click.argument("name", required=False)
@click.option("--keep", is_flag=True, help="Leave the throw-away realm where it is.")
@json_option
@quiet_option
@pass_context_realm
def drill_command(ctx: Context, name: str | None, keep: bool, as_json: bool, quiet: bool) -> int:
    """Really cause one failure in a throw-away realm, and see that it recovers; without NAME, list the drills.

    The throw-away realm has the settings of this one, the hero dio-mini and ports of its own; this realm is only read.
    Exit code 0 only when all recovered.
    """
    if name is None:
        rows = [{"name": one, "title": title} for one, title in registry.TITLES.items()]
        emit(rows, as_json, lambda: click.echo(table(rows, ["name", "title"])))
        return EXIT_DONE
    is_silent = as_json or quiet
    if not is_silent:
        for number, line in enumerate(registry.plan_of(name), start=1):
            click.echo(_wrapped(f"plan {number}  ", line))
    outcome = registry.run(ctx.realm, name, keep=keep, tell=(lambda _: None) if is_silent else _tell)
    emit(outcome.as_json(), as_json, lambda: _conclude(outcome, quiet=quiet))
    return EXIT_DONE if outcome.recovered else EXIT_FAILED


def _tell(step: Step) -> None:
    click.echo(_wrapped("ok      " if step.ok else "FAILED  ", f"{step.what} ({step.seconds:.1f} s)"))
    if step.evidence:
        click.echo(_wrapped("        ", step.evidence))


def _wrapped(head: str, text: str) -> str:
    return textwrap.fill(
        " ".join(text.split()), 80, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
    )


def _conclude(outcome: registry.Outcome, *, quiet: bool) -> None:
    if outcome.recovered and not quiet:
        click.echo(f"{outcome.drill}: recovered, in {human_seconds(outcome.seconds)}")
    if not outcome.recovered:
        note(f"error: {outcome.drill}: not recovered: {outcome.reason}")
    if outcome.folder and not quiet:
        note(f"the throw-away realm is in {outcome.folder}")
