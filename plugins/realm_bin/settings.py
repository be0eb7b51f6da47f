"""What people set about this skill: `settings:` in `configs/skills/bin.yaml`, where the reasons stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from realm_bin.operations import NAMES
from realm_bin.wording import KINDS, TAGS, Shares
from realm_cli.errors import FormatError, nearest

MAX_LEVEL = 30

Weight = Annotated[int, Meta(ge=1, le=1000)]
Bits = Annotated[int, Meta(ge=1, le=32)]
Percent = Annotated[int, Meta(ge=0, le=100)]
T = TypeVar("T")

_FIRST = {
    "add": 3, "subtract": 3, "multiply": 1, "increment": 1, "decrement": 1, "multiply_by_2": 1, "divide_by_2": 1,
}  # fmt: skip
_COMPARISONS = {"equals": 1, "lessthan": 1, "greaterthan": 1}
_SIXTH = {**_FIRST, "tobinary": 1, "todecimal": 1, **_COMPARISONS, "minimum": 1, "maximum": 1}
_SIGNED = {
    "add_signed": 1, "subtract_signed": 1, "multiply_signed": 1, "negate": 1, "absolute_value": 1, "sign_of": 1,
}  # fmt: skip


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tables by level; an entry counts from its level up to the next entry."""

    operations: dict[int, dict[str, Weight]] = msgspec.field(
        default_factory=lambda: {
            1: {**_FIRST, "tobinary": 1},
            5: {**_FIRST, **_COMPARISONS},
            6: _SIXTH,
            11: {**_SIXTH, **_SIGNED},
            16: {**_SIXTH, **_SIGNED, "nested": 3},
        }
    )
    """The operations that a level draws, with their weights."""
    practice: dict[str, Weight] = msgspec.field(default_factory=lambda: {"add": 2, "subtract": 2})
    """How many times as often as evals training draws an operation; 1 for those not named."""
    multiply_bits: dict[int, Bits] = msgspec.field(default_factory=lambda: {1: 2, 6: 3, 12: 4})
    """Widest second operand of `multiply` and `multiply_signed`."""
    mix: dict[int, Shares] = msgspec.field(
        default_factory=lambda: {
            1: (100, 0, 0, 0),
            6: (40, 35, 20, 5),
            11: (30, 35, 25, 10),
            16: (25, 30, 30, 15),
            21: (20, 30, 30, 20),
            26: (15, 25, 35, 25),
        }
    )
    """Wording of training rows: percentages of no tag, verify, show-work and trace."""
    eval_mix: Shares = (100, 0, 0, 0)
    """Wording of evals, the same at every level."""
    kinds: dict[int, Shares] = msgspec.field(default_factory=lambda: {1: (100, 0, 0, 0), 8: (85, 5, 5, 5)})
    """Kinds of training rows: percentages of to compute, find the error, fill the blank, true or false."""
    eval_kinds: Shares = (100, 0, 0, 0)
    """Kinds of evals, the same at every level."""
    symbols: dict[int, Percent] = msgspec.field(default_factory=lambda: {1: 0, 8: 75})
    """Percentage of all problems, those of evals too, that are written in symbols."""


def at(table: Mapping[int, T], level: int) -> T:
    """The entry that counts at that level."""
    return table[max(start for start in table if start <= level)]


def parse(settings: Mapping[str, Any], where: str) -> Settings:
    """The settings, checked. Raises `FormatError` that names `where` and the key."""
    for key in settings:
        if key not in Settings.__struct_fields__:
            raise FormatError(where, f"unknown key 'settings.{key}'", nearest(str(key), Settings.__struct_fields__))
    try:
        found = msgspec.convert(dict(settings), Settings)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at ")
        key = place.rpartition("$")[2].rstrip("`")
        raise FormatError(where, f"settings{key}: {problem[:1].lower()}{problem[1:]}") from None
    for table in ("operations", "multiply_bits", "mix", "kinds", "symbols"):
        _check_levels(getattr(found, table), table, where)
    _check_operations(found, where)
    tags, kinds = [tag or "no tag" for tag in TAGS], [kind or "compute" for kind in KINDS]
    for names, key in ((tags, "mix"), (kinds, "kinds")):
        for level, shares in getattr(found, key).items():
            _check_shares(shares, names, f"{key}.{level}", where)
        _check_shares(getattr(found, f"eval_{key}"), names, f"eval_{key}", where)
    return found


def _check_levels(table: Mapping[int, object], key: str, where: str) -> None:
    beyond = [level for level in table if not 1 <= level <= MAX_LEVEL]
    if beyond:
        raise FormatError(
            where, f"settings.{key} names level {beyond[0]}", f"entries start at a level from 1 to {MAX_LEVEL}"
        )
    if 1 not in table:
        raise FormatError(where, f"settings.{key} says nothing for level 1", "let its first entry start at 1")


def _check_operations(settings: Settings, where: str) -> None:
    for level, weights in settings.operations.items():
        key = f"settings.operations.{level}"
        if not weights:
            raise FormatError(where, f"{key} names no operation", f"known: {', '.join(NAMES)}")
        for name in weights:
            _check_name(name, key, where)
    for name in settings.practice:
        _check_name(name, "settings.practice", where)


def _check_name(name: str, key: str, where: str) -> None:
    if name not in NAMES:
        raise FormatError(where, f"{key}: unknown operation '{name}'", nearest(name, NAMES))


def _check_shares(shares: Shares, names: list[str], key: str, where: str) -> None:
    if min(shares) < 0 or sum(shares) != 100:
        hint = f"give percentages of {', '.join(names)} that add up to 100"
        raise FormatError(where, f"settings.{key} is {list(shares)}", hint)
