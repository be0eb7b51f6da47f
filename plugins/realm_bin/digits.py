"""Circled binary digits: how values are written."""

from __future__ import annotations

ZERO, ONE = "⓪", "①"
DIGITS = frozenset((ZERO, ONE))


def circled(value: int) -> str:
    """`value`, which is not negative, in circled binary of natural width (no leading zeros)."""
    return format(value, "b").replace("0", ZERO).replace("1", ONE)


def is_circled(text: str) -> bool:
    """Whether `text` is one or more circled digits and nothing else."""
    return bool(text) and DIGITS.issuperset(text)
