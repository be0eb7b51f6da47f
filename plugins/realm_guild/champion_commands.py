"""`realm champion show|history|promote`."""

from __future__ import annotations

import click

from realm_cli import champions, inference
from realm_cli.errors import NotFoundError, RealmError
from realm_cli.realm import Realm
from realm_cli.skill_records import ChampionRecord
from realm_cli.skillbook import open_skills
from realm_cli.terminal import Context, emit, facts, json_option, note, pass_context_realm, table
from realm_guild import asking, crown


@click.command("show")
@json_option
@pass_context_realm
def show_command(ctx: Context, as_json: bool) -> None:
    """Show the champion of the active hero: the checkpoint that is deployed."""
    hero = ctx.realm.config.hero
    record = champions.read(ctx.realm, hero)
    if record is None:
        raise NotFoundError(f"{hero} has no champion yet", "play crowns one at a level-up, or: realm champion promote")
    emit(record.to_dict(), as_json, lambda: click.echo(_text(record)))


def _text(record: ChampionRecord) -> str:
    evals = [
        f"{skill} level {level}: {accuracy:.0%}"
        for skill, levels in record.evals.items()
        for level, accuracy in levels.items()
    ]
    pairs = [
        ("champion", record.checkpoint), ("step", f"{record.step:,}"), ("chosen", f"by {record.by}, {record.promoted_at}"),
        ("weights", record.weights_sha256), ("override", record.override or None),
        ("although", "; ".join(record.refused_for) or None), ("evals", ", ".join(evals) or "none"),
    ]  # fmt: skip
    return facts(pairs)


@click.command("history")
@json_option
@pass_context_realm
def history_command(ctx: Context, as_json: bool) -> None:
    """Show which checkpoint of the active hero was champion when and why, newest first."""
    hero = ctx.realm.config.hero
    rows = crown.history(ctx.realm, hero)
    shown = [{**row, "step": f"{row['step']:,}", "until": row["until"] or "today"} for row in rows]
    emit(rows, as_json, lambda: click.echo(table(shown, ["step", "since", "until", "by", "why"])))
    if not rows and not as_json:
        note(f"{hero} has no champion yet")


@click.command("promote")
@click.argument("checkpoint", required=False)
@click.option("--override", default="", metavar="REASON", help="Promote it although a check refuses; kept on record.")
@json_option
@pass_context_realm
def promote_command(ctx: Context, checkpoint: str | None, override: str, as_json: bool) -> None:
    """Make CHECKPOINT (a step or a name; default: the newest) the champion.

    Refused for one that lost a mastered level or was not examined on each of them.
    """
    hero, step = ctx.realm.config.hero, asking.step_of(ctx.realm, checkpoint)
    if step == 0:
        raise NotFoundError(f"{hero} has no checkpoint that could be champion", "train first: realm play")
    entries = {entry.config.id: entry for entry in open_skills(ctx.realm, ctx.manager)[0]}
    record = crown.promote(ctx.realm, ctx.manager, entries, hero, step, override.strip())
    emit(record.to_dict(), as_json, lambda: click.echo(_text(record)))
    _tell_host(ctx.realm)


def _tell_host(realm: Realm) -> None:
    """Whether the inference host can load it now; the promotion stands either way."""
    from realm_cli.oracleclient import find_oracle

    try:
        host = inference.host_of(realm)
        if host is not None:
            find_oracle(realm, host).health()
            note(f"{host} loads it now")
    except RealmError as error:
        note(f"the inference host does not load it yet: {error.message}; the task model_warmup does it later")
