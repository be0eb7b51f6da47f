"""Data profiles: what stands around a row in training and, in just the same way, around a question to the hero.

A profile is a property of the hero (`profile` and `system_prompt` in its YAML). A checkpoint keeps the one that it was
trained under in its ledger record, and is asked under that one for ever. Quest files hold raw rows: their hashes, keys
and fingerprints know nothing of profiles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from realm_cli.conversation import Message
from realm_cli.errors import FormatError, NotFoundError, nearest
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager

if TYPE_CHECKING:
    from realm_cli.checkpoint_records import LedgerRecord
    from realm_cli.config import HeroConfig
    from realm_cli.realm import Realm

NONE = "none"
"""The profile of rows and questions that stay as they are; it needs no plugin."""
HOOK, NOUN = "realm_profiles", "data profile"


class Nudge(msgspec.Struct, frozen=True):
    """How the choice of the next token is bent while a reply is made."""

    discouraged: tuple[str, ...] = ()
    """Texts, of letters and signs of ASCII, that the reply should not come to hold."""
    end_after: str = ""
    """Where the reply ends with this text, it should end; empty = nowhere."""


class Profile(Protocol):
    """A data profile (hook `realm_profiles`). All of it is a pure function of its arguments."""

    stamp: str
    """What tells its tokens and replies from those of others: its name, and something more where wording or settings differ."""
    own_thoughts: bool
    """Whether the chat template may put empty think blocks of its own before replies."""
    extra_tokens: int
    """Most tokens that a reply needs beside its answer."""

    def lesson(self, messages: Sequence[Message], index: int) -> list[Message]:
        """A chat of a quest as it is trained; `index` counts the rows of its file from 0.

        Raises `FormatError` for a chat that it cannot be put around.
        """
        ...

    def question(self, messages: Sequence[Message]) -> list[Message]:
        """A conversation that waits for the hero's reply, as the hero is asked. Its own replies stand in it as it said them."""
        ...

    def answer(self, messages: Sequence[Message], reply: str) -> str | None:
        """What the hero answered to a conversation, out of its whole reply; None where the reply has not the form."""
        ...

    def nudge(self, messages: Sequence[Message]) -> Nudge:
        """How the reply to a conversation is bent while it is made."""
        ...


ProfileType = Callable[[str], Profile]
"""What a part of `realm_profiles` is: makes the profile for a hero with that `system_prompt`, empty for none.

Raises `FormatError` where the profile does not go with one.
"""


class Plain:
    """The profile none: a system prompt where one is configured and absent, nothing else."""

    own_thoughts = True
    extra_tokens = 0

    def __init__(self, system_prompt: str = "") -> None:
        self._system_prompt = system_prompt
        self.stamp = stamped(NONE, system_prompt)

    def lesson(self, messages: Sequence[Message], index: int) -> list[Message]:
        """See `Profile.lesson`."""
        return with_system(messages, self._system_prompt)

    def question(self, messages: Sequence[Message]) -> list[Message]:
        """See `Profile.question`."""
        return with_system(messages, self._system_prompt)

    def answer(self, messages: Sequence[Message], reply: str) -> str | None:
        """See `Profile.answer`."""
        return reply

    def nudge(self, messages: Sequence[Message]) -> Nudge:
        """See `Profile.nudge`."""
        return Nudge()


def stamped(name: str, system_prompt: str) -> str:
    """The stamp of a profile: its name, with eight digits of the system prompt's hash where there is one."""
    return f"{name}-{hashlib.sha256(system_prompt.encode()).hexdigest()[:8]}" if system_prompt else name


def of_generator(generator: object) -> Profile:
    """The profile under which an opened checkpoint is asked; none for a back end that knows nothing of profiles."""
    found: Profile | None = getattr(generator, "profile", None)
    return found or Plain()


def with_system(messages: Sequence[Message], text: str) -> list[Message]:
    """The messages, `text` before them as system prompt; one that stands there is never overwritten."""
    if not text or any(message.role in ("system", "developer") for message in messages):
        return list(messages)
    return [Message("system", text), *messages]


def open_profile(realm: Realm, name: str, system_prompt: str = "", *, manager: Manager | None = None) -> Profile:
    """A profile by name. Raises `NotFoundError` for one that no plugin offers."""
    if name == NONE:
        return Plain(system_prompt)
    made: ProfileType = (manager or Manager.of(realm)).load_part(HOOK, name, NOUN)
    return made(system_prompt)


def of_hero(realm: Realm, hero: str) -> Profile:
    """The profile that a hero is trained under from now on. Raises `FormatError` that names the file and the key."""
    return of_config(realm, hero, realm.hero(hero))


def of_config(realm: Realm, hero: str, config: HeroConfig) -> Profile:
    """The profile of a hero with these settings, wherever they come from. Raises `FormatError` as `of_hero` does."""
    where = f"{realm.hero_file(hero)}: profile"
    if config.profile == NONE:
        return Plain(config.system_prompt or "")
    manager = Manager.of(realm)
    known = names(manager)
    if config.profile not in known:
        hint = nearest(config.profile, known) or f"known: {', '.join(known)}"
        raise FormatError(where, f"there is no data profile '{config.profile}'", hint)
    try:
        return open_profile(realm, config.profile, config.system_prompt or "", manager=manager)
    except FormatError as error:
        raise FormatError(where, error.problem, error.hint) from None


def of_record(realm: Realm, record: LedgerRecord) -> Profile:
    """The profile that a checkpoint was trained under. Raises `NotFoundError` where its plugin is missing."""
    try:
        return open_profile(realm, record.profile, record.system_prompt)
    except NotFoundError as error:
        problem = f"{record.canonical_name} was trained under the data profile '{record.profile}', which is not here"
        raise NotFoundError(problem, error.hint or "install or enable the plugin that offers it") from None


def of_step(realm: Realm, hero: str, step: int) -> Profile:
    """The profile that the checkpoint of `step` is asked under; the hero's present one at step 0."""
    return of_record(realm, Ledger(realm, hero).get(step)) if step else of_hero(realm, hero)


def names(manager: Manager) -> list[str]:
    """All profiles that a hero can have, sorted."""
    return sorted({NONE, *manager.parts(HOOK)})
