"""The page's list of assets: what the catalog says of each joined with the ledger's figures, sorted and filtered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from realm_cli import pins
from realm_cli.ledger import METRICS
from realm_cli.ledgerview import Listing, Row, views_of
from realm_cli.listquery import ListQuery, Shown, in_order, page_of
from realm_cli.realm import Realm
from realm_cli.zones import KINDS
from realm_vault.keeper import Keeper
from realm_vault.records import Asset, CatalogRecord


@dataclass(frozen=True)
class Line:
    """One asset."""

    id: str
    asset: Asset
    row: Row | None
    """What the ledger says of a checkpoint."""

    def cell(self, zone: str) -> str:
        """How a zone holds it: ok (verified), yes (seen), other (another content) or nothing."""
        copy = self.asset.locations.get(zone)
        if copy is None:
            return ""
        if copy.digest != self.asset.digest:
            return "other"
        return "ok" if copy.verified_at else "yes"


_KEYS: dict[str, Callable[[Line], Any]] = {
    "step": lambda line: line.asset.step,
    "train_loss": lambda line: line.row.train_loss if line.row else None,
    "val_loss": lambda line: line.row.val_loss if line.row else None,
    "size": lambda line: line.asset.size,
    "copies": lambda line: sum(1 for zone in line.asset.locations if line.cell(zone) in ("ok", "yes")),
    "created_at": lambda line: line.asset.created_at,
}


@dataclass(frozen=True)
class Query(ListQuery):
    """Which assets the page is to show."""

    SORTS: ClassVar = tuple(_KEYS)
    ASCENDING: ClassVar = (*METRICS, "copies")
    CHOICES: ClassVar = {"kind": KINDS, "pinned": ("all", "pinned")}

    kind: str = "checkpoint"
    pinned: str = "all"
    inside: str = ""
    """Only what this zone holds."""
    outside: str = ""
    """Only what this zone does not hold."""
    text: str = ""
    """A part of the id, or of the data file that a checkpoint was trained on."""

    def takes(self, line: Line, pinned: set[str]) -> bool:
        """Whether the filter lets an asset through."""
        if self.inside and line.cell(self.inside) not in ("ok", "yes"):
            return False
        if self.outside and line.cell(self.outside) in ("ok", "yes"):
            return False
        if self.pinned == "pinned" and line.id not in pinned:
            return False
        needle = self.text.lower()
        return not needle or needle in line.id.lower() or (line.row is not None and line.row.names(needle))


class Shelf:
    """Sorted lists of the catalog, kept as long as catalog and ledger do not change."""

    def __init__(self, realm: Realm, keeper: Keeper) -> None:
        self._realm = realm
        self._keeper = keeper
        self._views = views_of(realm)
        self._of: tuple[CatalogRecord, str, int] | None = None
        self._kept: dict[tuple[str, str, str], list[Line]] = {}

    def find(self, query: Query) -> Shown[Line]:
        """The assets of one page."""
        pinned = set(pins.read(self._realm))
        lines = [line for line in self._in_order(query) if query.takes(line, pinned)]
        return page_of(lines, query.page)

    def _in_order(self, query: Query) -> list[Line]:
        record, hero = self._keeper.catalog.read(), self._realm.config.hero
        listing = self._views.active().listing()
        identity = (record, hero, listing.number)
        if self._of is None or self._of[0] is not record or self._of[1:] != identity[1:]:
            self._of, self._kept = identity, {}
        key = (query.kind, query.sort, query.order)
        if key not in self._kept:
            lines = _lines(record, hero, listing, query.kind)
            self._kept[key] = in_order(lines, _KEYS[query.sort], query.order)
        return self._kept[key]


def _lines(record: CatalogRecord, hero: str, listing: Listing, kind: str) -> list[Line]:
    rows = {row.step: row for row in listing.kept}
    buried = {row.name: row for row in listing.buried}

    def row_of(asset: Asset) -> Row | None:
        if asset.kind != "checkpoint" or asset.hero != hero:
            return None
        return rows.get(asset.step) or buried.get(asset.path.rpartition("/")[2])

    found = [Line(name, asset, row_of(asset)) for name, asset in record.assets.items() if asset.kind == kind]
    return sorted(found, key=lambda line: (line.asset.step, line.asset.created_at, line.id), reverse=True)


def as_json(line: Line, zones: list[str]) -> dict[str, Any]:
    """An asset for programs and templates."""
    return {
        "id": line.id, "kind": line.asset.kind, "hero": line.asset.hero, "step": line.asset.step,
        "size": line.asset.size, "files": line.asset.files, "created_at": line.asset.created_at,
        "train_loss": line.row.train_loss if line.row else None, "val_loss": line.row.val_loss if line.row else None,
        "trained_on": line.row.training_file if line.row else "",
        "zones": {zone: line.cell(zone) or None for zone in zones},
    }  # fmt: skip
