"""What stands between conversations and token ids: prompts, the end of a reply, its text, the draws from its logits."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence

import torch

from realm_arena import dressing
from realm_arena.encoding import HeroTokenizer
from realm_arena.nudging import Bend, Nudging
from realm_arena.rows import ROLES
from realm_arena.templates import ConversationError
from realm_cli.errors import RealmError, UsageError, nearest
from realm_cli.generation import Message, Reply
from realm_cli.profiles import NONE, Profile


class Wording:
    """The words of one opened checkpoint."""

    def __init__(self, tokenizer: HeroTokenizer, hero: str, step: int, weights_sha256: str) -> None:
        self._tokenizer = tokenizer
        self._of = (hero, step, weights_sha256)
        self.end_ids = frozenset(number for number in (tokenizer.end_token_id, tokenizer.eos_id) if number is not None)
        self.pad_id = tokenizer.pad_id
        self._nudging = Nudging(tokenizer, self.end_ids)

    def prompt(
        self, number: int, conversation: Sequence[Message] | str, context: int | None, profile: Profile
    ) -> list[int]:
        """The tokens of a conversation under a profile, or of a plain text, which is the `number`th of its request."""
        where = f"conversation {number}"
        try:
            if isinstance(conversation, str):
                ids = self._tokenizer.text_ids(_encodable(conversation, f"prompt {number}"))
            else:
                dressed = dressing.as_turns(profile.question(_checked(conversation, where)))
                ids = self._tokenizer.prompt_ids(dressed, own_thoughts=profile.own_thoughts)
        except ConversationError as error:
            raise UsageError(f"{where}: the {error.message}", "change the conversation or the template") from error
        if not ids:
            raise UsageError(f"prompt {number} is empty", "say how the text begins")
        if context is not None and len(ids) >= context:
            problem = f"{len(ids):,} tokens leave no room for a reply, as the model has {context:,} positions"
            raise UsageError(f"{where}: {problem}", "shorten it")
        return ids

    def bend(self, conversation: Sequence[Message] | str, profile: Profile) -> Bend | None:
        """What bends the reply to a conversation; None where nothing does."""
        return None if isinstance(conversation, str) else self._nudging.bend(profile.nudge(conversation))

    def stopper(self, stop: Sequence[str]) -> Callable[[list[int]], bool]:
        """Whether one of the texts stands in a reply."""
        # No character has more than four tokens; the cut may fall into one, so what is found is looked for again.
        reach = 4 * max(map(len, stop)) + 4

        def ended(ids: list[int]) -> bool:
            return _holds(self._tokenizer.decode(ids[-reach:]), stop) and _holds(self._tokenizer.decode(ids), stop)

        return ended

    def reply(self, ids: list[int], stop: Sequence[str], prompt_tokens: int = 0, profile: str = NONE) -> Reply:
        """The reply that these tokens are; `profile` is the stamp of the one it was asked under."""
        ended = bool(ids) and ids[-1] in self.end_ids
        text = self._tokenizer.decode(ids[:-1] if ended else ids)
        places = [place for place in (text.find(mark) for mark in stop) if place >= 0]
        hero, step, weights_sha256 = self._of
        return Reply(
            text=text[: min(places)] if places else text,
            finish="stop" if ended or places else "length",
            hero=hero,
            step=step,
            weights_sha256=weights_sha256,
            tokens=len(ids),
            prompt_tokens=prompt_tokens,
            profile=profile,
        )

    def growing(self, stop: Sequence[str]) -> GrowingText:
        """The text of a reply as it is made."""
        return GrowingText(self._tokenizer, stop)


class GrowingText:
    """The text of a reply in pieces: whole characters, and nothing that may turn out to be a stop text."""

    def __init__(self, tokenizer: HeroTokenizer, stop: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._stop = stop
        self._shown = 0
        """Tokens before the last ones that made text, which are decoded again as the decoder joins them with the next."""
        self._begun = 0
        """Tokens that made text."""
        self._held = ""
        self._given = 0

    def grow(self, ids: list[int]) -> str:
        """What can be shown now that these are all tokens."""
        before, now = self._tokenizer.decode(ids[self._shown : self._begun]), self._tokenizer.decode(ids[self._shown :])
        if now.endswith("\ufffd"):
            return ""  # a character's first bytes, perhaps
        self._shown, self._begun = self._begun, len(ids)
        text = self._held + now[len(before) :]
        free = len(text) - max((_overlap(text, mark) for mark in self._stop), default=0)
        self._held = text[free:]
        self._given += free
        return text[:free]

    def rest(self, text: str) -> str:
        """What was not shown of the reply's whole text."""
        return text[self._given :]


def _overlap(text: str, mark: str) -> int:
    """How many of the last characters of `text` are the first of `mark`."""
    return next((size for size in range(min(len(mark), len(text)), 0, -1) if text.endswith(mark[:size])), 0)


def check_parameters(max_tokens: int, temperature: float, stop: Sequence[str]) -> None:
    """Refuse what no reply can be made with."""
    if max_tokens < 1 or not 0 <= temperature < math.inf or isinstance(stop, str) or not all(stop):
        wanted = "max_tokens from 1, temperature from 0, stop a list of texts that are not empty"
        raise UsageError("a generation parameter is out of range", wanted)


LEAST_TEMPERATURE = 1e-30
"""What is far smaller is 0 in single precision, where 0 / 0 is no number. Here already, only the likeliest is ever drawn."""


def drawer(temperature: float, seed: int, number: int) -> Callable[[torch.Tensor], int]:
    """Draws from the softmax at `temperature`; every prompt has a generator of its own, so batching changes nothing."""
    generator = torch.Generator().manual_seed(_seed_of(seed, number))
    temperature = max(temperature, LEAST_TEMPERATURE)

    def pick(logits: torch.Tensor) -> int:
        # The highest becomes 0 first: divided by a tiny temperature, it would be infinite.
        shares = torch.softmax((logits.cpu() - logits.max().cpu()) / temperature, dim=-1)
        if not bool(shares.isfinite().all()):
            raise RealmError("the model gives no numbers, so nothing can be drawn: its weights are spoiled")
        return int(torch.multinomial(shares, 1, generator=generator))

    return pick


def _seed_of(seed: int, number: int) -> int:
    """A seed for one prompt; 32 bits are all that torch's generator on the CPU uses."""
    return int.from_bytes(hashlib.sha256(f"{seed} {number}".encode()).digest()[:4])


def _holds(text: str, marks: Sequence[str]) -> bool:
    return any(mark in text for mark in marks)


def _encodable(text: str, what: str) -> str:
    try:
        text.encode()
    except (AttributeError, UnicodeEncodeError):
        hint = "a content is a text without halves of surrogate pairs"
        raise UsageError(f"{what} is no text", hint) from None
    return text


def _checked(conversation: Sequence[Message], where: str) -> Sequence[Message]:
    """The conversation, which has to end before the hero's turn."""
    for message in conversation:
        if message.role not in ROLES:
            raise UsageError(f"{where}: '{message.role}' is not a role", nearest(message.role, ROLES))
        _encodable(message.content, f"{where}: a {message.role} message's content")
    if not conversation or conversation[-1].role == "assistant":
        problem = f"{where} has to end with a message to the hero"
        raise UsageError(problem, "end it with a user message")
    return conversation
