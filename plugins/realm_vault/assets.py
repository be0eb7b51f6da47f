"""What counts as an asset, and what it is called: the same for every zone, found from names and sizes alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from realm_cli import store
from realm_cli.checkpoint_records import ManifestFile, ManifestRecord
from realm_cli.checkpoints import MANIFEST
from realm_cli.errors import FormatError, UsageError
from realm_cli.zones import KINDS, FileFact

ASSET_ID = re.compile(rf"({'|'.join(KINDS)})_[A-Za-z0-9][A-Za-z0-9._-]{{0,199}}")
FOLDERS = ("models", "data", "configs", "backups", ".vault/assets")
"""Where assets lie in a realm or a zone; the last one holds the zone's own register."""
REGISTER = ".vault/assets"
_CHECKPOINT = re.compile(r"models/([a-z0-9][a-z0-9_-]{0,63})/(checkpoint-(\d+)(?:-\d{8}-\d{4})?)/(.+)", re.DOTALL)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_NOT_DATA = ("data/tokens/", "data/uploads/")
"""What is made again from the rest, or on its way elsewhere."""


@dataclass
class Found:
    """An asset in a listing."""

    kind: str
    path: str
    """A folder, or a file."""
    files: dict[str, FileFact]
    """By path from the asset's folder; the manifest of a checkpoint is among them."""
    hero: str = ""
    step: int = 0

    @property
    def folder(self) -> str:
        """What its files' names are relative to."""
        return self.path if self.kind in ("checkpoint", "model", "backup") else str(PurePosixPath(self.path).parent)


def check_id(text: str) -> str:
    """An asset's id; `UsageError` for what is none, as for parts of paths."""
    if not ASSET_ID.fullmatch(text) or ".." in text:
        raise UsageError(f"'{text[:100]}' is no asset's id", "they look like checkpoint_175000; see: realm vault list")
    return text


def full_id(text: str, hero: str) -> str:
    """`checkpoint_175000` is the active hero's; all others are full already."""
    short = re.fullmatch(r"checkpoint_(\d+)", check_id(text))
    return f"checkpoint_{hero}_{int(short[1])}" if short else text


def digest_of(files: Mapping[str, ManifestFile]) -> str:
    """The identity of an asset's content."""
    lines = sorted(f"{facts.sha256}  {facts.size}  {path}\n" for path, facts in files.items())
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def manifest_files(text: bytes, where: str) -> dict[str, ManifestFile]:
    """The files that a checkpoint's manifest names. Raises `FormatError`, for names that lead out of it as well."""
    files = ManifestRecord.from_dict(store.parse_json(text, where), where).files
    safe_files(files, where)
    return files


def safe_files(files: Iterable[str], where: str) -> None:
    """Refuse a manifest whose names leave the asset's folder."""
    for name in files:
        parts = PurePosixPath(name).parts
        if not name or name.startswith("/") or ".." in parts or "\0" in name or str(PurePosixPath(name)) != name:
            raise FormatError(where, f"the file name {name[:100]!r} leads out of the asset", "do not trust this copy")


def in_listing(listing: Mapping[str, FileFact]) -> Iterator[Found]:
    """The assets of a listing; whether a checkpoint is complete is for its manifest to say."""
    folders: dict[tuple[str, str], Found] = {}
    for path, fact in listing.items():
        match = _CHECKPOINT.fullmatch(path)
        if match:
            base = f"models/{match[1]}/{match[2]}"
            made = folders.setdefault((base, "checkpoint"), Found("checkpoint", base, {}, match[1], int(match[3])))
            made.files[match[4]] = fact
            continue
        for kind, root in (("model", "models/base/"), ("backup", "backups/")):
            name, slash, rest = path.removeprefix(root).partition("/")
            if path.startswith(root) and slash and not name.startswith("."):
                folders.setdefault((root + name, kind), Found(kind, root + name, {})).files[rest] = fact
        if _is_single(path):
            yield Found(path.partition("/")[0].removesuffix("s"), path, {PurePosixPath(path).name: fact})
    for found in folders.values():
        if found.kind != "checkpoint" or MANIFEST in found.files:
            yield found


def _is_single(path: str) -> bool:
    hidden = any(part.startswith(".") for part in PurePosixPath(path).parts)
    return path.startswith(("data/", "configs/")) and not path.startswith(_NOT_DATA) and not hidden


def named(found: Iterable[Found], is_current: Callable[[Found], bool]) -> dict[str, Found]:
    """The assets by id. Of two with one name the current one has it; the other's id ends with a part of its path's hash."""
    result: dict[str, Found] = {}
    for one in sorted(found, key=lambda one: (not is_current(one), one.path)):
        plain = _plain_id(one)
        taken = plain in result
        result[
            f"{plain}_{hashlib.sha256(one.path.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}" if taken else plain
        ] = one
    return result


def _plain_id(found: Found) -> str:
    if found.kind == "checkpoint":
        return f"checkpoint_{found.hero}_{found.step}"
    name = found.path.partition("/")[2].removeprefix("base/")
    if found.kind in ("data", "config"):
        name = str(PurePosixPath(name).with_suffix(""))
    plain = _UNSAFE.sub("_", name).strip("._-")[:150]
    return f"{found.kind}_{plain or 'unnamed'}".replace("..", "_")
