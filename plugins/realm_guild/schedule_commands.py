"""`realm skill schedule show|set|preset`: each parses, calls and prints."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import click

from realm_cli.config import CurriculumConfig
from realm_cli.errors import UsageError
from realm_cli.skillbook import ALIASES
from realm_cli.terminal import Context, FiniteRange, emit, facts, json_option, note, pass_context_realm, table

if TYPE_CHECKING:
    from realm_guild.presets import Change, Strategy

COLUMNS = 80
_STRATEGIES = ("equal", "focus", "weighted", "catch_up")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would change; change nothing.")


@click.command("show")
@json_option
@pass_context_realm
def show_command(ctx: Context, as_json: bool) -> None:
    """Show which skill is forged next and why, and how every skill stands. Looking changes nothing."""
    from realm_guild import outlook

    found = outlook.as_json(ctx.realm, outlook.look(ctx.realm, ctx.manager))
    emit(found, as_json, lambda: _print(found))


def _print(found: dict[str, Any]) -> None:
    from realm_guild import outlook

    focus = f"{found['focus']}, {found['focus_share']:.0%} of the quests" if found["strategy"] == "focus" else ""
    preset = f" (preset {found['preset']})" if found["preset"] else ""
    then = outlook.runs(found["upcoming"][1:])
    pairs = [
        ("strategy", found["strategy"] + preset), ("focus", focus),
        ("next", outlook.next_words(found)), ("then", then), ("when", outlook.when_words(found)),
        *[("note", text) for text in found["notes"]],
    ]  # fmt: skip
    click.echo(facts(pairs, COLUMNS) + "\n")
    rows = [
        {
            **one, "skill": one["id"], "level": f"{one['level']} of {one['max_level'] or '?'}", "share": f"{one['share']:.0%}",
            "weight": f"{one['weight']:g}", "replay": f"{one['replay']:.0%}",
        }
        for one in found["skills"]
    ]  # fmt: skip
    # A column that says the default of every skill only makes the table wide.
    usual = {"priority": 0, "weight": "1", "target": None}
    told = [name for name, value in usual.items() if any(row[name] != value for row in rows)]
    columns = ["skill", "level", "state", "share", "forged", "replay", *told]
    click.echo(table(rows, columns) + "\n")
    click.echo(facts([(one["id"], one["reason"]) for one in found["skills"]], COLUMNS))
    if found["stale"]:
        click.echo("\nmoved to low, as their level is mastered:")
        click.echo(table(found["stale"], ["id", "name", "reason"]))


@click.command("set")
@click.argument("skill", required=False)
@click.option("--strategy", type=click.Choice(_STRATEGIES), help="How the skills share the quests.")
@click.option("--focus", metavar="SKILL", help="The skill of the strategy focus.")
@click.option("--focus-share", type=FiniteRange(0, 1, min_open=True), help="Its share; 1 = that skill alone.")
@click.option("--enable/--disable", "enabled", default=None, help="Whether SKILL is forged.")
@click.option("--priority", type=click.IntRange(-1000, 1000), help="Higher goes first; lower ones wait (default 0).")
@click.option("--weight", type=FiniteRange(0.01, 100), help="SKILL's share beside others, for the strategy weighted.")
@click.option("--target", metavar="LEVEL", help="Once it is mastered, SKILL is only replayed; none = no target.")
@dry_run_option
@json_option
@pass_context_realm
def set_command(
    ctx: Context, skill: str | None, strategy: Strategy | None, focus: str | None, focus_share: float | None, dry_run: bool,
    as_json: bool, **given: Any,
) -> None:  # fmt: skip
    """Change the strategy, or the settings of one SKILL, in configs/realm.yaml. Comments stay, the file is kept first."""
    from realm_guild import presets

    plan = {key: value for key, value in given.items() if value is not None}
    if "target" in plan:
        plan["target"] = _target(plan["target"])
    has_strategy = any(value is not None for value in (strategy, focus, focus_share))
    if plan and skill is None:
        raise UsageError(f"--{next(iter(plan))} needs a skill", "name it: realm skill schedule set SKILL …")
    if (skill is not None and not plan) or not (plan or has_strategy):
        raise UsageError("nothing is to be changed", "see: realm skill schedule set --help")
    changes: list[Change] = []
    if has_strategy:
        changes.append(presets.strategy_change(ctx.realm, strategy, focus and _id(focus), focus_share))
    if plan:
        changes.append(presets.skill_change(ctx.realm, _id(skill or ""), plan))
    _save(ctx, changes, "set the curriculum", dry_run=dry_run, as_json=as_json)


def _id(name: str) -> str:
    return ALIASES.get(name, name)


def _target(text: str) -> int | None:
    if text == "none":
        return None
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"--target {text!r} is no level", "give a level from 1, or none")
    return int(text)


@click.command("preset")
@click.argument("name", required=False)
@dry_run_option
@json_option
@pass_context_realm
def preset_command(ctx: Context, name: str | None, dry_run: bool, as_json: bool) -> None:
    """Set the curriculum to a preset; without NAME list them. Targets, priorities and who is disabled stay as they are."""
    from realm_guild import presets

    if name is None:
        rows = [{"preset": one.name, "strategy": one.strategy, "what": one.title} for one in presets.PRESETS.values()]
        emit(rows, as_json, lambda: click.echo(table(rows, ["preset", "strategy", "what"])))
        return
    _save(ctx, [presets.preset_change(ctx.realm, name)], f"curriculum preset {name}", dry_run=dry_run, as_json=as_json)


def _save(ctx: Context, changes: list[Change], reason: str, *, dry_run: bool, as_json: bool) -> None:
    """Write the settings, and say what changed and what follows."""
    from realm_guild import outlook, presets

    def change(settings: CurriculumConfig) -> CurriculumConfig:
        return reduce(lambda present, one: one(present), changes, settings)

    edit = presets.save(ctx.realm, change, reason, dry_run=dry_run)
    rows, listed = presets.changed(ctx.realm, edit), presets.was_list(edit)
    follows = outlook.as_json(ctx.realm, outlook.look(ctx.realm, ctx.manager, edit.after.curriculum))
    notes = [listed, *follows["notes"]] if listed else follows["notes"]
    backup = str(edit.backup) if edit.backup else None

    def render() -> None:
        if not rows:
            click.echo("nothing is changed: it was so already")
        for one in rows:
            click.echo(f"{one['key']}: {outlook.value(one['before'])} -> {outlook.value(one['after'])}")
        if edit.backup:
            click.echo(f"the file before: {edit.backup / ctx.realm.config_file.relative_to(ctx.realm.root)}")
        click.echo(f"next: {outlook.next_words(follows)}")
        for text in notes:
            note(text)
        if dry_run:
            note("nothing was written (--dry-run)")

    answer = {"changed": rows, "backup": backup, "dry_run": dry_run, "next": follows["next"], "notes": notes}
    emit(answer, as_json, render)
