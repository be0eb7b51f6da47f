"""How values are written: circled binary of natural width, two's complement of a fixed width, or decimal."""

from __future__ import annotations

from collections.abc import Callable

ZERO, ONE = "⓪", "①"
DIGITS = frozenset((ZERO, ONE))

Notation = Callable[[int, int], str]
"""Writes a value; the second argument is the width n, of which natural notations make no use."""


def circled(value: int) -> str:
    """`value`, which is not negative, in circled binary of natural width (no leading zeros)."""
    return format(value, "b").replace("0", ZERO).replace("1", ONE)


def digit(value: int, position: int) -> str:
    """The binary digit of `value` at `position`, counted from 0 at the right; negative values in two's complement."""
    return ONE if value >> position & 1 else ZERO


def positions(value: int) -> int:
    """How many digits the natural width of `value` has; zero has one."""
    return max(1, value.bit_length())


def natural(value: int, bits: int) -> str:
    """`value` in circled binary of natural width."""
    return circled(value)


def fixed(value: int, bits: int) -> str:
    """`value` in two's complement of `bits` circled digits; what does not fit wraps."""
    return format(value & ((1 << bits) - 1), f"0{bits}b").replace("0", ZERO).replace("1", ONE)


def double(value: int, bits: int) -> str:
    """`value` in two's complement of twice `bits` circled digits."""
    return fixed(value, 2 * bits)


def decimal(value: int, bits: int) -> str:
    """`value` in decimal digits."""
    return str(value)


def signed(pattern: int, bits: int) -> int:
    """The value that the lowest `bits` bits of `pattern` have in two's complement."""
    sign = 1 << bits >> 1
    return ((pattern & ((1 << bits) - 1)) ^ sign) - sign
