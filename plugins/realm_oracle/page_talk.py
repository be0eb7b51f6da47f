"""A talk on the page `/oracle`: questions, and what each of the chosen checkpoints answered to them.

A page without scripts carries the whole talk in a field of its form, so the server remembers none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from realm_cli.errors import NotFoundError, RealmError, UsageError
from realm_cli.generation import Message
from realm_cli.oracleclient import Answer, OracleClient
from realm_oracle.page_hosts import HostLook, OracleHosts

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Step = Annotated[int, Meta(ge=0)]
Text = Annotated[str, Meta(min_length=1, max_length=200_000)]
AT_ONCE = 8
"""Checkpoints that are asked at the same time."""


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: Text


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One loaded checkpoint."""

    host: Name
    hero: Name
    step: Step
    weights_sha256: Annotated[str, Meta(max_length=64)] = ""

    @property
    def key(self) -> str:
        """As the value of a form's field."""
        return f"{self.host} {self.hero} {self.step} {self.weights_sha256}"

    @classmethod
    def of_key(cls, text: str) -> Choice:
        """The choice that a form gives. Raises `UsageError`."""
        host, hero, step, sha256 = (text.split(" ") + [""] * 4)[:4]
        try:
            given = {"host": host, "hero": hero, "step": step, "weights_sha256": sha256}
            return msgspec.convert(given, cls, strict=False)
        except msgspec.ValidationError:
            raise UsageError(f"'{text[:100]}' names no loaded checkpoint", "load the page again") from None


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one checkpoint answered, or why it did not."""

    choice: Choice
    model: str = ""
    response: str = ""
    finish: str = ""
    note: str = ""
    error: str = ""


class Exchange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question and its answers."""

    message: Text
    replies: list[Said]


Talk = list[Exchange]


def read_talk(text: str) -> Talk:
    """The talk that a form carries; none in an empty field. Raises `UsageError`."""
    try:
        return msgspec.json.decode(text, type=Talk) if text else []
    except msgspec.DecodeError as error:
        raise UsageError(f"the talk so far cannot be read: {error}", "begin a new one") from None


def write_talk(talk: Talk) -> str:
    """The talk as a form carries it."""
    return msgspec.json.encode(talk).decode()


def conversation(talk: Sequence[Exchange], choice: Choice, message: str) -> list[Message]:
    """What a checkpoint is given: the questions that it answered, its answers, and the new question."""
    messages = []
    for exchange in talk:
        for said in exchange.replies:
            if said.choice == choice and not said.error:
                messages += [Message("user", exchange.message), Message("assistant", said.response)]
    return [*messages, Message("user", message)]


def choices(hosts: Sequence[HostLook]) -> list[Choice]:
    """Every loaded checkpoint."""
    return [Choice(host.name, one.hero, one.step, one.weights_sha256) for host in hosts for one in host.models]


# -- asking ------------------------------------------------------------------------------------------------------


def check_loaded(client: OracleClient, hero: str, step: int) -> None:
    """Raise `NotFoundError`, with the steps that are there, unless the checkpoint is loaded."""
    there = [model.step for model in client.info().models if model.hero == hero]
    if step not in there:
        raise NotFoundError(f"Step {step} not loaded. Available: {sorted(there)}", "load it first")


def ask(hosts: OracleHosts, choice: Choice, messages: Sequence[Message]) -> Answer:
    """The whole answer of one loaded checkpoint."""
    client = hosts.client(choice.host)
    check_loaded(client, choice.hero, choice.step)
    return client.chat(messages, choice.step, hero=choice.hero, sha256=choice.weights_sha256 or None)


def stream(hosts: OracleHosts, choice: Choice, messages: Sequence[Message]) -> Iterator[str | Answer]:
    """Its answer in pieces; what is wrong is raised before the first."""
    client = hosts.client(choice.host)
    check_loaded(client, choice.hero, choice.step)
    return client.chat_stream(messages, choice.step, hero=choice.hero, sha256=choice.weights_sha256 or None)


def go_on(hosts: OracleHosts, talk: Talk, message: str, chosen: Sequence[Choice]) -> Talk:
    """The talk with one more question, answered by each of the chosen."""

    def one(choice: Choice) -> Said:
        try:
            return said_of(choice, ask(hosts, choice, conversation(talk, choice, message)))
        except RealmError as error:
            return Said(choice, error=f"{error.message}; {error.hint}" if error.hint else error.message)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [*talk, Exchange(message, list(pool.map(one, chosen)))]


def said_of(choice: Choice, answer: Answer) -> Said:
    """An answer as the talk keeps it, with the weights that gave it."""
    exact = msgspec.structs.replace(choice, step=answer.step, weights_sha256=answer.weights_sha256)
    return Said(exact, answer.model, answer.response, answer.finish, answer.note)
