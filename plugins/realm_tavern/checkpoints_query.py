"""Which checkpoints a list shows: what the address asks for, marks, and the hundred rows of one page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args
from urllib.parse import urlencode

from flask import request

from realm_cli import champions, skillstate
from realm_cli.errors import UsageError
from realm_cli.ledger import METRICS
from realm_cli.realm import Realm
from realm_tavern.checkpoints_rows import LedgerView, Listing, Row
from realm_tavern.quests_api import number, one_of

PAGE_SIZE = 100
LONGEST_TEXT = 200
Sort = Literal["step", "train_loss", "val_loss", "size", "created_at"]
SORTS: tuple[str, ...] = get_args(Sort)
ORDERS = ("asc", "desc")
SHOWS = ("kept", "all")
_FIRST = {"train_loss": "asc", "val_loss": "asc"}
"""The order that a first click on a column asks for; the others begin with the greatest."""
_KEYS: dict[str, Callable[[Row], Any]] = {
    "step": lambda row: row.step, "train_loss": lambda row: row.train_loss, "val_loss": lambda row: row.val_loss,
    "size": lambda row: row.size, "created_at": lambda row: row.created_at,
}  # fmt: skip


@dataclass(frozen=True)
class Query:
    """What a list of checkpoints is to show."""

    sort: str = "step"
    order: str = "desc"
    skill: str = ""
    saved_for: str = ""
    quest: str = ""
    show: str = "kept"
    page: int = 1

    @classmethod
    def of_request(cls, *others: str) -> Query:
        """From the address; `others` are arguments of somebody else. Raises `UsageError`."""
        known = (*cls.__dataclass_fields__, *others)
        for name in request.args:
            if name not in known:
                raise UsageError(f"unknown argument '{name[:40]}'", f"known: {', '.join(known)}")
        texts = {name: request.args.get(name, "") for name in ("skill", "saved_for", "quest")}
        for name, text in texts.items():
            if len(text) > LONGEST_TEXT:
                raise UsageError(f"{name} is longer than {LONGEST_TEXT} characters", "ask for a part of it")
        sort = one_of("sort", request.args.get("sort", "") or "step", SORTS)
        order = one_of("order", request.args.get("order", "") or _FIRST.get(sort, "desc"), ORDERS)
        show = one_of("show", request.args.get("show", "") or "kept", SHOWS)
        return cls(sort=sort, order=order, show=show, page=number("page", 1, 1, 10**8), **texts)

    def address(self, **changes: Any) -> str:
        """The page's address with some of it changed."""
        wanted = replace(self, **changes)
        given = {name: getattr(wanted, name) for name in self.__dataclass_fields__}
        # The order is always said: what holds without one depends on the column.
        needed = {name: value for name, value in given.items() if name == "order" or value != getattr(_PLAIN, name)}
        return urlencode(needed)

    def sorted_by(self, column: str) -> str:
        """The address of the link in a column's head: the other order when it is sorted by that column already."""
        first = _FIRST.get(column, "desc")
        other = "asc" if first == "desc" else "desc"
        is_turned = self.sort == column and self.order == first
        return self.address(sort=column, order=other if is_turned else first, page=1)

    def turned(self, page: int) -> str:
        """The address of another page of the same list."""
        return self.address(page=page)

    def takes(self, row: Row) -> bool:
        """Whether the filter lets a row through."""
        if self.skill and row.skill != self.skill:
            return False
        if self.saved_for and row.saved_for != self.saved_for:
            return False
        return not self.quest or row.names(self.quest.lower())


_PLAIN = Query()


@dataclass(frozen=True)
class Shown:
    """One page of a list."""

    rows: list[Row]
    total: int
    page: int
    pages: int


class Finder:
    """Sorted lists of a ledger, kept as long as it does not change."""

    def __init__(self) -> None:
        self._kept: tuple[LedgerView | None, int, dict[tuple[str, str, str], list[Row]]] = (None, 0, {})

    def find(self, view: LedgerView, listing: Listing, query: Query) -> Shown:
        """The rows of one page; a page behind the last one is the last one."""
        rows = self._in_order(view, listing, query)
        if query.skill or query.saved_for or query.quest:
            rows = [row for row in rows if query.takes(row)]
        pages = max(1, -(-len(rows) // PAGE_SIZE))
        page = min(query.page, pages)
        return Shown(rows[(page - 1) * PAGE_SIZE : page * PAGE_SIZE], len(rows), page, pages)

    def _in_order(self, view: LedgerView, listing: Listing, query: Query) -> list[Row]:
        of_view, number_then, kept = self._kept
        if of_view is not view or number_then != listing.number:
            kept = {}
            self._kept = (view, listing.number, kept)
        key = (query.sort, query.order, query.show)
        if key not in kept:
            rows = listing.kept if query.show == "kept" else [*listing.kept, *listing.buried]
            kept[key] = in_order(rows, query.sort, query.order)
        return kept[key]


def in_order(rows: list[Row], sort: str, order: str) -> list[Row]:
    """Sorted; what has no value comes last either way, and equal ones with the newest first."""
    value = _KEYS[sort]
    newest_first = sorted(rows, key=lambda row: (row.step, row.created_at), reverse=True)
    known = [row for row in newest_first if value(row) is not None]
    unknown = [row for row in newest_first if value(row) is None]
    return sorted(known, key=value, reverse=order == "desc") + unknown


def marks(realm: Realm, listing: Listing, hero: str) -> dict[int, list[str]]:
    """What is special about kept checkpoints, by step: champion, newest, best, the levels that they mastered."""
    found: dict[int, list[str]] = {}
    champion = champions.read(realm, hero)
    if champion is not None:
        found.setdefault(champion.step, []).append("champion")
    if listing.kept:
        found.setdefault(listing.kept[0].step, []).append("newest")
    for metric in METRICS:
        best = best_by(listing.kept, metric)
        if best is not None:
            found.setdefault(best.step, []).append(f"best {metric}")
    for skill in skillstate.met(realm, hero):
        state = skillstate.read(realm, hero, skill)
        for mastery in state.mastered if state else []:
            found.setdefault(mastery.step, []).append(f"mastered {skill} level {mastery.level}")
    return found


def best_by(rows: list[Row], metric: str) -> Row | None:
    """The one with the lowest metric, as the ledger decides it: `rows` come newest first, and the newest wins a tie."""
    scored = [row for row in rows if _KEYS[metric](row) is not None]
    return min(scored, key=_KEYS[metric]) if scored else None


def as_json(row: Row, marked: dict[int, list[str]]) -> dict[str, Any]:
    """A row for programs and templates."""
    return {
        "step": row.step, "name": row.name, "train_loss": row.train_loss, "val_loss": row.val_loss, "size": row.size,
        "created_at": row.created_at, "saved_for": row.saved_for, "skill": row.skill, "level": row.level,
        "training_file": row.training_file, "quests": [share.name for share in row.shares],
        "marks": [] if row.is_deleted else marked.get(row.step, []), "deleted": row.is_deleted,
    }  # fmt: skip
