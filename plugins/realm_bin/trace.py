"""The steps that `[trace]` lists, position by position; position 0 is the rightmost digit.

Each function here makes the steps of one kind of operation: from the operands and the width n to lines of text.
"""

from __future__ import annotations

from realm_bin.digits import circled, digit, double, fixed, positions
from realm_bin.work import Operands, Steps, inverted, signed_copies


def sums(*more: int) -> Steps:
    """Unsigned addition: digit + digit + carry = new carry and digit. `more` follows the operands."""

    def steps(operands: Operands, bits: int) -> list[str]:
        first, second = (*operands, *more)
        return _additions(first, second, 0, positions(max(first, second)))

    return steps


def differences(*more: int) -> Steps:
    """Unsigned subtraction: digit - digit - borrow = digit, new borrow. `more` follows the operands."""

    def steps(operands: Operands, bits: int) -> list[str]:
        first, second = (*operands, *more)
        lines, borrow = [], 0
        for place in range(positions(first)):
            left = (first >> place & 1) - (second >> place & 1) - borrow
            asked = f"{digit(first, place)} - {digit(second, place)} - {digit(borrow, 0)}"
            borrow = int(left < 0)
            lines.append(f"{place}: {asked} = {digit(left, 0)}, borrow {digit(borrow, 0)}")
        return lines

    return steps


def signed_sums(operands: Operands, bits: int) -> list[str]:
    """Addition at n positions; the last carry is dropped."""
    first, second = operands
    return _additions(first, second, 0, bits)


def signed_differences(operands: Operands, bits: int) -> list[str]:
    """Subtraction as addition of the inverted second operand and a first carry of ①."""
    first, second = operands
    return [*inverted((second,), bits), *_additions(first, ~second, 1, bits)]


def negations(operands: Operands, bits: int) -> list[str]:
    """Inverted digit + ⓪ + carry, the first carry being ①."""
    return [*inverted(operands, bits), *_additions(~operands[0], 0, 1, bits)]


def absolutes(operands: Operands, bits: int) -> list[str]:
    """A negation for negative values; the digits as they are for all others."""
    if operands[0] < 0:
        return negations(operands, bits)
    return [f"{place}: {digit(operands[0], place)}" for place in range(bits)]


def signs(operands: Operands, bits: int) -> list[str]:
    """From the sign digit down to the first ①, which decides."""
    pattern = operands[0] & ((1 << bits) - 1)
    last = max(0, pattern.bit_length() - 1)
    return [f"{place}: {digit(pattern, place)}" for place in range(bits - 1, last - 1, -1)]


def products(operands: Operands, bits: int) -> list[str]:
    """Digit of the second operand * first operand = shifted copy, running sum."""
    first, second = operands
    lines, total = [], 0
    for place in range(positions(second)):
        part = first * (second & 1 << place)
        total += part
        lines.append(f"{place}: {digit(second, place)} * {circled(first)} = {circled(part)}, sum {circled(total)}")
    return lines


def signed_products(operands: Operands, bits: int) -> list[str]:
    """The same with 2n digits, up to the first sign digit of the second operand, which counts negative."""
    first, second = operands
    lines, total = [], 0
    for place, part in signed_copies(first, second):
        total += part
        asked = f"{digit(second, place)} * {fixed(first, bits)}"
        lines.append(f"{place}: {asked} = {double(part, bits)}, sum {double(total, bits)}")
    return lines


def comparisons(operands: Operands, bits: int) -> list[str]:
    """Both digits from the highest position down to the first difference, which decides."""
    first, second = operands
    last = max(0, (first ^ second).bit_length() - 1)
    places = range(positions(max(operands)) - 1, last - 1, -1)
    return [f"{place}: {digit(first, place)}, {digit(second, place)}" for place in places]


def doublings(operands: Operands, bits: int) -> list[str]:
    """The digit that arrives at each position from its right."""
    return _arrivals(2 * operands[0])


def halvings(operands: Operands, bits: int) -> list[str]:
    """The digit that arrives at each position from its left."""
    return _arrivals(operands[0] // 2)


def divisions(operands: Operands, bits: int) -> list[str]:
    """Division by two at each position; the remainders are the digits."""
    (value,) = operands
    halves = [value >> place for place in range(positions(value))]
    return [f"{place}: {half} = 2 * {half // 2} + {half % 2}" for place, half in enumerate(halves)]


def weights(operands: Operands, bits: int) -> list[str]:
    """Each digit with its power of two, and the running sum."""
    (value,) = operands
    return [
        f"{place}: {digit(value, place)} * {1 << place}, sum {value & ((2 << place) - 1)}"
        for place in range(positions(value))
    ]


def _additions(first: int, second: int, carry: int, width: int) -> list[str]:
    lines = []
    for place in range(width):
        total = (first >> place & 1) + (second >> place & 1) + carry
        asked = f"{digit(first, place)} + {digit(second, place)} + {digit(carry, 0)}"
        carry = total >> 1
        lines.append(f"{place}: {asked} = {digit(carry, 0)}{digit(total, 0)}")
    return lines


def _arrivals(result: int) -> list[str]:
    return [f"{place}: {digit(result, place)}" for place in range(positions(result))]
