"""Replies of one model: conversations to token ids, decoding, token ids to replies. The generation face of the arena."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from realm_arena import decoding, machine
from realm_arena.encoding import HeroTokenizer
from realm_arena.rows import ROLES
from realm_arena.rows import Message as RowMessage
from realm_arena.templates import ConversationError
from realm_cli.errors import RealmError, UsageError, nearest
from realm_cli.generation import Message, Reply


class ModelGenerator:
    """A `realm_cli.generation.Generator` over a model that is in memory."""

    def __init__(
        self, model: nn.Module, tokenizer: HeroTokenizer, hero: str, step: int, weights_sha256: str, precision: str
    ) -> None:
        self.hero = hero
        self.step = step
        self.weights_sha256 = weights_sha256
        self._model: nn.Module | None = model
        self._tokenizer = tokenizer
        self._precision = precision
        self._end_ids = frozenset(number for number in (tokenizer.end_token_id, tokenizer.eos_id) if number is not None)

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
    ) -> list[Reply]:
        """See `realm_cli.generation.Generator.generate`."""
        if self._model is None:
            raise UsageError("this generator was closed", "open the checkpoint again")
        if max_tokens < 1 or not 0 <= temperature < math.inf or isinstance(stop, str) or not all(stop):
            wanted = "max_tokens from 1, temperature from 0, stop a list of texts that are not empty"
            raise UsageError("a generation parameter is out of range", wanted)
        context = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        prompts = [self._prompt(number, turns, context) for number, turns in enumerate(conversations, start=1)]
        limits = decoding.Limits(max_tokens, self._end_ids, self._tokenizer.pad_id, context)
        pick = _sampler(len(prompts), temperature, seed) if temperature else None
        ended = self._stopper(stop) if stop else None
        with _inference(self._model, self._precision):
            replies = decoding.decode(self._model, prompts, limits, pick, ended)
        return [self._reply(ids, stop) for ids in replies]

    def complete(self, prompt: Sequence[int], max_tokens: int) -> str:
        """The greedy continuation of token ids as text, for a look at what the hero would say."""
        if self._model is None:
            raise UsageError("this generator was closed", "open the checkpoint again")
        limits = decoding.Limits(max_tokens, self._end_ids, self._tokenizer.pad_id)
        with _inference(self._model, self._precision):
            (ids,) = decoding.decode(self._model, [prompt], limits)
        return self._reply(ids, ()).text

    def _prompt(self, number: int, conversation: Sequence[Message], context: int | None) -> list[int]:
        """The tokens of a conversation, which is the `number`th of the request."""
        where = f"conversation {number}"
        try:
            ids = self._tokenizer.prompt_ids(_checked(conversation, where))
        except ConversationError as error:
            raise UsageError(f"{where}: the {error.message}", "change the conversation or the template") from error
        if context is not None and len(ids) >= context:
            problem = f"{len(ids):,} tokens leave no room for a reply, as the model has {context:,} positions"
            raise UsageError(f"{where}: {problem}", "shorten it")
        return ids

    def _stopper(self, stop: Sequence[str]) -> decoding.Ended:
        # No character has more than four tokens; the cut may fall into one, so what is found is looked for again.
        reach = 4 * max(map(len, stop)) + 4

        def ended(_number: int, ids: list[int]) -> bool:
            return _holds(self._tokenizer.decode(ids[-reach:]), stop) and _holds(self._tokenizer.decode(ids), stop)

        return ended

    def _reply(self, ids: list[int], stop: Sequence[str]) -> Reply:
        ended = bool(ids) and ids[-1] in self._end_ids
        text = self._tokenizer.decode(ids[:-1] if ended else ids)
        places = [place for place in (text.find(mark) for mark in stop) if place >= 0]
        return Reply(
            text=text[: min(places)] if places else text,
            finish="stop" if ended or places else "length",
            hero=self.hero,
            step=self.step,
            weights_sha256=self.weights_sha256,
            tokens=len(ids),
        )

    def close(self) -> None:
        """Forget the model."""
        if self._model is not None:
            device = next(self._model.parameters()).device
            self._model = None
            machine.free_cached_memory(device)


def _holds(text: str, marks: Sequence[str]) -> bool:
    return any(mark in text for mark in marks)


def _checked(conversation: Sequence[Message], where: str) -> list[RowMessage]:
    """The conversation as the tokenizer takes it. It has to end before the hero's turn."""
    for message in conversation:
        if message.role not in ROLES:
            raise UsageError(f"{where}: '{message.role}' is not a role", nearest(message.role, ROLES))
        try:
            message.content.encode()
        except (AttributeError, UnicodeEncodeError):
            hint = "a content is a text without halves of surrogate pairs"
            raise UsageError(f"{where}: a {message.role} message's content is no text", hint) from None
    if not conversation or conversation[-1].role == "assistant":
        problem = f"{where} has to end with a message to the hero"
        raise UsageError(problem, "end it with a user message")
    return [RowMessage(message.role, message.content) for message in conversation]  # type: ignore[arg-type]


def _sampler(count: int, temperature: float, seed: int) -> decoding.Pick:
    """Draws from the softmax at `temperature`; every prompt has a generator of its own, so batching changes nothing."""
    generators = [torch.Generator().manual_seed(_seed_of(seed, number)) for number in range(count)]

    def pick(number: int, logits: torch.Tensor) -> int:
        # The highest becomes 0 first: divided by a tiny temperature, it would be infinite.
        shares = torch.softmax((logits.cpu() - logits.max().cpu()) / temperature, dim=-1)
        if not bool(shares.isfinite().all()):
            raise RealmError("the model gives no numbers, so nothing can be drawn: its weights are spoiled")
        return int(torch.multinomial(shares, 1, generator=generators[number]))

    return pick


def _seed_of(seed: int, number: int) -> int:
    """A seed for one prompt; 32 bits are all that torch's generator on the CPU uses."""
    return int.from_bytes(hashlib.sha256(f"{seed} {number}".encode()).digest()[:4])


@contextmanager
def _inference(model: nn.Module, precision: str) -> Iterator[None]:
    """Eval mode, in the precision that the hero trains in; a model in training is left as it was."""
    was_training = model.training
    device = next(model.parameters()).device
    model.eval()
    try:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            yield
    finally:
        model.train(was_training)
