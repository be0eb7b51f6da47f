"""`realm oracle chat`: one question, one over several steps, or a talk at a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from realm_cli.errors import UsageError
from realm_cli.terminal import Context, emit, is_interactive, json_option, note, pass_context_realm

if TYPE_CHECKING:
    from realm_oracle.partners import Partner


@click.command("chat")
@click.argument("message", required=False)
@click.option("--step", metavar="N|champion", help="Which checkpoint answers; 0 = the base model.")
@click.option("--compare", metavar="N,N,champion", help="Ask several checkpoints the same MESSAGE.")
@click.option("--hero", help="Whose checkpoint (default: the active hero's).")
@click.option("--host", help="The machine in hosts.yaml that answers.")
@click.option("--profile", metavar="NAME", help="A data profile (default: the one it was trained under).")
@json_option
@pass_context_realm
def chat_command(
    ctx: Context, message: str | None, step: str | None, compare: str | None, hero: str | None, host: str | None,
    profile: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Ask a checkpoint MESSAGE, or standard input; without either, talk to it at the terminal.

    It is loaded where inference happens: on the inference host of hosts.yaml, else in the Oracle that runs here, else
    in this process. Every answer names the checkpoint and the hash of the weights that gave it.
    """
    from realm_oracle import chatting, partners

    if (step is None) == (compare is None):
        raise UsageError("which checkpoint? give --step or --compare", "for example: --step champion")
    whose = hero or ctx.realm.config.hero
    given = compare.split(",") if compare is not None else [step or ""]
    steps = list(dict.fromkeys(partners.step_of(ctx.realm, whose, one.strip()) for one in given))
    asked = _asked(message)

    def opened(number: int) -> Partner:
        return partners.open_partner(ctx.realm, ctx.manager, whose, number, host, note, profile)

    if compare is not None:
        if asked is None:
            raise UsageError("--compare needs a MESSAGE", 'for example: --compare 1000,champion "Who are you?"')
        rows = chatting.compare(steps, opened, asked, None if as_json else chatting.show)
        emit(rows, as_json, lambda: None)
        chatting.raise_first(rows)
    elif asked is not None:
        chatting.ask_once(opened(steps[0]), asked, as_json)
    elif as_json:
        raise UsageError("--json needs a MESSAGE", 'for example: realm oracle chat --step 0 --json "Who are you?"')
    else:
        chatting.talk(opened(steps[0]))


def _asked(message: str | None) -> str | None:
    """The message, or what a pipe brings; None at a terminal."""
    if message is not None or is_interactive():
        return message
    text = "" if sys.stdin.isatty() else sys.stdin.read().strip()
    if not text:
        raise UsageError("there is no message", "give one as MESSAGE, or through a pipe")
    return text
