"""`realm skill eval|history|relearn`: each parses, calls and prints."""

from __future__ import annotations

import textwrap

import click

from realm_cli import skillstate
from realm_cli.errors import EXIT_FAILED, NotFoundError, UsageError
from realm_cli.ledger import Ledger
from realm_cli.skillbook import ALIASES, GuildSkill, open_skill
from realm_cli.terminal import Context, emit, json_option, note, pass_context_realm, table
from realm_guild import charts, standing, views
from realm_guild.records import EvalResult


def _open(ctx: Context, name: str) -> GuildSkill:
    return open_skill(ctx.realm, ctx.manager, ALIASES.get(name, name))


@click.command("eval")
@click.argument("skill", required=False)
@click.option("--level", type=int, help="The level (default: the one in training).")
@click.option("--checkpoint", metavar="STEP|NAME", help="Which checkpoint; 0 = the base model (default: the newest).")
@click.option("--mastered", is_flag=True, help="Every mastered level, as for a champion.")
@click.option("--pending", is_flag=True, help="Every eval that waits, whatever the checkpoint; without SKILL of all.")
@click.option("--make", is_flag=True, help="Make the eval sets of all levels anew; examine nothing.")
@json_option
@pass_context_realm
def eval_command(
    ctx: Context, skill: str | None, level: int | None, checkpoint: str | None, mastered: bool, pending: bool, make: bool,
    as_json: bool,
) -> int:  # fmt: skip
    """Examine a checkpoint on the static set of a level of SKILL. An eval that is stored already is not made again.

    With an inference host in hosts.yaml the checkpoint is sent there and answers there.
    """
    from realm_guild import asking, evalsets

    if sum([level is not None, mastered, pending, make]) > 1:
        raise UsageError("--level, --mastered, --pending and --make exclude each other", "give one of them")
    if pending:
        return _make_pending(ctx, skill, as_json)
    if skill is None:
        raise UsageError("which skill? SKILL is missing", "see: realm skill list; only --pending needs none")
    entry = _open(ctx, skill)
    if make:
        for number in range(1, entry.config.max_level + 1):
            evalsets.make(ctx.realm, entry, number)
        where = evalsets.path_of(ctx.realm, entry.config.id, 1).parent
        emit({"folder": str(where), "levels": entry.config.max_level}, as_json, lambda: click.echo(f"made in {where}"))
        return 0
    hero, step = ctx.realm.config.hero, asking.step_of(ctx.realm, checkpoint)
    levels = asking.levels_of(ctx.realm, entry, level, mastered)
    return _show(ctx, asking.examine_levels(ctx.realm, ctx.manager, entry, hero, step, levels), as_json)


def _make_pending(ctx: Context, skill: str | None, as_json: bool) -> int:
    from realm_guild import asking

    names = None if skill is None else [_open(ctx, skill).config.id]
    outcome = asking.make_pending(ctx.realm, ctx.manager, names)
    for line in outcome.waiting:
        note(f"warning: {line}")
    if outcome.waiting and not outcome.made and not as_json:
        return 0
    return _show(ctx, outcome.made, as_json)


def _show(ctx: Context, made: list[EvalResult], as_json: bool) -> int:
    emit([views.eval_row(ctx.realm, result) for result in made], as_json, lambda: _print_evals(made))
    return EXIT_FAILED if any(result.state != "ok" for result in made) else 0


def _print_evals(made: list[EvalResult]) -> None:
    if not made:
        note("no eval waits")
        return
    rows = [views.eval_line(result) for result in made]
    click.echo(table(rows, ["step", "skill", "level", "right", "accuracy", "interval", "closed", "state"]))
    for result in made:
        if result.reason or result.flagged:
            note(f"{result.skill} level {result.level}: {result.reason or result.flagged}")
    for result in made:
        for shares in (views.by_kind(result), views.by_form(result)):
            told = ", ".join(f"{name} {right}/{total}" for name, (right, total) in shares.items())
            if told:
                lead = f"level {result.level}  "
                click.echo(textwrap.fill(told, 80, initial_indent=lead, subsequent_indent=" " * len(lead)))
    wrong = next((item for result in made for item in result.items if not item.correct), None)
    if wrong is not None:
        shown = [views.shown(text) for text in (wrong.prompt, wrong.reply, wrong.expected)]
        click.echo("\na wrong one  {}\n  answered   {}\n  expected   {}".format(*shown))


@click.command("history")
@click.argument("skill")
@click.option("--level", type=int, help="A chart of this level alone.")
@json_option
@pass_context_realm
def history_command(ctx: Context, skill: str, level: int | None, as_json: bool) -> None:
    """Show every eval of the active hero in SKILL, with a curve for each level."""
    entry = _open(ctx, skill)
    if level is not None:
        entry.check_level(level)
    hero = ctx.realm.config.hero
    lines = skillstate.lines(ctx.realm, hero, entry.config.id)
    if level is not None:
        lines = [line for line in lines if line.level == level]
    if not lines and not as_json:
        raise NotFoundError(
            f"{hero} has no eval of {entry.config.id}" + (f" level {level}" if level else ""),
            f"play, or make one: realm skill eval {entry.config.id}",
        )
    state = skillstate.read(ctx.realm, hero, entry.config.id)
    mastered = {mastery.level: mastery.step for mastery in state.mastered} if state else {}

    def render() -> None:
        click.echo(charts.overview(lines, mastered))
        shown = level or (state.level if state else lines[-1].level)
        click.echo(
            "\n" + charts.chart([line for line in lines if line.level == shown], shown, entry.config.eval.threshold)
        )

    emit([views.history_row(line, mastered) for line in lines], as_json, render)


@click.command("relearn")
@click.argument("skill")
@click.option("--level", type=int, required=True, help="The mastered level to go back to.")
@pass_context_realm
def relearn_command(ctx: Context, skill: str, level: int) -> None:
    """Go back to a mastered level of SKILL: it and all above count as not mastered. Levels never fall otherwise."""
    entry, hero = _open(ctx, skill), ctx.realm.config.hero
    steps = Ledger(ctx.realm, hero).steps()
    state = standing.relearn(ctx.realm, ctx.manager, entry, hero, level, steps[0] if steps else 0)
    click.echo(
        f"{hero} trains {entry.config.id} level {state.level} again; evals from step {state.counts_from} on count"
    )
