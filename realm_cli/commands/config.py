"""`realm config`: `realm.yaml` and `heroes/*.yaml`, key by key."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from realm_cli.errors import EXIT_DONE, EXIT_FAILED
from realm_cli.terminal import Context, emit, json_option, pass_context_realm, table, to_json_text

LONGEST = 60
"""Characters of a value that the table of `show` prints; `get` prints all."""


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _text(value: Any) -> str:
    """A value as people read it: texts bare, the rest as JSON."""
    return value if isinstance(value, str) and value else " ".join(to_json_text(value).split())


@click.command("show")
@json_option
@pass_context_realm
def show_command(ctx: Context, as_json: bool) -> None:
    """Print the whole configuration with every default, and where each value comes from."""
    from realm_cli import configedit

    found = configedit.settings(ctx.realm)

    def render() -> None:
        rows = [{"key": item.key, "value": _short(_text(item.value)), "from": item.source} for item in found]
        click.echo(table(rows, ["key", "value", "from"]))

    emit([asdict(item) for item in found], as_json, render)


@click.command("get")
@click.argument("key")
@json_option
@pass_context_realm
def get_command(ctx: Context, key: str, as_json: bool) -> None:
    """Print one value (or section): training.save_steps, heroes.dio-mini.recipe.learning_rate."""
    from realm_cli import configedit

    value = configedit.get(ctx.realm, key)
    emit(
        {"key": key, "value": value},
        as_json,
        lambda: click.echo(value if isinstance(value, str) else to_json_text(value)),
    )


@click.command("set")
@click.argument("key")
@click.argument("value")
@click.option("--approve", is_flag=True, help="Change a locked key of a hero that has checkpoints.")
@json_option
@pass_context_realm
def set_command(ctx: Context, key: str, value: str, approve: bool, as_json: bool) -> None:
    """Change one value. VALUE is YAML; null takes the key out, so that its default holds. Comments stay."""
    from realm_cli import configedit

    change = configedit.set_value(ctx.realm, key, value, approve=approve)

    def render() -> None:
        if change.backup is None:
            click.echo(f"{key} was {_text(change.after)} already")
            return
        click.echo(f"{key}: {_text(change.before)} -> {_text(change.after)}")
        click.echo(f"the file before: {change.backup / change.file.relative_to(ctx.realm.root)}")

    facts = {**asdict(change), "file": str(change.file), "backup": str(change.backup) if change.backup else None}
    emit(facts, as_json, render)


@click.command("check")
@json_option
@pass_context_realm
def check_command(ctx: Context, as_json: bool) -> int:
    """Check every configuration file and print all mistakes; exit code 1 when there is one."""
    from realm_cli import configcheck

    reports = [*configcheck.check_all(ctx.realm), *configcheck.check_offered(ctx.realm, ctx.manager)]

    def render() -> None:
        for report in reports:
            if not report.problems:
                click.echo(f"ok   {report.file}")
            for problem in report.problems:
                click.echo(f"bad  {problem.message}")

    emit([{**asdict(report), "ok": not report.problems} for report in reports], as_json, render)
    return EXIT_FAILED if any(report.problems for report in reports) else EXIT_DONE
