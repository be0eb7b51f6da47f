"""What the vault's service answers and is asked: the shapes of its JSON."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from realm_cli.snapshot_records import BattleView, BoardView, HeroView
from realm_vault.records import Asset, Location

PARAMETERS: dict[str, dict[str, Any]] = {
    "asset_id": {
        "type": "string",
        "pattern": "^(checkpoint|model|data|config|backup)_[A-Za-z0-9][A-Za-z0-9._-]{0,199}$",
    },
    "step": {"type": "integer", "minimum": 0},
    "zone": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
}
"""What stands in paths."""


class CopyFace(msgspec.Struct):
    """One copy of an asset."""

    zone: str
    path: str
    digest: str
    seen_at: str
    verified_at: str

    @classmethod
    def of(cls, zone: str, copy: Location) -> CopyFace:
        """A location as the API shows it."""
        return cls(zone, copy.path, copy.digest, copy.seen_at, copy.verified_at)


class LocateFace(msgspec.Struct):
    """Where an asset is, the nearest first."""

    id: str
    found: bool
    best: CopyFace | None
    locations: list[CopyFace]


class AssetFace(msgspec.Struct):
    """An asset with its copies."""

    id: str
    kind: str
    path: str
    digest: str
    size: int
    files: int
    created_at: str
    hero: str
    step: int
    locations: list[CopyFace]

    @classmethod
    def of(cls, name: str, one: Asset) -> AssetFace:
        """An asset of the catalog as the API shows it."""
        copies = [CopyFace.of(zone, copy) for zone, copy in one.locations.items() if copy.digest == one.digest]
        return cls(
            name, one.kind, one.path, one.digest, one.size, one.files, one.created_at, one.hero, one.step, copies
        )


class AssetsFace(msgspec.Struct):
    """Assets, a page of them."""

    total: int
    assets: list[AssetFace]


class ZoneFace(msgspec.Struct):
    """A zone as the catalog knows it."""

    id: str
    type: str
    host: str
    assets: int
    size: int
    scanned: str


class ZonesFace(msgspec.Struct):
    """All zones, the realm itself first."""

    zones: list[ZoneFace]


class StatsFace(msgspec.Struct):
    """The catalog in figures."""

    assets: int
    size: int
    kinds: dict[str, int]
    zones: dict[str, int]


class LedgerEntryFace(msgspec.Struct):
    """One checkpoint's statistics: the fields of a ledger record, with `name` and `path`."""

    hero: str
    step: int
    name: str
    canonical_name: str
    path: str | None
    weights_sha256: str
    train_loss: float | None
    val_loss: float | None
    record: dict[str, Any]
    """The whole record, as it lies on disk."""


class LedgerFace(msgspec.Struct):
    """Ledger entries, newest first."""

    total: int
    checkpoints: list[LedgerEntryFace]


class LedgerSummaryFace(msgspec.Struct):
    """The ledger in figures."""

    hero: str
    total: int
    latest: LedgerEntryFace | None
    best: LedgerEntryFace | None


class TrainingFace(msgspec.Struct):
    """Hero and battle, as `realm status --json` has them."""

    hero: HeroView
    battle: BattleView
    board: BoardView


class QueueFace(msgspec.Struct):
    """The quests that wait or are in battle."""

    quests: list[dict[str, Any]]


class MovedFace(msgspec.Struct):
    """What became of a transfer."""

    asset: str
    zone: str
    success: bool
    verified: bool
    bytes: int
    seconds: float
    path: str
    state: str
    reason: str


class ScannedFace(msgspec.Struct):
    """What a scan found."""

    zone: str
    assets: int
    wrong: list[str]
    hashed: int


class ControlledFace(msgspec.Struct):
    """What was asked of the battle."""

    action: str
    said: str


class FetchAsked(msgspec.Struct, forbid_unknown_fields=True):
    """Bring an asset to the keeper's realm."""

    asset_id: str


class ScanAsked(msgspec.Struct, forbid_unknown_fields=True):
    """Look what lies in a zone."""

    zone: str = "local"


class TransferAsked(msgspec.Struct, forbid_unknown_fields=True):
    """Send an asset to a zone, or pull it from there."""

    asset_id: str
    zone: str
    direction: Literal["push", "pull"] = "push"


class ControlAsked(msgspec.Struct, forbid_unknown_fields=True):
    """Command the battle."""

    action: Literal["pause", "resume", "stop"]
    reason: str = ""
