"""Zones: places that hold checkpoints and data. Their configuration, and the face that every zone type has.

A zone is a root folder on some machine. What lies in it has the same paths as in a realm, so that another realm's root
can be a zone. Types are plugins (`realm_zone_types`). The realm itself is the zone `local`, which needs no configuration.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from realm_cli import yamlfile
from realm_cli.errors import FormatError, NotFoundError, nearest
from realm_cli.realm import Realm

if TYPE_CHECKING:
    from realm_cli.manager import Manager

LOCAL = "local"
"""The zone that is the realm itself."""
ZONE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
KINDS = ("checkpoint", "model", "data", "config", "backup")
"""Kinds of assets."""
NonNegative = Annotated[int, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
Amount = Annotated[float, Meta(gt=0)]


class KeepRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What retention keeps in a zone; an asset stays when one of the rules keeps it. None given = everything stays."""

    last: Count | None = None
    """So many newest."""
    best: Count | None = None
    """So many best by train_loss, by val_loss and by each skill's accuracy."""
    every: Count | None = None
    """Checkpoints at multiples of so many steps."""
    level_ups: bool = True
    days: Amount | None = None
    """Younger than so many days."""
    under_gb: Amount | None = None
    """The newest up to so many gigabytes in all."""


class ZoneConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One zone of `configs/zones.yaml`."""

    type: str
    root: str
    """The folder on that machine; `~/` is the user's home there."""
    host: str = ""
    """Its id in `configs/hosts.yaml`, for zones on other machines."""
    max_gb: Amount | None = None
    """What the vault may use there at most."""
    keep: dict[str, KeepRules] = {}
    """Retention by kind of asset."""
    max_gb_of: dict[str, Amount] = {}
    """What assets of a kind may use there at most."""
    alarm_days: Annotated[float, Meta(ge=0)] = 3.0
    """Alarm when no new checkpoint reached it for so long; 0 = never."""


class MinCopies(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many other copies have to be there when one is deleted, by role, else by kind."""

    champion: NonNegative = 1
    level_up: NonNegative = 1
    checkpoint: NonNegative = 0
    model: NonNegative = 0
    data: NonNegative = 0
    config: NonNegative = 0
    backup: NonNegative = 0


class Copies(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which copies count."""

    min: MinCopies = MinCopies()
    max_age_days: Amount = 30.0
    """A copy that was verified longer ago is hashed again before it counts."""


class ZonesConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`configs/zones.yaml`."""

    zones: dict[str, ZoneConfig] = {}
    copies: Copies = Copies()
    keep: dict[str, KeepRules] = {}
    """Retention of the realm itself by kind of asset: what `realm vault prune` and a full disk drop."""
    trash_days: Annotated[float, Meta(ge=0)] = 7.0
    """How long what was deleted can be brought back."""


class FileFact(NamedTuple):
    """A file in a zone."""

    size: int
    mtime_ns: int


@dataclass(frozen=True)
class ZoneState:
    """How a zone that answers is doing."""

    free: int
    """Bytes."""
    total: int
    latency_s: float
    clock_ahead_s: float
    """How far its clock is ahead of ours."""


@dataclass(frozen=True)
class Copying:
    """How files are copied."""

    limit_kb: int | None = None
    """Kilobytes a second at most."""
    progress: Callable[[int], None] | None = None
    """Told the bytes that are there so far."""


class Zone(Protocol):
    """A place. Paths are relative to its root, with `/`. Every method raises `AwayError` when it cannot be reached."""

    def state(self) -> ZoneState:
        """Reach it and look."""

    def files(self, folders: Sequence[str]) -> dict[str, FileFact]:
        """All regular files under the folders, by path; a folder that is absent holds none."""

    def read(self, paths: Sequence[str]) -> dict[str, bytes]:
        """The content of small files; those that are absent are left out."""

    def write(self, path: str, data: bytes) -> None:
        """Replace a small file as one step, durably; its folder is made."""

    def hashes(self, folder: str, files: Sequence[str]) -> dict[str, str]:
        """SHA-256 of files in a folder; those that are absent or unreadable are left out."""

    def move(self, source: str, target: str) -> None:
        """Rename durably; the target's folder is made. Raises `RefusedError` when the target exists."""

    def settle(self, moves: Sequence[tuple[str, str]], folder: str, papers: Mapping[str, bytes]) -> None:
        """Several moves as by `move`, then small files into `folder` as by `write`, with one call."""

    def remove(self, path: str) -> None:
        """Delete a file or a folder with all in it; nothing is done when it is absent."""

    def push(self, source: Path, target: str, files: Sequence[str], copying: Copying) -> None:
        """Copy files of the local folder `source` into the zone's folder `target`; a part that is there is gone on with."""

    def pull(self, source: str, target: Path, files: Sequence[str], copying: Copying) -> None:
        """Copy files of the zone's folder `source` into the local folder `target`, in the same way."""

    def close(self) -> None:
        """Drop the connection."""


ZoneType = Callable[[Realm, str, ZoneConfig], Zone]
"""What a part of `realm_zone_types` is: opens the zone of that name. Reaches nothing yet."""


def zones_file(realm: Realm) -> Path:
    """Where the zones are configured."""
    return realm.configs / "zones.yaml"


def configured(realm: Realm) -> dict[str, ZoneConfig]:
    """The zones beside the realm itself, in the file's order; none without a file."""
    return policy(realm).zones


def policy(realm: Realm) -> ZonesConfig:
    """The whole of `zones.yaml`; the defaults without a file."""
    path = zones_file(realm)
    if not path.is_file():
        return ZonesConfig()
    data, node = yamlfile.read(path)
    if isinstance(data, dict):
        yamlfile.check_each(data, "zones", ZoneConfig, path, node)
    found = yamlfile.check(data if data is not None else {}, ZonesConfig, path, node)
    for name, zone in found.zones.items():
        where = f"{path}:{yamlfile.line_of(node, ['zones', name])}"
        if name == LOCAL:
            raise FormatError(where, f"'{LOCAL}' is the realm itself", "give the zone another name")
        if not ZONE_ID.fullmatch(name):
            raise FormatError(where, f"'{name}' cannot be a zone's name", "use letters, digits, '.', '_' and '-'")
        for key, kinds in (("keep", zone.keep), ("max_gb_of", zone.max_gb_of)):
            _check_kinds(where, f"zone {name}: {key}", kinds)
    _check_kinds(f"{path}:{yamlfile.line_of(node, ['keep'])}", "keep", found.keep)
    return found


def _check_kinds(where: str, what: str, kinds: Iterable[str]) -> None:
    for kind in kinds:
        if kind not in KINDS:
            raise FormatError(where, f"{what}: '{kind}' is no kind of asset", nearest(kind, KINDS))


def open_zone(realm: Realm, manager: Manager, name: str) -> Zone:
    """A zone by name. Raises `NotFoundError` for an unknown one."""
    known: Mapping[str, ZoneConfig] = {LOCAL: ZoneConfig(type=LOCAL, root=str(realm.root)), **configured(realm)}
    if name not in known:
        hint = nearest(name, known) or f"write it into {zones_file(realm)}"
        raise NotFoundError(f"there is no zone '{name[:100]}'", hint)
    kind: ZoneType = manager.load_part("realm_zone_types", known[name].type, "zone type")
    return kind(realm, name, known[name])
