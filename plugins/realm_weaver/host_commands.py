"""`realm weaver systemd`, `realm cron show|install|remove`: what reaches beyond the realm shows what it will do and asks."""

from __future__ import annotations

import sys

import click

from realm_cli.errors import RefusedError, UsageError
from realm_cli.process import user_name
from realm_cli.terminal import Context, emit, is_interactive, json_option, note, pass_context_realm, quiet_option
from realm_weaver import crontab, units


def _agreed(question: str, yes: bool) -> None:
    """Ask the person at the terminal; without one, `--yes` is needed. Raises `RefusedError`."""
    if yes:
        return
    if not is_interactive():
        raise RefusedError(
            "this reaches beyond the realm and nobody can be asked here", "look at what it shows, then add --yes"
        )
    if not click.confirm(question, err=True):
        raise RefusedError("nothing was changed")


def _text(lines: bytes) -> str:
    return lines.decode("utf-8", "replace").rstrip("\n")


@click.command("systemd")
@click.option("--install", is_flag=True, help="Write it into the user's units instead of printing it.")
@click.option("--yes", is_flag=True, help="Do not ask; with --install.")
@pass_context_realm
def systemd_command(ctx: Context, install: bool, yes: bool) -> None:
    """Print a user unit of systemd that runs this realm's weaver from boot on."""
    if yes and not install:
        raise UsageError("--yes belongs to --install", "leave it out, or add --install")
    realm = ctx.realm
    name = units.unit_name(realm)
    if install:
        note(f"{units.folder() / name} will be:\n\n{units.unit(realm)}")
        _agreed("write it?", yes)
        path = units.install(realm)
        click.echo(path)
    else:
        click.echo(units.unit(realm), nl=False)
        note(f"hint: write it to {units.folder() / name}, or: realm weaver systemd --install")
    note(f"hint: start it now and at every boot: systemctl --user enable --now {name}")
    note(f"hint: without this, systemd ends it when you log out: loginctl enable-linger {user_name()}")


@click.command("show")
@json_option
@pass_context_realm
def show_command(ctx: Context, as_json: bool) -> None:
    """Show what `realm cron install` puts into the crontab, and what of it stands there."""
    realm = ctx.realm
    wanted, there = crontab.block(realm), crontab.found(realm, crontab.read())
    state = "installed" if there == wanted else "other lines are installed" if there else "not installed"
    data = {"state": state, "lines": _text(wanted).splitlines(), "installed": _text(there).splitlines()}

    def render() -> None:
        click.echo(_text(wanted))
        note(f"{state}{'' if there == wanted else '; realm cron install'}")

    emit(data, as_json, render)


@click.command("install")
@click.option("--yes", is_flag=True, help="Do not ask.")
@quiet_option
@pass_context_realm
def install_command(ctx: Context, yes: bool, quiet: bool) -> None:
    """Put the realm's lines into the crontab of this user: what should run is brought back every five minutes and at boot."""
    realm = ctx.realm
    before = crontab.read()
    after = crontab.with_block(realm, before)
    if after == before:
        if not quiet:
            note("these lines are installed already")
        return
    _change(before, after, crontab.block(realm), "put them into your crontab?", yes=yes, quiet=quiet)


@click.command("remove")
@click.option("--yes", is_flag=True, help="Do not ask.")
@quiet_option
@pass_context_realm
def remove_command(ctx: Context, yes: bool, quiet: bool) -> None:
    """Take the realm's lines out of the crontab of this user."""
    realm = ctx.realm
    before = crontab.read()
    lines = crontab.found(realm, before)
    if not lines:
        if not quiet:
            note("no line of this realm stands in the crontab")
        return
    _change(before, crontab.without(realm, before), lines, "take them out of your crontab?", yes=yes, quiet=quiet)


def _change(before: bytes, after: bytes, lines: bytes, question: str, *, yes: bool, quiet: bool) -> None:
    """Show the lines, ask, write. What somebody else changed meanwhile is not overwritten."""
    if not quiet:
        click.echo(_text(lines))
    sys.stdout.flush()
    _agreed(question, yes)
    if crontab.read() != before:
        raise RefusedError("the crontab was changed by somebody else just now", "call it again")
    crontab.write(after)
