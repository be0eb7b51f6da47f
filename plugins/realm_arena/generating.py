"""Replies of one model: conversations to token ids, decoding, token ids to replies. The generation face of the arena."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from realm_arena import continuous, decoding, machine
from realm_arena.encoding import HeroTokenizer
from realm_arena.wording import GrowingText, Wording, check_parameters, drawer
from realm_cli.errors import RealmError, UsageError
from realm_cli.generation import Message, Piece, Reply
from realm_cli.profiles import NONE, Plain, Profile


class ModelGenerator:
    """A `realm_cli.generation.Generator` over a model that is in memory."""

    identity = "verified"

    def __init__(
        self, model: nn.Module, tokenizer: HeroTokenizer, hero: str, step: int, weights_sha256: str, precision: str,
        profile: Profile | None = None,
    ) -> None:  # fmt: skip
        self.hero = hero
        self.step = step
        self.weights_sha256 = weights_sha256
        self.profile = profile or Plain()
        self._model: nn.Module | None = model
        self._tokenizer = tokenizer
        self._wording = Wording(tokenizer, hero, step, weights_sha256)
        self._precision = precision
        self._end_ids = self._wording.end_ids

    @property
    def memory(self) -> int:
        """Bytes of the weights in memory."""
        if self._model is None:
            return 0
        tensors = {id(each): each for each in itertools.chain(self._model.parameters(), self._model.buffers())}
        return sum(each.numel() * each.element_size() for each in tensors.values())

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
        model = self._opened()
        check_parameters(max_tokens, temperature, stop)
        context, profile = _context(model), profile or self.profile
        prompts = [
            self._wording.prompt(number, turns, context, profile) for number, turns in enumerate(conversations, start=1)
        ]
        bends = [self._wording.bend(turns, profile) for turns in conversations]
        limits = decoding.Limits(max_tokens, self._end_ids, self._tokenizer.pad_id, context)
        picks = [drawer(temperature, seed, number) for number in range(len(prompts))] if temperature else []
        stopped = self._wording.stopper(stop) if stop else None
        with _inference(model, self._precision):
            replies = decoding.decode(
                model, prompts, limits,
                pick=(lambda number, logits: picks[number](logits)) if picks else None,
                ended=(lambda _number, ids: stopped(ids)) if stopped else None, bends=bends,
            )  # fmt: skip
        return [
            self._wording.reply(ids, stop, len(prompt), profile.stamp)
            for ids, prompt in zip(replies, prompts, strict=True)
        ]

    def session(self) -> ModelSession:
        """See `realm_cli.generation.WithSessions`."""
        return ModelSession(self._opened(), self._wording, self._precision, self.profile)

    def complete(self, prompt: Sequence[int], max_tokens: int) -> str:
        """The greedy continuation of token ids as text, for a look at what the hero would say."""
        model = self._opened()
        limits = decoding.Limits(max_tokens, self._end_ids, self._tokenizer.pad_id)
        with _inference(model, self._precision):
            (ids,) = decoding.decode(model, [prompt], limits)
        return self._wording.reply(ids, ()).text

    def _opened(self) -> nn.Module:
        if self._model is None:
            raise UsageError("this generator was closed", "open the checkpoint again")
        return self._model

    def close(self) -> None:
        """Forget the model."""
        if self._model is not None:
            device = next(self._model.parameters()).device
            self._model = None
            machine.free_cached_memory(device)


@dataclass
class _Asked:
    """One conversation of a session."""

    prompt_tokens: int
    stop: Sequence[str]
    text: GrowingText
    profile: str


class ModelSession:
    """A `realm_cli.generation.Session`: all conversations are one batch, which they join and leave."""

    def __init__(self, model: nn.Module, wording: Wording, precision: str, profile: Profile) -> None:
        self._profile = profile
        self._model = model
        self._wording = wording
        self._precision = precision
        self._batch = continuous.Batch(model, wording.pad_id)
        self._asked: dict[int, _Asked] = {}
        self._tickets = itertools.count(1)

    @property
    def has_room(self) -> bool:
        """See `realm_cli.generation.Session.has_room`."""
        return self._batch.has_room

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
        check_parameters(max_tokens, temperature, stop)
        context, profile = _context(self._model), profile or self._profile
        prompt = self._wording.prompt(number + 1, conversation, context, profile)
        room = max_tokens if context is None else min(max_tokens, context - len(prompt))
        stopped = self._wording.stopper(stop) if stop else None
        pick = drawer(temperature, seed, number) if temperature else None
        ticket = next(self._tickets)
        stamp = NONE if isinstance(conversation, str) else profile.stamp
        self._asked[ticket] = _Asked(len(prompt), stop, self._wording.growing(stop), stamp)
        ended = functools.partial(_ended, self._wording.end_ids, stopped)
        bend = self._wording.bend(conversation, profile)
        self._batch.add(continuous.Row(ticket, prompt, room, ended, pick, bend))
        return ticket

    def step(self) -> list[Piece]:
        """See `realm_cli.generation.Session.step`."""
        if not self._asked:
            return []
        try:
            with _inference(self._model, self._precision):
                rows = self._batch.step()
        except (MemoryError, RuntimeError) as error:
            if not machine.is_out_of_memory(error):
                raise
            raise RealmError("out of memory while answering", "ask for fewer or shorter replies at a time") from None
        return [self._piece(row) for row in rows]

    def _piece(self, row: continuous.Row) -> Piece:
        asked = self._asked[row.ticket]
        if row.is_open:
            return Piece(row.ticket, asked.text.grow(row.ids))
        del self._asked[row.ticket]
        reply = self._wording.reply(row.ids, asked.stop, asked.prompt_tokens, asked.profile)
        return Piece(row.ticket, asked.text.rest(reply.text), reply)

    def drop(self, ticket: int) -> None:
        """See `realm_cli.generation.Session.drop`."""
        if self._asked.pop(ticket, None) is not None:
            self._batch.drop(ticket)

    def close(self) -> None:
        """See `realm_cli.generation.Session.close`."""
        for ticket in list(self._asked):
            self.drop(ticket)


def _ended(end_ids: frozenset[int], stopped: continuous.Ended | None, ids: list[int]) -> bool:
    return ids[-1] in end_ids or (stopped is not None and stopped(ids))


def _context(model: nn.Module) -> int | None:
    """Most tokens of a prompt with its reply."""
    found: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return found


@contextmanager
def _inference(model: nn.Module, precision: str) -> Iterator[None]:
    """Eval mode, in the precision that the hero trains in; a model in training is left as it was."""
    was_training = model.training
    device = next(model.parameters()).device
    if was_training:
        model.eval()
    try:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            yield
    finally:
        if was_training:
            model.train()
