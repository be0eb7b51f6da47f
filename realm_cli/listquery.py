"""Lists on pages: what an address asks for, links that change a part of it, sorting, pages of a hundred."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Generic, Self, TypeVar
from urllib.parse import urlencode

from flask import request

from realm_cli.errors import UsageError, nearest

PAGE_SIZE = 100
LONGEST_TEXT = 200
ORDERS = ("asc", "desc")
T = TypeVar("T")


@dataclass(frozen=True)
class ListQuery:
    """What a list is to show. Subclasses add their filters: text fields, with the allowed words in `CHOICES`."""

    SORTS: ClassVar[tuple[str, ...]] = ()
    """Columns to sort by; the first is the default."""
    ASCENDING: ClassVar[tuple[str, ...]] = ()
    """Columns whose first click asks for the smallest first."""
    CHOICES: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """The words that a field may have; the first is the default."""

    sort: str = ""
    order: str = ""
    page: int = 1

    @classmethod
    def of_request(cls, *others: str) -> Self:
        """From the address; `others` are arguments of somebody else. Raises `UsageError`."""
        names = [field.name for field in fields(cls)]
        known = (*names, *others)
        for name in request.args:
            if name not in known:
                raise UsageError(f"unknown argument '{name[:40]}'", f"known: {', '.join(known)}")
        given = {name: request.args.get(name, "") for name in names if name not in ("sort", "order", "page")}
        for name, text in given.items():
            if len(text) > LONGEST_TEXT:
                raise UsageError(f"{name} is longer than {LONGEST_TEXT} characters", "ask for a part of it")
            if name in cls.CHOICES:
                given[name] = one_of(name, text or cls.CHOICES[name][0], cls.CHOICES[name])
        sort = one_of("sort", request.args.get("sort", "") or cls.SORTS[0], cls.SORTS)
        order = one_of("order", request.args.get("order", "") or cls._first(sort), ORDERS)
        return cls(sort=sort, order=order, page=number("page", 1, 1, 10**8), **given)

    @classmethod
    def _first(cls, column: str) -> str:
        return "asc" if column in cls.ASCENDING else "desc"

    def address(self, **changes: Any) -> str:
        """The page's address with some of it changed."""
        wanted = replace(self, **changes)
        defaults: dict[str, Any] = {name: words[0] for name, words in self.CHOICES.items()}
        plain = type(self)(sort=self.SORTS[0], **defaults)
        given = {field.name: getattr(wanted, field.name) for field in fields(self)}
        # The order is always said: what holds without one depends on the column.
        return urlencode({name: one for name, one in given.items() if name == "order" or one != getattr(plain, name)})

    def sorted_by(self, column: str) -> str:
        """The address of the link in a column's head: the other order when it is sorted by that column already."""
        first = self._first(column)
        other = "asc" if first == "desc" else "desc"
        is_turned = self.sort == column and self.order == first
        return self.address(sort=column, order=other if is_turned else first, page=1)

    def turned(self, page: int) -> str:
        """The address of another page of the same list."""
        return self.address(page=page)


@dataclass(frozen=True)
class Shown(Generic[T]):
    """One page of a list."""

    rows: list[T]
    total: int
    page: int
    pages: int


def page_of(rows: Sequence[T], page: int) -> Shown[T]:
    """A hundred rows; a page behind the last one is the last one."""
    pages = max(1, -(-len(rows) // PAGE_SIZE))
    page = min(page, pages)
    return Shown(list(rows[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]), len(rows), page, pages)


def in_order(newest_first: Sequence[T], value: Callable[[T], Any], order: str) -> list[T]:
    """Sorted; what has no value comes last either way, and equal ones with the newest first."""
    known = [row for row in newest_first if value(row) is not None]
    unknown = [row for row in newest_first if value(row) is None]
    return sorted(known, key=value, reverse=order == "desc") + unknown


def number(name: str, default: int, lowest: int, highest: int) -> int:
    """A whole number of the query. Raises `UsageError`."""
    text = request.args.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and lowest <= int(text) <= highest):
        raise UsageError(f"{name} must be a whole number from {lowest} to {highest}")
    return int(text)


def one_of(name: str, given: str, choices: tuple[str, ...]) -> str:
    """A word out of a list. Raises `UsageError`."""
    if given not in choices:
        raise UsageError(f"{name} '{given[:40]}' is not known", nearest(given[:40], choices))
    return given
