"""The commands of the guild: each parses, calls and prints."""

from __future__ import annotations

import sys
from typing import Any

import click

from realm_cli.errors import UsageError
from realm_cli.questview import describe, quest_json, what_next
from realm_cli.realm import PRIORITIES
from realm_cli.skillbook import ALIASES, GuildSkill, open_skill
from realm_cli.skills import Split
from realm_cli.terminal import Context, emit, facts, fold, json_option, note, pass_context_realm, quiet_option, table
from realm_guild import views


def _open(ctx: Context, name: str) -> GuildSkill:
    return open_skill(ctx.realm, ctx.manager, ALIASES.get(name, name))


@click.command("list")
@click.option("--all", "every", is_flag=True, help="Also those that plugins offer and this realm does not have.")
@json_option
@pass_context_realm
def list_command(ctx: Context, every: bool, as_json: bool) -> None:
    """List the skills of this realm."""
    if every:
        _list_all(ctx, as_json)
        return
    rows = views.skill_rows(ctx.realm, ctx.manager)
    usable = [row for row in rows if not row["error"]]

    def render() -> None:
        shown = [
            {
                "id": row["id"], "name": row["name"], "levels": f"1-{row['max_level']}",
                "closed": views.ranges(row["closed_levels"]), "category": row["category"], "icon": row["icon"],
            }
            for row in usable
            if not row["locked_by"]
        ]  # fmt: skip
        click.echo(table(shown, ["id", "name", "levels", "closed", "category", "icon"]))
        click.echo(views.CLOSED_NOTE)

    emit(rows, as_json, render)
    for row in rows:
        if row.get("locked_by") and not as_json:
            wanted = " and ".join(f"{skill} level {level}" for skill, level in row["locked_by"].items())
            note(f"skill '{row['id']}' shows once {wanted} is mastered")
        if row["error"]:
            note(f"skill '{row['id']}' cannot be used: {row['error']}")


def _list_all(ctx: Context, as_json: bool) -> None:
    from realm_guild import offers

    rows = offers.all_rows(ctx.realm, ctx.manager)
    columns = ["id", "name", "levels", "category", "state"]
    emit(rows, as_json, lambda: click.echo(table([offers.shown(row) for row in rows], columns, fit=["name"]) + "\n"))
    if as_json:
        return
    for row in rows:
        if row["error"]:
            click.echo(fold(f"{row['id']}: {row['error']}"))
    if any(row["state"] == "not enabled" for row in rows):
        note("one that is not enabled is made one of this realm by: realm skill new ID")
    for plugin, line in offers.extras(ctx.manager).items():
        note(f"plugin '{plugin}' has more where its library is installed: {line}")


@click.command("show")
@click.argument("skill")
@json_option
@pass_context_realm
def show_command(ctx: Context, skill: str, as_json: bool) -> None:
    """Show SKILL with its levels."""
    entry = _open(ctx, skill)
    row, levels = views.skill_row(entry), views.level_rows(entry)

    def render() -> None:
        config = entry.config
        passing = f"{config.eval.size} problems, mastered at {config.eval.threshold:.0%}"
        pairs = [("skill", config.id), ("name", f"{config.icon} {config.name}".strip()), ("category", config.category),
                 ("color", config.color), ("plugin", config.plugin), ("server", config.api), ("eval", passing)]  # fmt: skip
        click.echo(facts(pairs) + "\n")
        shown = [{**level, "closed": "yes" if level["closed"] else ""} for level in levels]
        click.echo(table(shown, ["level", *(["name"] if config.levels else []), "space", "closed"]))
        click.echo(views.CLOSED_NOTE)

    emit({**row, "levels": levels}, as_json, render)


@click.command("sample")
@click.argument("skill")
@click.option("--level", type=int, required=True, help="The level, from 1.")
@click.option("--count", type=click.IntRange(min=1), default=5, show_default=True, help="How many problems.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same problems.")
@click.option("--split", type=click.Choice(["train", "eval"]), default="train", show_default=True, help="Which side.")
@json_option
@pass_context_realm
def sample_command(ctx: Context, skill: str, level: int, count: int, seed: int, split: Split, as_json: bool) -> None:
    """Print problems of SKILL with their golden answers.

    Evals get distinct problems only, at most as many as the level has.
    """
    from realm_cli.sampling import sample

    entry = _open(ctx, skill)
    entry.check_level(level)
    problems = sample(entry.skill, level, count, seed, split)

    def render() -> None:
        for problem in problems:
            click.echo(f"{problem.prompt}\n    {problem.answer}")

    emit([views.problem_row(problem, level) for problem in problems], as_json, render)
    if len(problems) < count:
        note(f"{skill} level {level} gave {len(problems)} distinct problems for evals, not {count}")


@click.command("judge")
@click.argument("skill")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line a verdict and nothing else.")
@pass_context_realm
def judge_command(ctx: Context, skill: str, as_json: bool) -> None:
    """Judge replies to problems of SKILL.

    Reads JSON lines from standard input: prompt, answer and reply; key, level and meta may be given as
    `realm skill sample --json` prints them. Prints one verdict a line, in the same order.
    """
    from msgspec.json import encode

    from realm_guild.judging import verdicts

    right = total = 0
    for verdict in verdicts(_open(ctx, skill).skill, sys.stdin.buffer):
        right, total = right + verdict.correct, total + 1
        if as_json:
            click.echo(encode(verdict).decode())
        else:
            click.echo(f"{'right' if verdict.correct else 'wrong'}  {verdict.parsed or '-'}  {verdict.reason}")
    if not as_json:
        note(f"{right} of {total} right")


def _settings(texts: tuple[str, ...]) -> dict[str, Any]:
    """`NAME=VALUE` pairs as settings."""
    import yaml

    found: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise UsageError(
                f"'{text}' is no setting",
                "write it as NAME=VALUE; the names stand in the skill's YAML under `settings:`",
            )
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UsageError(f"--difficulty {text}: not valid YAML ({str(error).splitlines()[0]})") from None
    return found


@click.command("forge")
@click.option("--skill", required=True, help="Whose problems.")
@click.option("--level", type=int, required=True, help="The level, from 1.")
@click.option("--count", type=click.IntRange(min=1), required=True, help="How many rows.")
@click.option("--seed", type=int, help="The same seed gives the same quest (default: fixed by skill, level and count).")
@click.option(
    "--difficulty", multiple=True, metavar="NAME=VALUE", help="Another value, as YAML, for one of the skill's settings."
)
@click.option("--priority", type=click.Choice(PRIORITIES), default="normal", show_default=True)
@json_option
@quiet_option
@pass_context_realm
def forge_command(
    ctx: Context, skill: str, level: int, count: int, seed: int | None, difficulty: tuple[str, ...], priority: str,
    as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Make a quest of fresh training problems and put it on the board.

    Rows are distinct as long as the level has more problems. Problems that belong to evals never come, except at
    closed levels, which are learned and examined whole.
    """
    from realm_guild.forge import default_seed, forge

    entry = _open(ctx, skill)
    entry.check_level(level)
    if seed is None:
        seed = default_seed(entry.config.id, level, count)
    changed = _settings(difficulty)
    if changed:
        entry = entry.with_settings(changed, level, "--difficulty")
    record = forge(ctx.realm, ctx.manager, entry.skill, level, count, seed, priority, changed)

    def render() -> None:
        click.echo(record.id if quiet else f"{describe(ctx.realm, record)}\n{what_next(ctx.realm)}")

    emit([quest_json(record, "queued")], as_json, render)
