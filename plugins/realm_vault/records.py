"""The vault's own files."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from realm_cli.checkpoint_records import ManifestFile
from realm_cli.records import Record


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """One copy of an asset."""

    path: str
    """From the zone's root."""
    digest: str
    """Of the manifest of that copy; only copies with the asset's digest are copies of it."""
    seen_at: str
    verified_at: str = ""
    """When all of its files were hashed and found right; empty when never."""


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog knows of one asset."""

    kind: str
    path: str
    """From a realm's root, the same in every zone."""
    digest: str
    """SHA-256 over the sorted lines `hash  size  path` of its files."""
    size: int
    files: int
    created_at: str = ""
    hero: str = ""
    step: int = 0
    locations: dict[str, Location] = msgspec.field(default_factory=dict)
    """By zone."""


class CatalogRecord(Record, frozen=True, kw_only=True):
    """`status/vault/catalog.json`: every asset and its copies. Rebuilt by a scan."""

    kind: ClassVar[str] = "vault_catalog"

    assets: dict[str, Asset] = msgspec.field(default_factory=dict)
    scanned: dict[str, str] = msgspec.field(default_factory=dict)
    """When each zone was scanned last."""


class Known(msgspec.Struct, frozen=True, array_like=True):
    """A file whose hash is known as long as size and time stay."""

    size: int
    mtime_ns: int
    sha256: str


class ScanRecord(Record, frozen=True, kw_only=True):
    """`status/vault/scans/<zone>.json`: what the last scan had to read, so that the next one need not."""

    kind: ClassVar[str] = "vault_scan"

    zone: str
    hashes: dict[str, Known] = msgspec.field(default_factory=dict)
    """Of files by path."""
    manifests: dict[str, dict[str, ManifestFile]] = msgspec.field(default_factory=dict)
    """The files that a manifest names, by the manifest's SHA-256."""
    created: dict[str, str] = msgspec.field(default_factory=dict)
    """When the asset of a manifest was made, by the manifest's SHA-256."""


class AssetRecord(Record, frozen=True, kw_only=True):
    """`.vault/assets/<id>.json` in a zone: an asset that was sent there, its files and hashes."""

    kind: ClassVar[str] = "vault_asset"

    id: str
    asset_kind: str
    path: str
    created_at: str
    files: dict[str, ManifestFile]


class TransferRecord(Record, frozen=True, kw_only=True):
    """`status/vault/transfers/<id>.json`: an asset on its way, or queued until its zone is back."""

    kind: ClassVar[str] = "vault_transfer"

    id: str
    asset: str
    digest: str
    zone: str
    direction: str
    """push or fetch."""
    state: str
    """queued, running, done or failed."""
    asked_at: str
    size: int = 0
    attempts: int = 0
    reason: str = ""
    """Why it waits or failed."""
    ended_at: str = ""
    seconds: float = 0.0


class TrashRecord(Record, frozen=True, kw_only=True):
    """`.vault/trash/<time>~<id>/trash.json` in a zone: a deleted copy that can still be brought back."""

    kind: ClassVar[str] = "vault_trash"

    id: str
    asset_kind: str
    path: str
    reason: str
    dropped_at: str
    created_at: str
    size: int
    files: dict[str, ManifestFile]
    hero: str = ""
    step: int = 0


class ClaimRecord(Record, frozen=True, kw_only=True):
    """`.vault/dropping/<id>~<random>.json` in a zone: its copy is being deleted, and counts for nobody meanwhile."""

    kind: ClassVar[str] = "vault_claim"

    asset: str
    by: str
    """User and machine."""
    at: str


class ArchiveRecord(Record, frozen=True, kw_only=True):
    """`backups/archive-<time>-<reason>/archive.json`: what lies in the archive beside it."""

    kind: ClassVar[str] = "vault_archive"

    made_at: str
    reason: str
    hero: str
    files: dict[str, ManifestFile]
    """By path from the realm's root."""


class TendedRecord(Record, frozen=True, kw_only=True):
    """`status/vault/tended.json`: when each daily task was done last."""

    kind: ClassVar[str] = "vault_tended"

    done: dict[str, str] = msgspec.field(default_factory=dict)


class ZoneMark(Record, frozen=True, kw_only=True):
    """`.vault/zone.json` in a zone, and the realm's memory of it: by it a zone is recognised."""

    kind: ClassVar[str] = "vault_zone"

    id: str
    made_at: str
    seen_at: str = ""
    """In the realm's memory: when the zone answered last."""


class LineageQuest(msgspec.Struct, frozen=True, kw_only=True):
    """A quest's part in a checkpoint."""

    id: str
    name: str
    samples: int
    completed: bool


class LineageEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What one kept checkpoint is made of, beside what its parent is made of."""

    step: int
    name: str
    parent: str = ""
    """The nearest ancestor that is kept; empty = the base model."""
    quests: list[LineageQuest] = msgspec.field(default_factory=list)
    """Trained since that parent, the steps of deleted checkpoints between included."""
    is_whole: bool = True
    """False: the record of an ancestor is gone, so that quests may be missing."""


class LineageRecord(Record, frozen=True, kw_only=True):
    """`status/lineage.json`: which quests the kept checkpoints of a hero are made of, the newest first."""

    kind: ClassVar[str] = "lineage"

    hero: str
    at: str
    checkpoints: list[LineageEntry] = msgspec.field(default_factory=list)
