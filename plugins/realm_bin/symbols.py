"""The symbol language: the bits and the operations of a call get other names, which a key at the head of the prompt tells.

The pools share no character with each other, with digits, or with what else a prompt or a reply is made of. None of
them is an emoji, as those may be signs of a data profile. Bits are letters of two bytes: a tokenizer without an entry
for them spells each with two tokens, where an emoji takes four; and as letters of other scripts than the names of the
operations they do not melt into tokens of several digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from realm_bin.calls import Call
from realm_bin.digits import ONE, ZERO

if TYPE_CHECKING:
    import random

BITS = tuple("ΓΔΘΛΞΠΣΦΨΩБЖЦЭЮЯ")
WORDS = (
    "cub", "dew", "fen", "fog", "gem", "hop", "jot", "kip", "lux", "mop", "nub", "oak", "orb", "rye", "tor", "vex", "wok",
    "yak", "zig",
)  # fmt: skip
SIGNS = tuple("!$%&?@^~")
NAMES = (*WORDS, *SIGNS)
"""Of operations. Signs are ASCII, so that nothing but values has other characters, and in no other use here; `#` and
`*` can be part of an emoji."""


@dataclass(frozen=True, slots=True)
class Symbols:
    """What bits and operations are called in one problem."""

    zero: str
    one: str
    names: dict[str, str]
    """Operation → its word or sign."""

    def key(self) -> str:
        """The head of the prompt: `Key: Δ = ⓪, Λ = ①, zig = add`."""
        meanings = {self.zero: ZERO, self.one: ONE, **{name: operation for operation, name in self.names.items()}}
        return f"Key: {', '.join([f'{symbol} = {meaning}' for symbol, meaning in meanings.items()])}"

    def written(self, text: str) -> str:
        """A text about the call in symbols; decimal values stay."""
        for operation, name in self.names.items():
            text = text.replace(f"{operation}(", f"{name}(")
        return text.replace(ZERO, self.zero).replace(ONE, self.one)


def draw_symbols(call: Call, rng: random.Random) -> Symbols:
    """Two symbols for the bits, and a word or a sign for each operation of the call."""
    used = call.operations()
    zero, one = rng.sample(BITS, 2)
    return Symbols(zero, one, dict(zip(used, rng.sample(NAMES, len(used)), strict=True)))
