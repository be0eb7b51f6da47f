"""The key steps that `[show-work]` lists: what one would jot down before writing the result.

Each function here makes the steps of one kind of operation: from the operands and the width n to lines of text.
"""

from __future__ import annotations

from collections.abc import Callable

from realm_bin.digits import ONE, ZERO, Notation, circled, digit, double, fixed

Operands = tuple[int, ...]
Steps = Callable[[Operands, int], list[str]]


def carries(write: Notation, *more: int) -> Steps:
    """The row of carries of an addition; `more` follows the operands."""

    def steps(operands: Operands, bits: int) -> list[str]:
        first, second = (*operands, *more)
        return [f"Carries: {write(first ^ second ^ (first + second), bits)}"]

    return steps


def borrows(write: Notation, *more: int) -> Steps:
    """The row of borrows of a subtraction; `more` follows the operands."""

    def steps(operands: Operands, bits: int) -> list[str]:
        first, second = (*operands, *more)
        return [f"Borrows: {write(first ^ second ^ (first - second), bits)}"]

    return steps


def parts(operands: Operands, bits: int) -> list[str]:
    """The shifted copies of the first operand that a multiplication adds."""
    first, second = operands
    found = [circled(first << place) for place in range(second.bit_length()) if second >> place & 1]
    return [f"Parts: {' + '.join(found or [ZERO])}"]


def signed_parts(operands: Operands, bits: int) -> list[str]:
    """The same with 2n digits. The sign of the second operand counts negative, so its copy is negated."""
    first, second = operands
    found = [double(part, bits) for _, part in signed_copies(first, second) if part]
    return [f"Parts: {' + '.join(found or [double(0, bits)])}"]


def signed_copies(first: int, second: int) -> list[tuple[int, int]]:
    """Positions with the copies whose sum is the product, up to the first sign digit; further ones repeat the sign."""
    top = (second if second >= 0 else ~second).bit_length()
    copies = [(place, first * (second & 1 << place)) for place in range(top)]
    return [*copies, (top, -first << top if second < 0 else 0)]


def appended(operands: Operands, bits: int) -> list[str]:
    """The digit that doubling appends."""
    return [f"Appended: {ZERO}"]


def dropped(operands: Operands, bits: int) -> list[str]:
    """The digit that halving drops."""
    return [f"Dropped: {digit(operands[0], 0)}"]


def difference(operands: Operands, bits: int) -> list[str]:
    """The highest position at which two values differ; it decides a comparison."""
    first, second = operands
    if first == second:
        return ["No difference"]
    place = (first ^ second).bit_length() - 1
    return [f"Difference at {place}: {digit(first, place)}, {digit(second, place)}"]


def powers(operands: Operands, bits: int) -> list[str]:
    """The powers of two whose sum the value is."""
    return [f"Powers: {sum_of_powers(operands[0])}"]


def sum_of_powers(value: int) -> str:
    """`95` as `64 + 16 + 8 + 4 + 2 + 1`."""
    places = range(value.bit_length() - 1, -1, -1)
    return " + ".join(str(1 << place) for place in places if value >> place & 1) or "0"


def inverted(operands: Operands, bits: int) -> list[str]:
    """All digits turned over, the first half of a negation."""
    return [f"Inverted: {fixed(~operands[0], bits)}"]


def sign(operands: Operands, bits: int) -> list[str]:
    """The sign digit."""
    return [f"Sign: {ONE if operands[0] < 0 else ZERO}"]


def sign_and_inverted(operands: Operands, bits: int) -> list[str]:
    """The sign digit, and the digits turned over where it asks for a negation."""
    return sign(operands, bits) + (inverted(operands, bits) if operands[0] < 0 else [])
