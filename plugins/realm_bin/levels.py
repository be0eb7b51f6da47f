"""The levels: which calls they hold, how many, and how they are drawn.

A level whose whole table is small holds every call with operands of up to its width. The others hold the calls in
which at least one operand has the full width. Operations are drawn by weight everywhere.
Signed values have the full width by their notation, as they are written with all their n digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from realm_bin.calls import Call
from realm_bin.digits import signed
from realm_bin.operations import INNER, NESTED, OPERATIONS, OUTER, Operation, calls_of
from realm_bin.settings import MAX_LEVEL, Settings, at, parse
from realm_bin.work import Operands
from realm_cli.errors import FormatError
from realm_cli.skills import CLOSED_BELOW

if TYPE_CHECKING:
    import random

FULL_WIDTH_SHARE = 0.75
"""Share of free operands that have the full width, because that is what a level is about. The others get a width drawn
evenly: among uniform values narrow ones would be too rare to be learned (one in 65,536 has half of 32 bits)."""
KIN_SHARE = 0.5
"""Share of comparisons whose operands resemble each other: two random values already differ in their first digits."""

_INNER = tuple(OPERATIONS[name] for name in INNER)
_OUTER = tuple(OPERATIONS[name] for name in OUTER)


@dataclass(frozen=True)
class Level:
    """One level. Values have up to `bits` bits, signed ones exactly so many."""

    bits: int
    narrow_bits: int
    """Widest second operand of a multiplication."""
    names: tuple[str, ...]
    """What is drawn: operations, and perhaps nested calls."""
    whole: bool
    """Whether calls without any operand of full width belong to it."""
    shares: tuple[int, ...]
    """Cumulative weights of `names`."""
    practised: tuple[int, ...]
    """The same for training, where some operations are practised more."""
    space: int
    """How many different calls it holds."""

    def draw(self, rng: random.Random, *, practice: bool = False) -> Call:
        """A call of this level, as evals draw it or as practice does; every one can come."""
        (name,) = rng.choices(self.names, cum_weights=self.practised if practice else self.shares)
        if name == NESTED:
            return self._nested(rng)
        operation = OPERATIONS[name]
        return Call(operation, self._operands(operation, rng), self.bits)

    def _operands(self, operation: Operation, rng: random.Random) -> Operands:
        if operation.signed:
            values = tuple([self._signed_value(rng) for _ in range(operation.arity)])
            return (values[0], signed(values[1], min(self.bits, self.narrow_bits))) if operation.narrow else values
        if operation.narrow and self.narrow_bits < self.bits:
            (first,) = self._values(1, rng)
            return first, rng.getrandbits(self.narrow_bits)
        if operation.kin != "any" and not self.whole and rng.random() < KIN_SHARE:
            (first,) = self._values(1, rng)
            changing = 0 if operation.kin == "same" else int(rng.random() * self.bits)
            return first, first ^ rng.getrandbits(changing)
        return operation.fit(self._values(operation.arity, rng))

    def _nested(self, rng: random.Random) -> Call:
        """A call around a call. The result of the inner one may be wider than the level."""
        outer, inner = rng.choice(_OUTER), rng.choice(_INNER)
        values = self._values(inner.arity + outer.arity - 1, rng)
        within = Call(inner, inner.fit(values[: inner.arity]), self.bits)
        place = int(rng.random() * outer.arity)
        operands = list(values[inner.arity :])
        operands.insert(place, inner.result(*within.operands))
        return Call(outer, tuple(operands), self.bits, within, place)

    def _values(self, count: int, rng: random.Random) -> Operands:
        """Unsigned values, one of them at least of full width where the level asks for that."""
        if self.whole:
            return tuple([rng.getrandbits(self.bits) for _ in range(count)])
        full = int(rng.random() * count)
        return tuple([_of_width(self.bits if place == full else self._width(rng), rng) for place in range(count)])

    def _signed_value(self, rng: random.Random) -> int:
        width = self.bits if self.whole else self._width(rng)
        return signed(rng.getrandbits(width), width) if width else 0

    def _width(self, rng: random.Random) -> int:
        return self.bits if rng.random() < FULL_WIDTH_SHARE else int(rng.random() * (self.bits + 1))


def _of_width(width: int, rng: random.Random) -> int:
    return (1 << (width - 1)) | rng.getrandbits(width - 1) if width else 0


def bits_of(number: int) -> int:
    """The width of a level's values: one bit more than its number; the last level has the full 32 bits."""
    return 32 if number == MAX_LEVEL else number + 1


def make_levels(settings: Settings) -> tuple[Level, ...]:
    """All levels, from 1 on."""
    return tuple(_make(number, settings) for number in range(1, MAX_LEVEL + 1))


def checked_levels(given: Mapping[str, Any], where: str) -> tuple[Settings, tuple[Level, ...]]:
    """The settings with their levels, or a `FormatError` where they contradict each other."""
    settings = parse(given, where)
    levels = make_levels(settings)
    for number in range(2, MAX_LEVEL + 1):
        lower, upper = (levels[number - 2].space, levels[number - 1].space)
        # A closed level is trained whole, so it must not hold problems that a lower, open one keeps for its evals.
        if lower >= CLOSED_BELOW > upper:
            raise FormatError(
                where,
                f"settings.operations give level {number} only {upper:,} problems, and level {number - 1} has {lower:,}",
                f"only the first levels can have fewer than {CLOSED_BELOW:,}; give level {number} more operations",
            )
    return settings, levels


def _make(number: int, settings: Settings) -> Level:
    bits, narrow_bits = bits_of(number), at(settings.multiply_bits, number)
    weights = at(settings.operations, number)
    calls = [calls_of(name, bits, narrow_bits) for name in weights]
    whole = sum(calls) < CLOSED_BELOW
    space = sum(calls) - (0 if whole else sum(_narrower(name, bits, narrow_bits) for name in weights))
    practised = [weight * settings.practice.get(name, 1) for name, weight in weights.items()]
    shares = tuple(accumulate(weights.values()))
    return Level(bits, narrow_bits, tuple(weights), whole, shares, tuple(accumulate(practised)), space)


def _narrower(name: str, bits: int, narrow_bits: int) -> int:
    """How many calls of that name have no operand of full width."""
    if name != NESTED and OPERATIONS[name].signed:
        return 0
    return calls_of(name, bits - 1, narrow_bits)


def first_level_of(call: Call, number: int, levels: tuple[Level, ...]) -> int:
    """The lowest level that holds a call of level `number`."""
    if call.operation.signed or not levels[number - 1].whole:
        return number
    lowest = max(1, max(call.literals()).bit_length() - 1)
    return next((lower for lower in range(lowest, number) if _holds(levels[lower - 1], call)), number)


def _holds(level: Level, call: Call) -> bool:
    """Whether a level with the whole table holds a call whose operands it is wide enough for."""
    if not level.whole or call.name not in level.names:
        return False
    return not call.operation.narrow or call.operands[1] < 1 << level.narrow_bits
