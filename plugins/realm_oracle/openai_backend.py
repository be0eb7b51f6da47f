"""The inference back end `openai`: checkpoints that another server runs (vLLM, llama.cpp, ollama, another Oracle).

Which weights answer there is its word: the model has to be in its list, and every piece has to name it. Only an Oracle
tells the weights' hash, which is compared with the ledger's; all else is `claimed`.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from realm_cli import profiles
from realm_cli.config import OracleServer
from realm_cli.errors import NotFoundError, RealmError, RefusedError, UsageError
from realm_cli.generation import Message, Piece, Reply
from realm_cli.ledger import Ledger
from realm_cli.profiles import NONE, Plain, Profile
from realm_cli.realm import Realm
from realm_oracle.openai_wire import Wire
from realm_oracle.remote import refuse_other

AT_ONCE = 32
"""Requests that are open at a time."""
WAIT_SECONDS = 0.1
"""How long a step waits for the next piece."""


class OpenAIBackend:
    """Opens checkpoints that `oracle.servers` names."""

    def open(self, realm: Realm, hero: str, step: int) -> OpenAIGenerator:
        """The checkpoint as its server knows it. Raises `NotFoundError` when the server does not list it."""
        server = realm.config.oracle.servers.get(hero)
        if server is None:
            problem = f"no server is named for {hero}"
            raise NotFoundError(problem, f"name it in configs/realm.yaml: oracle.servers.{hero}")
        wire = Wire(server, name_there(server, hero, step))
        facts = wire.listed().get("realm")
        sha256 = str(facts.get("weights_sha256", "")) if isinstance(facts, dict) else ""
        known, profile = _known(realm, hero, step)
        if sha256 and known and sha256 != known:
            raise RefusedError(
                f"{wire.url} runs {wire.model} with the weights {sha256[:12]}, the ledger has {known[:12]}",
                "load the same checkpoint there",
            )
        there = str(facts.get("profile", NONE)) if isinstance(facts, dict) else None
        check_profile(wire, profile, there)
        return OpenAIGenerator(
            wire, hero, step, sha256, "verified" if sha256 and known else "claimed", profile, dresses=there is None
        )


def name_there(server: OracleServer, hero: str, step: int) -> str:
    """What a server calls a checkpoint."""
    return server.model.replace("{hero}", hero).replace("{step}", str(step))


def _known(realm: Realm, hero: str, step: int) -> tuple[str, Profile]:
    """What the ledger here says of weights and data profile; no hash and the hero's present profile where it says nothing."""
    try:
        record = Ledger(realm, hero).get(step)
    except NotFoundError:
        return "", profiles.of_hero(realm, hero)
    return record.weights_sha256, profiles.of_record(realm, record)


def check_profile(wire: Wire, profile: Profile, there: str | None) -> None:
    """Refuse a data profile that cannot be kept there. An Oracle asks under its own, which `there` names; others have none."""
    if there is not None and there != profile.stamp:
        raise RefusedError(
            f"{wire.url} asks {wire.model} under the data profile {there} instead of {profile.stamp}",
            "set the same profile for the hero there, and load the checkpoint again",
        )
    if there is None and not isinstance(profile, Plain):
        raise RefusedError(
            f"{wire.url} cannot ask under the data profile {profile.stamp}: its chat template and its choice of tokens"
            " are its own",
            "take the hero out of oracle.servers, so that its checkpoints are run here",
        )


class OpenAIGenerator:
    """A `realm_cli.generation.Generator` over one model of a server."""

    memory = 0

    def __init__(
        self, wire: Wire, hero: str, step: int, weights_sha256: str, identity: Literal["verified", "claimed"],
        profile: Profile, *, dresses: bool,
    ) -> None:  # fmt: skip
        """`dresses`: conversations are put under the profile here, as the server knows of none."""
        self.hero = hero
        self.step = step
        self.weights_sha256 = weights_sha256
        self.identity = identity
        self.profile = profile
        self._dresses = dresses
        self._wire = wire

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        profile: Profile | None = None,
    ) -> list[Reply]:
        """See `realm_cli.generation.Generator.generate`."""
        session = self.session()
        replies: dict[int, Reply] = {}
        try:
            tickets = [
                session.add(
                    conversation,
                    max_tokens=max_tokens,
                    temperature=temperature,
                    seed=seed,
                    number=number,
                    stop=stop,
                    profile=profile,
                )
                for number, conversation in enumerate(conversations)
            ]
            while len(replies) < len(tickets):
                for piece in session.step():
                    if piece.error is not None:
                        raise piece.error
                    if piece.reply is not None:
                        replies[piece.ticket] = piece.reply
        finally:
            session.close()
        return [replies[ticket] for ticket in tickets]

    def session(self) -> OpenAISession:
        """See `realm_cli.generation.WithSessions`."""
        return OpenAISession(self)

    def dressed(self, conversation: Sequence[Message]) -> Sequence[Message]:
        """A conversation as that server is to be sent it."""
        return self.profile.question(conversation) if self._dresses else conversation

    def ask(self, body: dict[str, Any], *, is_chat: bool) -> Any:
        """The pieces of one reply."""
        return self._wire.pieces("/chat/completions" if is_chat else "/completions", body)

    def close(self) -> None:
        """Nothing is held here."""


class OpenAISession:
    """A `realm_cli.generation.Session`: every conversation is a stream of its own, which that server batches."""

    def __init__(self, generator: OpenAIGenerator) -> None:
        self._generator = generator
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="openai")
        self._came: queue.SimpleQueue[Piece] = queue.SimpleQueue()
        self._dropped: dict[int, threading.Event] = {}
        """The conversations that are open, and whether they were given up."""
        self._tickets = itertools.count(1)

    @property
    def has_room(self) -> bool:
        """See `realm_cli.generation.Session.has_room`."""
        return len(self._dropped) < AT_ONCE

    def add(
        self,
        conversation: Sequence[Message] | str,
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        number: int = 0,
        stop: Sequence[str] = (),
        profile: Profile | None = None,
    ) -> int:
        """See `realm_cli.generation.Session.add`."""
        refuse_other(self._generator.profile, profile)
        if max_tokens < 1 or temperature < 0 or isinstance(stop, str) or not all(stop):
            raise UsageError("a generation parameter is out of range", "max_tokens from 1, temperature from 0")
        if not conversation:
            raise UsageError(f"conversation {number + 1} has to end with a message to the hero", "say something")
        body: dict[str, Any] = {
            "max_tokens": max_tokens, "temperature": temperature, "seed": (seed + number) % 2**31,
            "stream_options": {"include_usage": True},
        }  # fmt: skip
        if stop:
            body["stop"] = list(stop)
        if isinstance(conversation, str):
            body["prompt"] = conversation
        else:
            turns = self._generator.dressed(conversation)
            body["messages"] = [{"role": turn.role, "content": turn.content} for turn in turns]
        ticket = next(self._tickets)
        self._dropped[ticket] = threading.Event()
        self._threads.submit(self._follow, ticket, body, self._dropped[ticket])
        return ticket

    def step(self) -> list[Piece]:
        """See `realm_cli.generation.Session.step`."""
        if not self._dropped:
            return []
        found: list[Piece] = []
        try:
            found.append(self._came.get(timeout=WAIT_SECONDS))
            while True:
                found.append(self._came.get_nowait())
        except queue.Empty:
            pass
        found = [piece for piece in found if piece.ticket in self._dropped]
        for piece in found:
            if piece.reply is not None or piece.error is not None:
                del self._dropped[piece.ticket]
        return found

    def drop(self, ticket: int) -> None:
        """See `realm_cli.generation.Session.drop`."""
        given_up = self._dropped.pop(ticket, None)
        if given_up is not None:
            given_up.set()

    def close(self) -> None:
        """See `realm_cli.generation.Session.close`."""
        for ticket in list(self._dropped):
            self.drop(ticket)
        self._threads.shutdown(wait=False, cancel_futures=True)

    # -- a thread for each conversation --------------------------------------------------------------------------

    def _follow(self, ticket: int, body: dict[str, Any], given_up: threading.Event) -> None:
        text, finish = "", ""
        usage: dict[str, Any] = {}
        try:
            for chunk in self._generator.ask(body, is_chat="messages" in body):
                if given_up.is_set():
                    return
                self._check_weights(chunk)
                usage = chunk.get("usage") or usage
                for choice in chunk["choices"][:1]:
                    finish = choice.get("finish_reason") or finish
                    new = _text_of(choice)
                    text += new
                    if new:
                        self._came.put(Piece(ticket, new))
            self._came.put(Piece(ticket, reply=self._reply(text, finish, usage)))
        except RealmError as error:
            self._came.put(Piece(ticket, error=error))
        except Exception as error:  # the edge of a server that says anything
            problem = f"the server's answer cannot be read: {type(error).__name__}: {error}"
            self._came.put(Piece(ticket, error=RealmError(problem, "look into that server's log")))

    def _check_weights(self, chunk: dict[str, Any]) -> None:
        """An Oracle says with every reply which weights gave it; they may be others than at the start."""
        facts, expected = chunk.get("realm"), self._generator.weights_sha256
        found = facts.get("weights_sha256") if isinstance(facts, dict) else expected
        if found != expected:
            raise RefusedError(
                f"the reply is of the weights {str(found)[:12]}, not of {expected[:12]}", "open the checkpoint again"
            )

    def _reply(self, text: str, finish: str, usage: dict[str, Any]) -> Reply:
        if finish not in ("stop", "length"):
            raise RealmError(f"the reply ended with '{finish or 'nothing'}' instead of stop or length", "ask again")
        generator, made = self._generator, usage.get("completion_tokens")
        return Reply(
            text, "stop" if finish == "stop" else "length", generator.hero, generator.step, generator.weights_sha256,
            int(made or 0), int(usage.get("prompt_tokens") or 0), generator.profile.stamp,
        )  # fmt: skip


def _text_of(choice: dict[str, Any]) -> str:
    """The new text of a choice, of a conversation or of a plain text."""
    delta = choice.get("delta")
    found = delta.get("content") if isinstance(delta, dict) else choice.get("text")
    return str(found) if found else ""
