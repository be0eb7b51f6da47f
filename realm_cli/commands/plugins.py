"""`realm plugins`: what is installed, and what takes part."""

from __future__ import annotations

import click

from realm_cli import store, yamlfile
from realm_cli.backups import snapshot
from realm_cli.errors import NotFoundError, nearest
from realm_cli.hookspecs import PART_HOOKS
from realm_cli.manager import Manager
from realm_cli.terminal import Context, emit, json_option, pass_context_realm, table


@click.command("list")
@json_option
@pass_context_realm
def list_command(ctx: Context, as_json: bool) -> None:
    """List the plugins with their version and what is wrong with them."""
    manager = _manager(ctx)
    for hook in PART_HOOKS:  # asking shows which plugins fail
        manager.parts(hook)
    rows = [plugin.as_json() for plugin in manager.plugins]

    def render() -> None:
        shown = [{**row, "enabled": "yes" if row["enabled"] else "no", "error": row["error"] or ""} for row in rows]
        click.echo(table(shown, ["name", "version", "enabled", "distribution", "error"]))

    emit(rows, as_json, render)


def _manager(ctx: Context) -> Manager:
    """Without a realm all installed plugins are shown."""
    try:
        return ctx.manager
    except NotFoundError:
        return Manager.of(None)


@click.command("enable")
@click.argument("name")
@pass_context_realm
def enable_command(ctx: Context, name: str) -> None:
    """Let a plugin take part again."""
    disabled = list(ctx.realm.config.plugins.disabled)
    if name not in disabled:
        _must_exist(ctx, name)
        click.echo(f"{name} is enabled already")
        return
    _write(ctx, [other for other in disabled if other != name])
    click.echo(f"{name} is enabled")


@click.command("disable")
@click.argument("name")
@pass_context_realm
def disable_command(ctx: Context, name: str) -> None:
    """Leave a plugin out of every command in this realm."""
    disabled = list(ctx.realm.config.plugins.disabled)
    if name in disabled:
        click.echo(f"{name} is disabled already")
        return
    _must_exist(ctx, name)
    _write(ctx, sorted([*disabled, name]))
    click.echo(f"{name} is disabled; undo it with: realm plugins enable {name}")


def _must_exist(ctx: Context, name: str) -> None:
    known = [plugin.name for plugin in ctx.manager.plugins]
    if name not in known:
        raise NotFoundError(f"there is no plugin '{name}'", nearest(name, known))


def _write(ctx: Context, disabled: list[str]) -> None:
    realm = ctx.realm
    text = yamlfile.edited(realm.config_file, ["plugins", "disabled"], disabled)
    snapshot(realm, [realm.config_file], "plugins")
    store.write_atomic(realm.config_file, text, durable=True)
