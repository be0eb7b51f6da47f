"""`realm battle pause|resume|stop|skip|save`: raise a flag, wait for the battle's answer, print the step."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click

from realm_arena.flags import NOTHING_IN_BATTLE
from realm_cli import control, status
from realm_cli.errors import NotFoundError, RealmError
from realm_cli.realm import Realm
from realm_cli.records import Acknowledgement, FlagRecord
from realm_cli.terminal import Context, emit, json_option, pass_context_realm

POLL_SECONDS = 0.05

reason_option = click.option("--reason", default="", help="Kept with the flag and shown in the status.")
no_wait_option = click.option("--no-wait", is_flag=True, help="Do not wait for the battle's answer.")


def _must_run(realm: Realm, what: str) -> None:
    if status.battle_process(realm) is None:
        raise NotFoundError(f"no battle runs, so there is nothing to {what}", "start one: realm battle start")


def _ask(realm: Realm, name: str, no_wait: bool, flag: FlagRecord) -> Acknowledgement | None:
    """Wait until the battle has answered the flag; None when it was not to be waited for."""
    if no_wait:
        return None
    while True:
        seen = status.read(realm)
        answer = seen.acknowledged.get(name) if seen else None
        if answer is not None and answer.when >= flag.when:
            return answer
        if seen is not None and name == "stop" and seen.state == "stopped" and status.battle_process(realm) is None:
            return Acknowledgement(flag=name, when=flag.when, step=seen.step, at=seen.heartbeat)
        if status.battle_process(realm) is None:
            control.lower(realm, name)
            raise RealmError(f"the battle ended before it answered '{name}'", "see why: realm battle log")
        time.sleep(POLL_SECONDS)


def _report(name: str, done: str, answer: Acknowledgement | None, as_json: bool) -> None:
    data: dict[str, Any] = {
        "flag": name,
        "step": answer.step if answer else None,
        "note": answer.note if answer else "not waited for",
    }

    def render() -> None:
        if answer is None:
            click.echo(f"asked for {name}")
        else:
            click.echo(f"{done} at step {answer.step:,}" + (f" ({answer.note})" if answer.note else ""))

    emit(data, as_json, render)


@click.command("pause")
@reason_option
@click.option("--release", is_flag=True, help="Free the GPU's memory as well.")
@no_wait_option
@json_option
@pass_context_realm
def pause_command(ctx: Context, reason: str, release: bool, no_wait: bool, as_json: bool) -> None:
    """Finish the step, save, and hold still; while no battle runs, it holds for the next one."""
    running = status.battle_process(ctx.realm) is not None
    flag = control.raise_flag(ctx.realm, "pause", reason, release=release)
    if not running:
        data = {"flag": "pause", "step": None, "note": "no battle runs; the next one starts paused"}
        emit(
            data, as_json, lambda: click.echo("no battle runs; the next one starts paused (undo: realm battle resume)")
        )
        return
    _report("pause", "paused", _ask(ctx.realm, "pause", no_wait, flag), as_json)


@click.command("resume")
@no_wait_option
@json_option
@pass_context_realm
def resume_command(ctx: Context, no_wait: bool, as_json: bool) -> None:
    """End a pause."""
    realm = ctx.realm
    if not control.lower(realm, "pause"):
        raise NotFoundError("nothing is paused", "`realm status` shows what the battle does")
    running = status.battle_process(realm) is not None
    while running and not no_wait:
        seen = status.read(realm)
        if seen is None or seen.state != "paused" or status.battle_process(realm) is None:
            break
        time.sleep(POLL_SECONDS)
    seen = status.read(realm) if running else None
    data = {"flag": "resume", "step": seen.step if seen else None}
    text = f"resumed at step {seen.step:,}" if seen else "the pause is lifted; no battle runs"
    emit(data, as_json, lambda: click.echo(text))


def _flag_command(name: str, what: str, done: str, text: str) -> click.Command:
    """stop, skip and save differ in words alone."""

    def run(ctx: Context, reason: str, no_wait: bool, as_json: bool) -> None:
        _must_run(ctx.realm, what)
        flag = control.raise_flag(ctx.realm, name, reason)
        answer = _ask(ctx.realm, name, no_wait, flag)
        if answer is not None and answer.note == NOTHING_IN_BATTLE:
            raise NotFoundError("no quest is in battle, so there is nothing to skip")
        _report(name, done, answer, as_json)

    run.__doc__ = text
    decorated: Callable[..., Any] = run
    for decorate in (pass_context_realm, json_option, no_wait_option, reason_option):
        decorated = decorate(decorated)
    return click.command(name)(decorated)


stop_command = _flag_command("stop", "stop", "stopped", "Save, leave the rest of the quest queued, and end the battle.")
skip_command = _flag_command("skip", "skip", "skipped", "File the rest of the quest in battle as skipped.")
save_command = _flag_command("save", "save", "saved", "Save a checkpoint now.")
