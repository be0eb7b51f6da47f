"""The face of all inference: a back end opens one exact checkpoint, and what it opens answers conversations.

Every reply says which weights gave it. A battle lends its live model under the same face, so that evals run in its
process between steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    from realm_cli.manager import Manager
    from realm_cli.realm import Realm

DEFAULT_BACKEND = "local"


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation."""

    role: str
    """system, user or assistant, as far as the hero's chat template knows them."""
    content: str


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


class Generator(Protocol):
    """One opened checkpoint."""

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
    ) -> list[Reply]:
        """A reply to each conversation, in their order; greedy at temperature 0.

        With a temperature, `seed` and the conversations decide the replies. A reply ends before the first of the
        texts in `stop`. Raises `UsageError` for a conversation that the template refuses or that leaves no room.
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


def open_generator(
    realm: Realm, manager: Manager, hero: str, step: int, *, backend: str = DEFAULT_BACKEND
) -> Generator:
    """One exact checkpoint, opened with the back end of that name; never another checkpoint in its place."""
    made = manager.load_part("realm_oracles", backend, "inference back end")
    chosen: Backend = made() if isinstance(made, type) else made
    return chosen.open(realm, hero, step)
