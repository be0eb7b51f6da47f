"""The auxiliary kinds of problems: a call with its result, where something is wrong, missing or in doubt.

Their replies begin with the right equation, so that no guess is right: a bare true or false would be one in two times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from realm_bin.calls import Call
from realm_bin.digits import ONE, ZERO
from realm_bin.operations import SOLVABLE

if TYPE_CHECKING:
    import random

BLANK = "___"


def find_the_error(call: Call, rng: random.Random) -> tuple[str, str]:
    """Prompt and answer: one digit of the result is wrong, and the reply tells its position, from 0 at the right."""
    result, position = misprinted(call, rng)
    return f"Find the error: {call.asked()} = {result}", f"{call.equation()}\nPosition: {position}"


def fill_the_blank(call: Call, rng: random.Random) -> tuple[str, str]:
    """Prompt and answer: a value is missing. An operand only where the others and the result leave it no choice."""
    values = [*call.texts(), call.result()]
    place = int(rng.random() * len(values)) if call.name in SOLVABLE else len(values) - 1
    shown = [BLANK if number == place else value for number, value in enumerate(values)]
    return f"Fill the blank: {call.asked(shown[:-1])} = {shown[-1]}", f"{call.equation()}\nBlank: {values[place]}"


def true_or_false(call: Call, rng: random.Random) -> tuple[str, str]:
    """Prompt and answer: the result is right every other time; else one digit of it is wrong."""
    true = rng.random() < 0.5
    result = call.result() if true else misprinted(call, rng)[0]
    return f"True or false: {call.asked()} = {result}", f"{call.equation()}\nVerdict: {'true' if true else 'false'}"


def misprinted(call: Call, rng: random.Random) -> tuple[str, int]:
    """The result with another digit at one position, and the position.

    The first digit of a longer natural value stays: a leading zero would give the error away.
    """
    result = call.result()
    fixed_width = call.operation.signed or len(result) == 1
    position = int(rng.random() * (len(result) if fixed_width else len(result) - 1))
    place = len(result) - 1 - position
    return f"{result[:place]}{_another(result[place], rng)}{result[place + 1 :]}", position


def _another(digit: str, rng: random.Random) -> str:
    """A digit of the same notation."""
    if digit in (ZERO, ONE):
        return ZERO if digit == ONE else ONE
    return str((int(digit) + 1 + int(rng.random() * 9)) % 10)
