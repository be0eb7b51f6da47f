"""Bringing an asset into a zone: into a hidden folder first, hashed there, then renamed. Half an asset is never seen."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from realm_cli import store
from realm_cli.checkpoint_records import ManifestFile, ManifestRecord
from realm_cli.checkpoints import MANIFEST
from realm_cli.errors import FormatError, NotFoundError, RealmError, RefusedError
from realm_cli.records import now
from realm_cli.zones import Zone
from realm_vault import assets
from realm_vault.records import Asset, AssetRecord

INCOMING = ".vault/incoming"
REPLACED = ".vault/replaced"
Copy = Callable[[str, list[str]], None]
"""Copies the named files into a folder of the zone."""


@dataclass(frozen=True)
class Content:
    """The files of an asset with their hashes, a checkpoint's manifest among them."""

    id: str
    asset: Asset
    files: dict[str, ManifestFile]

    @property
    def folder(self) -> str:
        """What the files' names are relative to, in a realm or a zone."""
        return assets.Found(self.asset.kind, self.asset.path, {}).folder


def content_in(zone: Zone, asset_id: str, asset: Asset) -> Content:
    """What a zone's manifest or register says of its copy. Raises `FormatError` when that is another one."""
    if asset.kind == "checkpoint":
        path = f"{asset.path}/{MANIFEST}"
        text = _read(zone, path)
        files = ManifestRecord.from_dict(store.parse_json(text, path), path).files
        extra = {MANIFEST: ManifestFile(size=len(text), sha256=_sha256(text))}
    else:
        path = f"{assets.REGISTER}/{asset_id}.json"
        files = AssetRecord.from_dict(store.parse_json(_read(zone, path), path), path).files
        extra = {}
    assets.safe_files(files, path)
    if assets.digest_of(files) != asset.digest:
        raise FormatError(path, "this copy has another content than the catalog says", "look again: realm vault scan")
    return Content(asset_id, asset, {**files, **extra})


def deliver(zone: Zone, content: Content, copy: Copy, *, target: str = "", register: bool = True) -> bool:
    """Copy, prove by hash, rename, register. Goes on from what an earlier attempt left. False when it was there already."""
    goal = target or content.asset.path
    occupied = bool(zone.files([goal]))
    if occupied and _is_there(zone, content, goal):
        if register:
            _register(zone, content)
        return False
    temp = f"{INCOMING}/{content.id}-{content.asset.digest[:16]}"
    copy(temp, sorted(content.files))
    wrong = differing(zone, temp, content.files)
    if wrong:  # an earlier, damaged part was gone on with
        for name in wrong:
            zone.remove(f"{temp}/{name}")
        copy(temp, wrong)
        wrong = differing(zone, temp, content.files)
    if wrong:
        raise RealmError(
            f"{content.id} arrived damaged twice: {wrong[0]!r} has another SHA-256",
            f"verify the source: realm vault verify {content.id}",
        )
    if occupied:
        _set_aside(zone, content, goal)
    if content.folder == content.asset.path:
        zone.move(temp, goal)
    else:
        zone.move(f"{temp}/{posixpath.basename(content.asset.path)}", goal)
        zone.remove(temp)
    if register:
        _register(zone, content)
    return True


def absent(zone: Zone, contents: list[Content]) -> list[Content]:
    """Those of whom nothing lies at their place."""
    listing = zone.files([content.asset.path for content in contents])
    taken = {content.id for content in contents if any(path.startswith(f"{content.asset.path}/") for path in listing)}
    return [content for content in contents if content.id not in taken and content.asset.path not in listing]


def deliver_together(zone: Zone, contents: list[Content], copy: Copy) -> list[Content]:
    """Folders that are absent there, with one copy, one hash pass and one renaming. Returns those that are whole there.

    They lie in the hidden folder by the paths that they have in a realm, so an earlier part of any of them is gone on with.
    """
    temp = f"{INCOMING}/together"
    names = {content.id: [f"{content.asset.path}/{name}" for name in content.files] for content in contents}
    copy(temp, sorted(name for each in names.values() for name in each))
    hashes = zone.hashes(temp, sorted(name for each in names.values() for name in each))
    whole = [
        content
        for content in contents
        if all(hashes.get(f"{content.asset.path}/{name}") == facts.sha256 for name, facts in content.files.items())
    ]
    for content in contents:
        if content not in whole:  # an earlier, damaged part was gone on with
            zone.remove(f"{temp}/{content.asset.path}")
    if whole:
        moves = [(f"{temp}/{content.asset.path}", content.asset.path) for content in whole]
        zone.settle(moves, assets.REGISTER, {f"{content.id}.json": _paper(content) for content in whole})
    return whole


def differing(zone: Zone, folder: str, files: Mapping[str, ManifestFile]) -> list[str]:
    """Files that are missing or have another hash."""
    hashes = zone.hashes(folder, sorted(files))
    return sorted(name for name, facts in files.items() if hashes.get(name) != facts.sha256)


def _is_there(zone: Zone, content: Content, goal: str) -> bool:
    """Whether it lies there already: complete and right, as when a kill came before it was registered."""
    folder = goal if content.folder == content.asset.path else posixpath.dirname(goal)
    return not differing(zone, folder, content.files)


def _set_aside(zone: Zone, content: Content, goal: str) -> None:
    """What people edit has another content every day: the old one is set aside. A checkpoint never changes."""
    if content.asset.kind in ("config", "data"):
        stamp = now().replace(":", "").replace("+0000", "Z")
        zone.move(goal, f"{REPLACED}/{stamp}-{content.id}/{posixpath.basename(goal)}")
    else:
        raise RefusedError(
            f"{goal} is there already, with another content", "look at it, and move it away if it may be replaced"
        )


def _register(zone: Zone, content: Content) -> None:
    zone.write(f"{assets.REGISTER}/{content.id}.json", _paper(content))


def _paper(content: Content) -> bytes:
    asset = content.asset
    files = {name: facts for name, facts in content.files.items() if asset.kind != "checkpoint" or name != MANIFEST}
    record = AssetRecord(
        id=content.id, asset_kind=asset.kind, path=asset.path, created_at=asset.created_at or now(), files=files
    )
    return store.to_json(record.to_dict())


def _read(zone: Zone, path: str) -> bytes:
    text = zone.read([path]).get(path)
    if text is None:
        raise NotFoundError(f"{path} is not there any more", "look again: realm vault scan")
    return text


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()
