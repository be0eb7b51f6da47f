"""`realm hero`: the models of this realm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from realm_cli.terminal import Context, emit, facts, human_bytes, json_option, note, pass_context_realm, table


def _count(parameters: int | None) -> str | None:
    if parameters is None:
        return None
    return f"{parameters / 1e6:.2f} M" if parameters < 1e9 else f"{parameters / 1e9:.2f} B"


def _size(size: int | None) -> str | None:
    return None if size is None else human_bytes(size)


@click.command("list")
@json_option
@pass_context_realm
def list_command(ctx: Context, as_json: bool) -> None:
    """List the heroes; the active one has a star."""
    from realm_cli import heroes

    rows = heroes.list_heroes(ctx.realm)

    def render() -> None:
        shown = [
            {
                **row, "": "*" if row["active"] else "", "model": row["base_model"],
                "parameters": _count(row["parameters"]), "size": _size(row["size"]),
            }
            for row in rows
        ]  # fmt: skip
        click.echo(table(shown, ["", "id", "title", "step", "model", "parameters", "size"]) if rows else "no hero")
        for row in rows:
            if row["error"]:
                note(f"{row['id']}: {row['error']}")

    emit(rows, as_json, render)


@click.command("show")
@click.argument("hero", required=False)
@json_option
@pass_context_realm
def show_command(ctx: Context, hero: str | None, as_json: bool) -> None:
    """Show one hero (the active one without an ID)."""
    from realm_cli import heroes

    found = heroes.show(ctx.realm, hero or ctx.realm.config.hero)
    emit(found, as_json, lambda: click.echo(facts(_lines(found))))


def _lines(found: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        ("hero", f"{found['id']}{' (active)' if found['active'] else ''}"),
        ("title", found["title"]),
        ("model", f"{found['model_name']} ({found['base_model']})"),
        ("architecture", found["architecture"] or "not on this machine yet"),
        ("parameters", f"{found['parameters']:,}" if found["parameters"] else None),
        ("step 0", found["base_path"]),
        ("size", _size(found["size"])),
        ("max length", found["max_length"]),
        ("chat template", "yes" if found["chat_template"] else "no" if found["architecture"] else "not known yet"),
        ("step", found["step"]),
        ("checkpoints", found["checkpoints"]),
        ("config", found["config"]),
        *((f"  {key}", value) for key, value in found["recipe"].items()),
    ]


@click.command("recruit")
@click.argument("name_or_path")
@click.option("--id", "hero", metavar="ID", help="The hero's id (default: made from the name).")
@click.option("--template", metavar="FILE", help="A Jinja chat template, for a model that brings none.")
@json_option
@pass_context_realm
def recruit_command(ctx: Context, name_or_path: str, hero: str | None, template: str | None, as_json: bool) -> None:
    """Add a model as a hero: a folder in the Hugging Face layout, or a Hub id such as Qwen/Qwen3-0.6B."""
    from realm_cli import heroes, roster

    hero, _ = roster.recruit(ctx.realm, name_or_path, hero, Path(template) if template else None)
    found = heroes.show(ctx.realm, hero)

    def render() -> None:
        click.echo(f"recruited {hero}: {found['architecture']}, {_count(found['parameters'])} parameters")
        click.echo(f"its settings: {found['config']}")
        click.echo(f"make it the active one: realm hero use {hero}")

    if not found["chat_template"]:
        note(
            f"warning: {hero} has no chat template: quests of messages are refused, plain text ones work; "
            f"put `chat_template: FILE` into {found['config']}"
        )
    emit(found, as_json, render)


@click.command("use")
@click.argument("hero")
@json_option
@pass_context_realm
def use_command(ctx: Context, hero: str, as_json: bool) -> None:
    """Make a hero the active one."""
    from realm_cli import roster

    before = ctx.realm.config.hero
    backup = roster.use(ctx.realm, hero)

    def render() -> None:
        click.echo(f"{hero} is the active hero" + (f" (before: {before})" if backup else " already"))

    emit({"hero": hero, "before": before, "backup": str(backup) if backup else None}, as_json, render)
