"""`realm oracle status|load|unload`: what the running server holds, here or on another machine."""

from __future__ import annotations

import re
from typing import Any

import click
import msgspec

from realm_cli.errors import NotFoundError, UsageError
from realm_cli.oracleclient import Model, OracleClient, find_oracle
from realm_cli.terminal import (
    Context,
    emit,
    facts,
    human_bytes,
    human_seconds,
    json_option,
    note,
    pass_context_realm,
    quiet_option,
    table,
)

host_option = click.option("--host", help="A machine of hosts.yaml with the service inference, instead of this one.")
hero_option = click.option("--hero", help="Instead of the active hero.")


@click.command("status")
@host_option
@json_option
@pass_context_realm
def status_command(ctx: Context, host: str | None, as_json: bool) -> None:
    """Show what is loaded and what is answered."""
    client = find_oracle(ctx.realm, host)
    info, running = client.info(), client.running()
    found = {"url": client.url, **msgspec.to_builtins(info), "running": msgspec.to_builtins(running)}
    emit(found, as_json, lambda: _show(client, info.models, len(running), info.max_memory, info.loading))


def _show(client: OracleClient, models: list[Model], running: int, most: int, loading: list[str]) -> None:
    total = sum(model.memory for model in models)
    memory = f"{human_bytes(total)} of {human_bytes(most)}" if most else human_bytes(total)
    pairs = [("address", client.url), ("memory", memory), ("requests", running), ("loading", ", ".join(loading))]
    click.echo(facts(pairs))
    if not models:
        click.echo("nothing is loaded")
        return
    click.echo()
    columns = ["step", "hero", "weights", "identity", "memory", "idle", "pinned"]
    click.echo(table([_row(model) for model in models], columns))
    for model in models:
        if model.note:
            note(f"{model.id}: {model.note}")


def _row(model: Model) -> dict[str, Any]:
    return {
        "step": model.step, "hero": model.hero, "weights": model.weights_sha256[:12] or None,
        "identity": model.identity, "memory": human_bytes(model.memory), "idle": human_seconds(model.idle_s),
        "pinned": "yes" if model.pinned else None,
    }  # fmt: skip


class StepCommand(click.Command):
    """A command with STEP as its argument: click would take a number below 0 for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See click; numbers below 0 are refused first."""
        below = next((word for word in args if re.fullmatch(r"-[0-9]+", word)), None)
        if below is not None:
            raise _no_step(below)
        return super().parse_args(ctx, args)


@click.command("load", cls=StepCommand)
@click.argument("step", metavar="STEP|champion")
@hero_option
@click.option("--pin/--unpin", default=None, help="Keep it loaded until it is unloaded, or let it go again.")
@host_option
@json_option
@quiet_option
@pass_context_realm
def load_command(
    ctx: Context, step: str, hero: str | None, pin: bool | None, host: str | None, as_json: bool, quiet: bool
) -> None:
    """Load a checkpoint, or the champion; 0 is the base model."""
    client = find_oracle(ctx.realm, host)
    number, sha256 = _meant(ctx, step, hero)
    model = client.load(number, hero=hero or ctx.realm.config.hero, pin=pin, sha256=sha256)
    emit(model, as_json, lambda: _say(model, quiet=quiet))


@click.command("unload", cls=StepCommand)
@click.argument("step", metavar="STEP|champion")
@hero_option
@host_option
@json_option
@quiet_option
@pass_context_realm
def unload_command(ctx: Context, step: str, hero: str | None, host: str | None, as_json: bool, quiet: bool) -> None:
    """Forget a loaded checkpoint when it has answered what it was asked."""
    client = find_oracle(ctx.realm, host)
    number, _ = _meant(ctx, step, hero)
    model = client.unload(number, hero=hero or ctx.realm.config.hero)
    emit(model, as_json, lambda: None if quiet else note(f"{model.id} is unloaded"))


def _meant(ctx: Context, step: str, hero: str | None) -> tuple[int, str | None]:
    """(step, hash of the weights where it is known) of a step or the word champion."""
    from realm_cli import champions
    from realm_cli.checkpoints import is_step

    name = hero or ctx.realm.config.hero
    if step == "champion":
        champion = champions.read(ctx.realm, name)
        if champion is None:
            raise NotFoundError(f"{name} has no champion", "choose one: realm champion promote")
        return champion.step, champion.weights_sha256
    if not is_step(step):
        raise _no_step(step)
    return int(step), None


def _no_step(text: str) -> UsageError:
    return UsageError(f"'{text[:50]}' is no step", "give its number, 0 for the base model, or champion")


def _say(model: Model, *, quiet: bool) -> None:
    if quiet:
        click.echo(model.id)
        return
    click.echo(
        facts([
            ("id", model.id), ("checkpoint", model.model), ("path", model.model_path),
            ("weights", model.weights_sha256), ("identity", model.identity), ("memory", human_bytes(model.memory)),
            ("pinned", "yes" if model.pinned else ""), ("note", model.note),
        ])
    )  # fmt: skip
