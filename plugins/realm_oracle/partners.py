"""Who answers a chat: the server of another machine, the one that runs here, or the checkpoint in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from realm_cli import champions, checkpoints, inference
from realm_cli.errors import AwayError, NotFoundError
from realm_cli.generation import Generator, Message, open_generator
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.oracleclient import MAX_TOKENS, Answer, Model, OracleClient, find_oracle
from realm_cli.profiles import Profile, open_profile
from realm_cli.realm import Realm
from realm_oracle.remote import bring, record_of, weights_of

HERE = "this process"
CHAMPION = "champion"
Say = Callable[[str], None]


class Partner(Protocol):
    """One exact checkpoint to talk to."""

    where: str

    def stream(self, messages: Sequence[Message]) -> Iterator[str | Answer]:
        """The reply in pieces, then the whole answer with the weights that gave it."""
        ...

    def close(self) -> None:
        """Free what was opened for the talk."""
        ...


def step_of(realm: Realm, hero: str, text: str) -> int:
    """The step that a person names: a number, a canonical name, or `champion`. Never another one in its place."""
    if text == CHAMPION:
        champion = champions.read(realm, hero)
        if champion is None:
            raise NotFoundError(f"{hero} has no champion", "name a step, or crown one: realm champion promote")
        return champion.step
    return int(text) if checkpoints.is_step(text) else Ledger(realm, hero).step_of(text)


def open_partner(
    realm: Realm, manager: Manager, hero: str, step: int, host: str | None, say: Say, profile: str | None = None
) -> Partner:
    """The nearest that can answer as this checkpoint; `say` is told when it is not the one that was meant.

    With `host` only that machine, else the inference host, else the server that runs here, else this process. Whoever
    it is has the weights of this realm's ledger. `profile` names a data profile in place of the checkpoint's own.
    """
    dress = open_profile(realm, profile, manager=manager) if profile is not None else None
    if host is not None:
        return _on_host(realm, host, hero, step, profile)
    elsewhere = inference.host_of(realm)
    if elsewhere is not None:
        try:
            return _on_host(realm, elsewhere, hero, step, profile)
        except AwayError as error:
            say(f"{elsewhere} is away ({error.message})")
    try:
        client = find_oracle(realm)
    except NotFoundError as error:
        say(f"{error.message}: this process answers")
        return InProcess(open_generator(realm, manager, hero, step), _name_of(realm, hero, step), dress)
    model = client.load(step, hero=hero, sha256=weights_of(realm, hero, step))
    return OverHttp(client, model, "the Oracle here", profile)


def _on_host(realm: Realm, host: str, hero: str, step: int, profile: str | None) -> OverHttp:
    client = find_oracle(realm, host)
    model = bring(realm, host, client, hero, step)
    return OverHttp(client, model, host, profile)


def _name_of(realm: Realm, hero: str, step: int) -> str:
    return record_of(realm, hero, step).canonical_name if step else f"{hero}'s base model"


class OverHttp:
    """A loaded checkpoint of a server."""

    def __init__(self, client: OracleClient, model: Model, where: str, profile: str | None) -> None:
        self.where = where
        self._client = client
        self._model = model
        self._profile = profile

    def stream(self, messages: Sequence[Message]) -> Iterator[str | Answer]:
        """As it comes over the line."""
        model = self._model
        return self._client.chat_stream(
            messages, model.step, hero=model.hero, sha256=model.weights_sha256, profile=self._profile
        )

    def close(self) -> None:
        """It stays loaded there."""


class InProcess:
    """A checkpoint that was opened here: its reply comes as a whole."""

    where = HERE

    def __init__(self, generator: Generator, name: str, profile: Profile | None) -> None:
        self._generator = generator
        self._profile = profile
        self._name = name

    def stream(self, messages: Sequence[Message]) -> Iterator[str | Answer]:
        """One piece."""
        (reply,) = self._generator.generate([messages], max_tokens=MAX_TOKENS, profile=self._profile)
        yield reply.text
        yield Answer(
            response=reply.text, finish=reply.finish, tokens=reply.tokens, prompt_tokens=reply.prompt_tokens,
            model=self._name, model_path="", hero=reply.hero, step=reply.step, weights_sha256=reply.weights_sha256,
            backend=HERE, identity="verified", profile=reply.profile,
        )  # fmt: skip

    def close(self) -> None:
        """Give the memory back."""
        self._generator.close()
