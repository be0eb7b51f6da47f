"""`realm herald run|list|test`."""

from __future__ import annotations

import signal
import threading
from typing import Any

import click

from realm_cli import services, store
from realm_cli.errors import NotFoundError, RealmError
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.terminal import Context, emit, json_option, note, pass_context_realm, quiet_option, table
from realm_herald import settings
from realm_herald.records import HeraldRecord, Message, record_path
from realm_herald.settings import HeraldConfig


@click.command("run")
@quiet_option
@pass_context_realm
def run_command(ctx: Context, quiet: bool) -> None:
    """Tell the heralds of configs/heralds.yaml what happens, until Ctrl-C or SIGTERM."""
    from realm_herald.running import run
    from realm_herald.sending import send

    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    if not quiet:
        note("Ctrl-C ends it")
    run(ctx.realm, ctx.manager, stopping, send)


@click.command("list")
@json_option
@pass_context_realm
def list_command(ctx: Context, as_json: bool) -> None:
    """List the heralds: where they tell, what, and what did not arrive yet."""
    heralds = settings.load(ctx.realm).heralds
    rows = [_row(ctx.realm, name, herald) for name, herald in heralds.items()]

    def show() -> None:
        shown = [{**row, "state": row["reason"] or row["state"]} for row in rows]
        click.echo(table(shown, ("name", "address", "sent", "held", "state")) if rows else _none(ctx.realm))

    emit(rows, as_json, show)


def _none(realm: Realm) -> str:
    return f"no herald is named in {settings.heralds_file(realm)}"


def _row(realm: Realm, name: str, herald: HeraldConfig) -> dict[str, Any]:
    from realm_herald.sending import check

    record = store.read_or_set_aside(record_path(realm, name), HeraldRecord) or HeraldRecord(herald=name)
    at_work = services.running(realm, "herald") is not None
    try:
        shown, reason = check(settings.target(realm, name, herald)), record.reason
    except RealmError as error:
        shown, reason = "-", error.message
    waiting = len(record.held) + sum(record.more.values()) + (record.sending.count if record.sending else 0)
    return {
        "name": name, "enabled": herald.enabled, "address": shown, "format": herald.format, "per_hour": herald.per_hour,
        "rules": [{"events": rule.events, "grade": rule.grade, "quiet": rule.quiet} for rule in herald.rules],
        "sent": record.delivered, "sent_at": record.delivered_at or None, "held": waiting, "reason": reason or None,
        "state": "disabled" if not herald.enabled else "at work" if at_work else "not running: realm herald run",
    }  # fmt: skip


@click.command("test")
@click.argument("name", required=False)
@json_option
@pass_context_realm
def test_command(ctx: Context, name: str | None, as_json: bool) -> None:
    """Send a message to the herald NAME, or to every enabled one. Ends with 1 when one does not arrive."""
    heralds = {
        known: herald for known, herald in settings.load(ctx.realm).heralds.items() if name is None and herald.enabled
    }
    if name is not None:
        heralds = {name: settings.get(ctx.realm, name)}
    if not heralds:
        raise NotFoundError(_none(ctx.realm), "write one: the comments there show how")
    rows = [{"name": one, "reason": _tried(ctx.realm, one, herald) or None} for one, herald in heralds.items()]

    def show() -> None:
        for row in rows:
            click.echo(f"{row['name']}: {row['reason'] or 'arrived'}")

    emit(rows, as_json, show)
    if any(row["reason"] for row in rows):
        raise click.exceptions.Exit(1)


def _tried(realm: Realm, name: str, herald: HeraldConfig) -> str:
    """Send a message of its own; empty, or why it did not arrive."""
    from realm_herald.sending import check, send

    moment = now()
    message = Message(
        id=f"test-{moment}", text="this is a test: the herald can be heard", event="test", worth="plain", count=1,
        made_at=moment,
    )  # fmt: skip
    try:
        target = settings.target(realm, name, herald)
        check(target)
    except RealmError as error:
        return error.message
    return send(target, message, realm.root.name)
