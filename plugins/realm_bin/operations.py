"""The operations: name, result, notation, and the lines that tags ask for. A new operation is one more entry.

Choices that the notation alone does not settle:

- `divide_by_2` drops the remainder.
- Signed results have the width n of the operands and wrap: `add_signed`, `subtract_signed`, and `negate` and
  `absolute_value` of the most negative value, which give that value again. `multiply_signed` has 2n digits and never wraps.
- `sign_of` gives -1, 0 or 1, in n digits as every signed result.
- `equals`, `lessthan` and `greaterthan` give ① for yes and ⓪ for no.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from realm_bin import trace, work
from realm_bin.digits import Notation, decimal, double, fixed, natural
from realm_bin.work import Operands, Steps


@dataclass(frozen=True)
class Operation:
    """One operation."""

    name: str
    arity: int
    result: Callable[..., int]
    check: str
    """The verification in decimal: {0} and {1} are the operands, {r} the result before it wraps, {t} the same as a
    truth value, {p} the first operand as a sum of powers of two, {rest} what halving it leaves over."""
    work: Steps
    trace: Steps
    fit: Callable[[Operands], Operands] = tuple
    """Turns any operands into allowed ones of no greater width; every allowed call is its own image."""
    reads: Notation = natural
    writes: Notation = natural
    narrow: bool = False
    """Whether a setting limits the width of the second operand."""
    kin: Literal["any", "near", "same"] = "any"
    """What half of the second operands are: near = the first one with another end, same = the first one itself."""

    @property
    def signed(self) -> bool:
        """Whether operands are two's complement of a fixed width."""
        return self.reads is fixed

    def calls(self, bits: int, narrow_bits: int) -> int:
        """How many different calls with operands of up to `bits` bits there are."""
        limit = 1 << bits
        if self.fit is _larger_first:
            return limit * (limit + 1) // 2
        if self.fit is _at_least_one:
            return limit - 1
        if self.arity == 1:
            return limit
        return limit * (1 << min(bits, narrow_bits) if self.narrow else limit)


def _larger_first(operands: Operands) -> Operands:
    first, second = operands
    return operands if first >= second else (second, first)


def _at_least_one(operands: Operands) -> Operands:
    return operands if operands[0] else (1,)


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def _itself(value: int) -> int:
    return value


def _comparison(
    name: str, result: Callable[[int, int], int], check: str, kin: Literal["near", "same"] = "near"
) -> Operation:
    return Operation(name, 2, result, check, work.difference, trace.comparisons, kin=kin)


def _signed(
    name: str, arity: int, result: Callable[..., int], check: str, work: Steps, trace: Steps, narrow: bool = False
) -> Operation:
    return Operation(
        name, arity, result, check, work, trace, reads=fixed, writes=double if narrow else fixed, narrow=narrow
    )


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("add", 2, operator.add, "{0} + {1} = {r}", work.carries(natural), trace.sums()),
        # Results are never negative, so the larger operand comes first.
        Operation(
            "subtract", 2, operator.sub, "{0} - {1} = {r}", work.borrows(natural), trace.differences(), _larger_first
        ),
        Operation("multiply", 2, operator.mul, "{0} * {1} = {r}", work.parts, trace.products, narrow=True),
        Operation("increment", 1, lambda a: a + 1, "{0} + 1 = {r}", work.carries(natural, 1), trace.sums(1)),
        Operation(
            "decrement", 1, lambda a: a - 1, "{0} - 1 = {r}", work.borrows(natural, 1), trace.differences(1),
            _at_least_one,
        ),
        Operation("multiply_by_2", 1, lambda a: 2 * a, "{0} * 2 = {r}", work.appended, trace.doublings),
        Operation("divide_by_2", 1, lambda a: a // 2, "{0} = 2 * {r} + {rest}", work.dropped, trace.halvings),
        Operation("tobinary", 1, _itself, "{p} = {r}", work.powers, trace.divisions, reads=decimal),
        Operation("todecimal", 1, _itself, "{p} = {r}", work.powers, trace.weights, writes=decimal),
        _comparison("equals", lambda a, b: int(a == b), "{0} = {1} is {t}", kin="same"),
        _comparison("lessthan", lambda a, b: int(a < b), "{0} < {1} is {t}"),
        _comparison("greaterthan", lambda a, b: int(a > b), "{0} > {1} is {t}"),
        _comparison("minimum", min, "min({0}, {1}) = {r}"),
        _comparison("maximum", max, "max({0}, {1}) = {r}"),
        _signed("add_signed", 2, operator.add, "{0} + {1} = {r}", work.carries(fixed), trace.signed_sums),
        _signed("subtract_signed", 2, operator.sub, "{0} - {1} = {r}", work.borrows(fixed), trace.signed_differences),
        _signed(
            "multiply_signed", 2, operator.mul, "{0} * {1} = {r}", work.signed_parts, trace.signed_products, narrow=True
        ),
        _signed("negate", 1, operator.neg, "0 - {0} = {r}", work.inverted, trace.negations),
        _signed("absolute_value", 1, abs, "|{0}| = {r}", work.sign_and_inverted, trace.absolutes),
        _signed("sign_of", 1, _sign, "sign({0}) = {r}", work.sign, trace.signs),
    )
}  # fmt: skip

OUTER = ("add", "minimum", "maximum", "lessthan", "greaterthan", "increment", "multiply_by_2", "divide_by_2")
"""What may stand around another call: whatever takes any operands. Which order `subtract` needs, only the inner result
would tell."""
INNER = ("add", "subtract", "increment", "decrement", "multiply_by_2", "divide_by_2")
SOLVABLE = (
    "add", "subtract", "increment", "decrement", "multiply_by_2", "tobinary", "todecimal", "add_signed",
    "subtract_signed", "negate",
)  # fmt: skip
"""Where the result and the other operand always leave an operand one value."""
NESTED = "nested"
"""The name by which settings give calls of depth two their weight."""
NAMES = (*OPERATIONS, NESTED)


def calls_of(name: str, bits: int, narrow_bits: int) -> int:
    """How many different calls of that name there are with operands of up to `bits` bits."""
    if name != NESTED:
        return OPERATIONS[name].calls(bits, narrow_bits)
    # One inner call stands at any of the outer one's places, and any values at the others.
    places = sum(OPERATIONS[outer].arity << bits * (OPERATIONS[outer].arity - 1) for outer in OUTER)
    return places * sum(OPERATIONS[inner].calls(bits, narrow_bits) for inner in INNER)
