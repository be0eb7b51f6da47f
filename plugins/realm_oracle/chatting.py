"""A chat in the terminal. What a model says is text: control characters in it never reach the terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import click

from realm_cli.errors import RealmError
from realm_cli.generation import Message
from realm_cli.oracleclient import Answer
from realm_cli.terminal import emit, note
from realm_oracle.partners import Partner

WIDTH = 80
QUIT = "/quit"
PROMPT = "> "
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """A model's text without what a terminal would obey; lines and tabs stay."""
    return _CONTROL.sub("", text)


def identity(answer: Answer, where: str) -> str:
    """Which checkpoint answered, in one line."""
    claimed = "" if answer.identity == "verified" else ", as its server says"
    weights = f"weights {answer.weights_sha256[:12]}" if answer.weights_sha256 else "weights unknown"
    under = "" if answer.profile == "none" else f", data profile {answer.profile}"
    return f"{answer.model}, step {answer.step:,}, {weights}{claimed}{under}, {where}"


def as_row(answer: Answer, where: str) -> dict[str, Any]:
    """An answer for programs."""
    return {
        "hero": answer.hero, "step": answer.step, "model": answer.model, "model_path": answer.model_path,
        "weights_sha256": answer.weights_sha256, "identity": answer.identity, "profile": answer.profile, "where": where,
        "response": answer.response, "finish": answer.finish, "tokens": answer.tokens,
    }  # fmt: skip


# -- one question ------------------------------------------------------------------------------------------------


def ask_once(partner: Partner, message: str, as_json: bool) -> None:
    """Print the reply as it comes; who gave it goes to stderr."""
    with closing(partner):
        answer = _streamed(partner, [Message("user", message)], show=not as_json)
    emit(as_row(answer, partner.where), as_json, lambda: note(f"({identity(answer, partner.where)})"))


def _streamed(partner: Partner, messages: Sequence[Message], *, show: bool) -> Answer:
    answer: Answer | None = None
    for piece in partner.stream(messages):
        if isinstance(piece, Answer):
            answer = piece
        elif show:
            click.echo(plain(piece), nl=False)
    if answer is None:
        raise RealmError("the reply ended without saying which weights gave it", "ask again")
    if show:
        click.echo()
    return answer


# -- one question to several -------------------------------------------------------------------------------------


def compare(
    steps: Sequence[int], opened: Callable[[int], Partner], message: str, tell: Callable[[dict[str, Any]], None] | None
) -> list[dict[str, Any]]:
    """A row for each step, told as it comes. One that cannot answer has an `error` and keeps no other from it."""
    rows = []
    for step in steps:
        try:
            with closing(opened(step)) as partner:
                answer = _streamed(partner, [Message("user", message)], show=False)
                rows.append({**as_row(answer, partner.where), "said_by": identity(answer, partner.where)})
        except RealmError as error:
            rows.append({"step": step, "error": error.message, "hint": error.hint, "exit_code": error.exit_code})
        if tell is not None:
            tell(rows[-1])
    return rows


def show(row: dict[str, Any]) -> None:
    """One checkpoint's answer, set off below its name."""
    if "error" in row:
        click.echo(f"step {row['step']:,}\n  cannot answer: {row['error']}\n")
        return
    lines = [
        part
        for line in plain(row["response"]).splitlines()
        for part in textwrap.wrap(line, WIDTH - 2, break_on_hyphens=False) or [""]
    ]
    head = textwrap.fill(row["said_by"], WIDTH, break_on_hyphens=False)
    click.echo("\n".join([head, *(f"  {line}".rstrip() for line in lines), ""]))


def raise_first(rows: Sequence[dict[str, Any]]) -> None:
    """Fail when a checkpoint could not answer, as its error does."""
    failed = [row for row in rows if "error" in row]
    if failed:
        error = RealmError(f"step {failed[0]['step']:,}: {failed[0]['error']}", failed[0]["hint"])
        error.exit_code = failed[0]["exit_code"]
        raise error


# -- a talk ------------------------------------------------------------------------------------------------------


def talk(partner: Partner) -> None:
    """Ask and answer until /quit or the end of input. Ctrl-C ends the reply that is being made, and only that."""
    import readline  # noqa: F401 - it makes `input` editable, with a memory

    note(f"{QUIT} or Ctrl-D ends the talk, Ctrl-C the reply")
    messages: list[Message] = []
    with closing(partner):
        while (line := _line()) is not None:
            if line:
                messages = _turn(partner, [*messages, Message("user", line)]) or messages


def _line() -> str | None:
    """What the person typed; None to end, empty for nothing."""
    try:
        line = input(PROMPT).strip()
    except EOFError:
        click.echo()
        return None
    except KeyboardInterrupt:
        click.echo()
        return ""
    return None if line == QUIT else line


def _turn(partner: Partner, messages: list[Message]) -> list[Message] | None:
    """The talk with the reply; None when there was none, so that the question is not remembered either."""
    try:
        answer = _streamed(partner, messages, show=True)
    except KeyboardInterrupt:
        click.echo()
        note("(cancelled)")
        return None
    except RealmError as error:
        note(f"error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else ""))
        return None
    click.secho(f"({identity(answer, partner.where)})", dim=True, err=True)
    return [*messages, Message("assistant", answer.response)]
