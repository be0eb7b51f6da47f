"""The levels: how wide their values are, how many problems they have, and how problems are drawn."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from realm_bin.operations import OPERATIONS, Operands, Operation
from realm_cli.errors import UsageError
from realm_cli.skills import CLOSED_BELOW

MAX_LEVEL = 30
FULL_WIDTH_SHARE = 0.75

DrawValue = Callable[[random.Random, int], int]


def uniform_value(rng: random.Random, bits: int) -> int:
    """Any value of up to `bits` bits, each as likely as the other."""
    return rng.getrandbits(bits)


def wide_value(rng: random.Random, bits: int) -> int:
    """A value that mostly has the full width.

    Uniform values would be narrow too rarely to be learned at wide levels (one in 65,536 has half of 32 bits), so a
    quarter of the operands gets a width drawn evenly from 0 (the value 0) to `bits`. The rest has all `bits` bits,
    because that is what the level is about.
    """
    width = bits if rng.random() < FULL_WIDTH_SHARE else int(rng.random() * (bits + 1))
    return (1 << (width - 1)) | rng.getrandbits(width - 1) if width else 0


@dataclass(frozen=True)
class Level:
    """One level. All its operands have up to `bits` bits."""

    bits: int
    space: int
    """How many different calls it has."""
    shares: tuple[int, ...]
    """Cumulative weights of the operations."""
    value: DrawValue

    def draw(self, rng: random.Random) -> tuple[Operation, Operands]:
        """A call of this level; every one can come."""
        (operation,) = rng.choices(OPERATIONS, cum_weights=self.shares)
        operands = tuple([self.value(rng, self.bits) for _ in range(operation.arity)])
        return operation, operation.fit(operands)


def bits_of(number: int) -> int:
    """The width of a level's values: one bit more than its number; the last level has the full 32 bits."""
    return 32 if number == MAX_LEVEL else number + 1


@cache
def level_of(number: int) -> Level:
    """The level of that number; `UsageError` when BIN has none."""
    if not 1 <= number <= MAX_LEVEL:
        raise UsageError(f"bin has no level {number}", f"its levels are 1 to {MAX_LEVEL}")
    bits = bits_of(number)
    calls = [operation.calls(1 << bits) for operation in OPERATIONS]
    space = sum(calls)
    # A closed level is learned and examined as a whole table, so each of its entries is about as likely as the other.
    # At an open level that would all but hide the operations of one operand: there each operation has the same share.
    closed = space < CLOSED_BELOW
    weights = calls if closed else [1] * len(calls)
    return Level(bits, space, tuple(accumulate(weights)), uniform_value if closed else wide_value)


def first_level_of(operands: Operands) -> int:
    """The lowest level at which a call with these operands occurs."""
    return min(MAX_LEVEL, max(1, max(operands).bit_length() - 1))
