"""How a problem is worded: to compute with one of four tags, or one of the auxiliary kinds; in digits or in symbols."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from realm_bin.calls import Call
from realm_bin.kinds import fill_the_blank, find_the_error, true_or_false

if TYPE_CHECKING:
    import random

TAGS = ("", "verify", "show-work", "trace")
"""From easy to expert; mixes of wording give their shares in this order."""
KINDS = ("", "find-the-error", "fill-the-blank", "true-or-false")
"""To compute, and the auxiliary kinds; shares of kinds are given in this order."""

Shares = tuple[int, int, int, int]
"""Percentages of TAGS or of KINDS."""

_AUXILIARY = dict(zip(KINDS[1:], (find_the_error, fill_the_blank, true_or_false), strict=True))


def draw(names: Sequence[str], shares: Shares, rng: random.Random) -> str:
    """One of the names, as often as the shares say."""
    (name,) = rng.choices(names, cum_weights=tuple(accumulate(shares)))
    return name


def worded(call: Call, tag: str, kind: str, rng: random.Random) -> tuple[str, str]:
    """Prompt and golden reply. Tags belong to what is to compute; the auxiliary kinds have none."""
    if kind:
        return _AUXILIARY[kind](call, rng)
    return prompt_of(call, tag), answer_of(call, tag)


def prompt_of(call: Call, tag: str) -> str:
    """What the hero is asked to compute."""
    return f"Compute [{tag}]: {call.asked()}" if tag else f"Compute: {call.asked()}"


def answer_of(call: Call, tag: str) -> str:
    """The golden reply to that."""
    if not tag:
        return call.equation()
    if tag == "verify":
        lines = [call.equation(), f"Verification: {call.verification()}"]
    elif tag == "show-work":
        lines = [call.text(), *call.work(), f"Result: {call.result()}"]
    else:
        lines = [call.text(), *call.trace(), f"Final: {call.result()}"]
    return "\n".join(lines)
