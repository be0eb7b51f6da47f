"""The operations: name, result, and which operands they take. A new operation is one more entry of OPERATIONS."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

from realm_bin.digits import circled

Operands = tuple[int, ...]


@dataclass(frozen=True)
class Operation:
    """One operation on unsigned values."""

    name: str
    arity: int
    result: Callable[..., int]
    calls: Callable[[int], int]
    """How many different calls there are when every operand is below the given limit."""
    fit: Callable[[Operands], Operands] = tuple
    """Turns any operands into allowed ones of no greater width; every allowed call is its own image."""


def call_text(operation: Operation, operands: Operands) -> str:
    """The call as prompts, replies and keys write it: `add(①①, ①)`."""
    return f"{operation.name}({', '.join(map(circled, operands))})"


def _larger_first(operands: Operands) -> Operands:
    first, second = operands
    return operands if first >= second else (second, first)


def _at_least_one(operands: Operands) -> Operands:
    return operands if operands[0] else (1,)


OPERATIONS = (
    Operation("add", 2, operator.add, lambda limit: limit**2),
    # Results are never negative, so the larger operand comes first.
    Operation("subtract", 2, operator.sub, lambda limit: limit * (limit + 1) // 2, _larger_first),
    Operation("multiply", 2, operator.mul, lambda limit: limit**2),
    Operation("increment", 1, lambda value: value + 1, lambda limit: limit),
    Operation("decrement", 1, lambda value: value - 1, lambda limit: limit - 1, _at_least_one),
)
