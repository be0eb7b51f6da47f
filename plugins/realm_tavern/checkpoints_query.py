"""Which checkpoints a list shows: what the address asks for, marks, and the hundred rows of one page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from realm_cli import champions, skillstate
from realm_cli.ledger import METRICS
from realm_cli.ledgerview import LedgerView, Listing, Row
from realm_cli.listquery import ListQuery, Shown, in_order, page_of
from realm_cli.realm import Realm

_KEYS: dict[str, Callable[[Row], Any]] = {
    "step": lambda row: row.step, "train_loss": lambda row: row.train_loss, "val_loss": lambda row: row.val_loss,
    "size": lambda row: row.size, "created_at": lambda row: row.created_at,
}  # fmt: skip


@dataclass(frozen=True)
class Query(ListQuery):
    """What a list of checkpoints is to show."""

    SORTS: ClassVar = tuple(_KEYS)
    ASCENDING: ClassVar = METRICS
    CHOICES: ClassVar = {"show": ("kept", "all")}

    skill: str = ""
    saved_for: str = ""
    quest: str = ""
    show: str = "kept"

    def takes(self, row: Row) -> bool:
        """Whether the filter lets a row through."""
        if self.skill and row.skill != self.skill:
            return False
        if self.saved_for and row.saved_for != self.saved_for:
            return False
        return not self.quest or row.names(self.quest.lower())


class Finder:
    """Sorted lists of a ledger, kept as long as it does not change."""

    def __init__(self) -> None:
        self._kept: tuple[LedgerView | None, int, dict[tuple[str, str, str], list[Row]]] = (None, 0, {})

    def find(self, view: LedgerView, listing: Listing, query: Query) -> Shown[Row]:
        """The rows of one page; a page behind the last one is the last one."""
        rows = self._in_order(view, listing, query)
        if query.skill or query.saved_for or query.quest:
            rows = [row for row in rows if query.takes(row)]
        return page_of(rows, query.page)

    def _in_order(self, view: LedgerView, listing: Listing, query: Query) -> list[Row]:
        of_view, number_then, kept = self._kept
        if of_view is not view or number_then != listing.number:
            kept = {}
            self._kept = (view, listing.number, kept)
        key = (query.sort, query.order, query.show)
        if key not in kept:
            rows = listing.kept if query.show == "kept" else [*listing.kept, *listing.buried]
            newest_first = sorted(rows, key=lambda row: (row.step, row.created_at), reverse=True)
            kept[key] = in_order(newest_first, _KEYS[query.sort], query.order)
        return kept[key]


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
