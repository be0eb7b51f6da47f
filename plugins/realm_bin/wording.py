"""The four kinds of prompt, and the reply that each asks for."""

from __future__ import annotations

import random
from itertools import accumulate

from realm_bin.calls import Call

TAGS = ("", "verify", "show-work", "trace")
"""From easy to expert; mixes of wording give their shares in this order."""

Mix = tuple[int, int, int, int]
"""Percentages of TAGS."""


def draw_tag(mix: Mix, rng: random.Random) -> str:
    """A tag, as often as the mix says."""
    (tag,) = rng.choices(TAGS, cum_weights=tuple(accumulate(mix)))
    return tag


def prompt_of(call: Call, tag: str) -> str:
    """What the hero is asked."""
    return f"Compute [{tag}]: {call.asked()}" if tag else f"Compute: {call.asked()}"


def answer_of(call: Call, tag: str) -> str:
    """The golden reply."""
    if not tag:
        return call.equation()
    if tag == "verify":
        lines = [call.equation(), f"Verification: {call.verification()}"]
    elif tag == "show-work":
        lines = [call.text(), *call.work(), f"Result: {call.result()}"]
    else:
        lines = [call.text(), *call.trace(), f"Final: {call.result()}"]
    return "\n".join(lines)
