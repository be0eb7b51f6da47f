"""Which checkpoint grew out of which, as a graph of lanes: one row each, the newest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from realm_cli.ledgerview import Listing, Row

LANE = 14
HEIGHT = 28
MOST_LANES = 16
"""What is further right is not drawn."""


@dataclass(frozen=True)
class Node:
    """One checkpoint in the graph."""

    row: Row
    lane: int
    through: tuple[int, ...]
    """Lanes that pass by."""
    above: tuple[int, ...]
    """Lanes of its children, which end here."""
    has_parent: bool

    def drawing(self) -> Markup:
        """Its part of the graph as SVG."""
        width = LANE * (max(self.lane, *self.through, *self.above, 0) + 1)
        middle, x = HEIGHT // 2, self._x(self.lane)
        lines = [f"M{self._x(lane)} 0V{HEIGHT}" for lane in self.through]
        lines += [f"M{self._x(lane)} 0L{x} {middle}" for lane in self.above]
        lines += [f"M{x} {middle}V{HEIGHT}"] if self.has_parent else []
        shape = "dead" if self.row.is_deleted else "alive"
        width = min(width, LANE * MOST_LANES)
        return Markup(  # numbers and words of our own alone
            f'<svg class="lanes" width="{width}" height="{HEIGHT}" viewBox="0 0 {width} {HEIGHT}" aria-hidden="true">'
            f'<path d="{"".join(lines)}"/><circle class="{shape}" cx="{x}" cy="{middle}" r="5"/></svg>'
        )

    @staticmethod
    def _x(lane: int) -> int:
        return LANE * lane + LANE // 2


def graph(listing: Listing) -> list[Node]:
    """All checkpoints of a ledger, the deleted ones too. A fork is where several lanes end at one parent."""
    lanes: list[str | None] = []
    nodes = []
    for row in _newest_first(listing.by_name.values()):
        above = tuple(lane for lane, awaited in enumerate(lanes) if awaited == row.name)
        lane = above[0] if above else _free(lanes)
        through = tuple(one for one, awaited in enumerate(lanes) if awaited is not None and one not in above)
        for one in above:
            lanes[one] = None
        has_parent = row.parent in listing.by_name and row.parent != row.name
        lanes[lane] = row.parent if has_parent else None
        nodes.append(Node(row, lane, through, above, has_parent))
    return nodes


def _newest_first(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.step, row.created_at), reverse=True)


def _free(lanes: list[str | None]) -> int:
    """The first lane that nothing uses."""
    for lane, awaited in enumerate(lanes):
        if awaited is None:
            return lane
    lanes.append(None)
    return len(lanes) - 1
