"""Logits bent while a reply is made: texts that are discouraged, and an end that is rewarded. A row of logits at a time.

A token is discouraged only where it would complete one of the texts, and never one that holds a digit or anything beyond
ASCII: such a token can be a part of an answer, or of a symbol's bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from realm_arena.encoding import HeroTokenizer
from realm_cli.profiles import Nudge

Bend = Callable[[list[int], torch.Tensor], None]
"""(the reply's tokens so far, the logits of the next one), which are changed in place."""
STRENGTH = 100.0
"""Far beyond what a trained model tells likely tokens from others by."""
TAIL = 32
"""Tokens at the end of a reply in which an ending is looked for."""


class Nudging:
    """Bends replies of one tokenizer."""

    def __init__(self, tokenizer: HeroTokenizer, end_ids: frozenset[int]) -> None:
        self._tokenizer = tokenizer
        self._end_ids = sorted(end_ids)
        self._completing: dict[tuple[str, str], list[int]] = {}
        """(a text, how much of it was said) → the tokens that would complete it."""

    def bend(self, nudge: Nudge) -> Bend | None:
        """What bends one reply; None where nothing is to be bent."""
        if nudge == Nudge():
            return None

        def bend(ids: list[int], logits: torch.Tensor) -> None:
            tail = self._tokenizer.decode(ids[-TAIL:])
            discouraged = self.discouraged(nudge.discouraged, tail)
            if discouraged:
                logits[discouraged] -= STRENGTH
            if nudge.end_after and tail.rstrip().endswith(nudge.end_after):
                logits[self._end_ids] += STRENGTH

        return bend

    def discouraged(self, texts: Sequence[str], tail: str) -> list[int]:
        """The tokens that would complete one of the texts behind `tail`."""
        found = set[int]()
        for text in texts:
            said = [text[:size] for size in range(1, len(text)) if tail.endswith(text[:size])]
            for part in ("", *said):
                found.update(self._tokens(text, part))
        return sorted(found)

    def _tokens(self, text: str, said: str) -> list[int]:
        if (text, said) not in self._completing:
            rest = text[len(said) :]
            self._completing[text, said] = [
                number
                for number, token in enumerate(self._tokenizer.vocabulary)
                if (token.startswith(rest) if said else rest in token) and _is_harmless(token)
            ]
        return self._completing[text, said]


def _is_harmless(token: str) -> bool:
    """Whether a token can be no part of a number or a symbol."""
    return token.isascii() and not any(sign.isdigit() for sign in token)
