"""The face of all inference: a back end opens one exact checkpoint, and what it opens answers conversations.

`Generator.generate` answers a list at once. A `Session` is for those that come and go: conversations join a running
batch at any time and leave it at any time, and their texts come in pieces. Every reply says which weights gave it. A battle lends its live model under the same face, so that evals run in its
process between steps.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import msgspec

from realm_cli.conversation import Message as Message
from realm_cli.errors import RealmError, UsageError

if TYPE_CHECKING:
    from realm_cli.manager import Manager
    from realm_cli.profiles import Profile
    from realm_cli.realm import Realm

DEFAULT_BACKEND = "transformers"


class Reply(msgspec.Struct, frozen=True):
    """What the hero answered, and which weights did."""

    text: str
    """Decoded from the generated tokens alone, without the token that ended it."""
    finish: Literal["stop", "length"]
    """stop: the end token or a stop text came; length: max_tokens were used up."""
    hero: str
    step: int
    weights_sha256: str
    tokens: int
    """Generated tokens, the end token included."""
    prompt_tokens: int = 0
    """Tokens of the conversation; 0 where the back end does not count them."""
    profile: str = "none"
    """Stamp of the data profile under which it was asked; the text is the whole reply, with all that the profile asks for."""


class Piece(msgspec.Struct, frozen=True):
    """What one step brought for one conversation."""

    ticket: int
    text: str = ""
    """New text: whole characters, and nothing that a stop text may still take back."""
    reply: Reply | None = None
    """The whole reply, with the last piece. All pieces together are its text."""
    error: RealmError | None = None
    """Why there will be no reply."""


class Session(Protocol):
    """Conversations that are answered together, for one thread."""

    @property
    def has_room(self) -> bool:
        """Whether one more could join at the next step, as far as that is known before its length is.

        More may join, and wait. Who has requests of several people hands them over as room comes, so that they take turns.
        """
        ...

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
        """Let a conversation join, or a plain text that is to be continued; its ticket.

        `number` is its place in a request: with the seed it decides the draws. The reply is the one that `generate` gives.
        Raises `UsageError` as that does.
        """
        ...

    def step(self) -> list[Piece]:
        """Go on with all conversations by one step, and tell what came. Returns soon when there is none.

        What it raises fails all of them, and the session is of no use afterwards.
        """
        ...

    def drop(self, ticket: int) -> None:
        """Give a conversation up; nothing happens when it has ended."""
        ...

    def close(self) -> None:
        """Give up what is left."""
        ...


class Generator(Protocol):
    """One opened checkpoint.

    It may also have `memory` (bytes that its weights take), `identity` (`verified` when it has seen the weights
    itself or knows who has; otherwise they are only claimed), and `profile`, the data profile that it was trained under.
    """

    hero: str
    step: int
    weights_sha256: str

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
        """A reply to each conversation, in their order; greedy at temperature 0.

        With a temperature, `seed` and the conversations decide the replies. A reply ends before the first of the
        texts in `stop`. The conversations are asked under `profile`, its own by default. Raises `UsageError` for a conversation that the template refuses or that leaves no room.
        """
        ...

    def close(self) -> None:
        """Free the memory; the generator is of no use afterwards."""
        ...


class Backend(Protocol):
    """A way to run a checkpoint (hook `realm_oracles`)."""

    def open(self, realm: Realm, hero: str, step: int) -> Generator:
        """The checkpoint of that step, 0 = the base model. Raises `NotFoundError` when it is not here."""
        ...


@runtime_checkable
class WithSessions(Protocol):
    """A generator that can do better than whole replies."""

    def session(self) -> Session:
        """A new session over the same weights."""
        ...


def session_of(generator: Generator) -> Session:
    """The generator's own kind of session, or one that makes whole replies one by one with `generate`."""
    return generator.session() if isinstance(generator, WithSessions) else _WholeReplies(generator)


class _WholeReplies:
    """A `Session` of a generator that only knows `generate`."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._waiting: dict[int, Callable[[], list[Reply]]] = {}
        self._tickets = itertools.count(1)

    @property
    def has_room(self) -> bool:
        return not self._waiting

    def add(
        self, conversation: Sequence[Message] | str, *, max_tokens: int, temperature: float = 0.0, seed: int = 0,
        number: int = 0, stop: Sequence[str] = (), profile: Profile | None = None,
    ) -> int:  # fmt: skip
        if isinstance(conversation, str):
            raise UsageError("this back end answers conversations alone", "ask with messages")
        ticket = next(self._tickets)
        # Alone, a conversation is the first of its request: the seed alone can tell its draws from the others'.
        self._waiting[ticket] = functools.partial(
            self._generator.generate, [conversation], max_tokens=max_tokens, temperature=temperature,
            seed=seed + number, stop=stop, **({"profile": profile} if profile else {}),
        )  # fmt: skip
        return ticket

    def step(self) -> list[Piece]:
        if not self._waiting:
            return []
        ticket = next(iter(self._waiting))
        ask = self._waiting.pop(ticket)
        try:
            (reply,) = ask()
        except RealmError as error:
            return [Piece(ticket, error=error)]
        return [Piece(ticket, reply.text, reply)]

    def drop(self, ticket: int) -> None:
        self._waiting.pop(ticket, None)

    def close(self) -> None:
        self._waiting.clear()


def open_generator(
    realm: Realm, manager: Manager, hero: str, step: int, *, backend: str = DEFAULT_BACKEND
) -> Generator:
    """One exact checkpoint, opened with the back end of that name; never another checkpoint in its place."""
    made = manager.load_part("realm_oracles", backend, "inference back end")
    chosen: Backend = made() if isinstance(made, type) else made
    return chosen.open(realm, hero, step)
