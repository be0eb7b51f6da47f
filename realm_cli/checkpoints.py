"""Checkpoints on disk: names, the manifest that makes one count, verification. Writing them is the battle's work."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from realm_cli import store
from realm_cli.checkpoint_records import ManifestFile, ManifestRecord, TrainerState
from realm_cli.errors import FormatError, RealmError, UsageError
from realm_cli.realm import Realm

MANIFEST = "manifest.json"
LEDGER_MIRROR = ".ledger.json"
TRAINER_STATE = "trainer_state.json"
_NAME = re.compile(r"checkpoint-(\d+)(?:-(\d{8})-(\d{4}))?")
_STEP = re.compile(r"0|[1-9][0-9]{0,14}")


def canonical_name(step: int, moment: datetime | None = None) -> str:
    """`checkpoint-190000-20251127-1430` (UTC)."""
    return f"checkpoint-{step}-{(moment or datetime.now(timezone.utc)).strftime('%Y%m%d-%H%M')}"


def is_step(text: str) -> bool:
    """Whether a text is the number of a step as it is written everywhere: `01` and digits of other scripts are not."""
    return _STEP.fullmatch(text) is not None


def extract_step(name: str) -> int:
    """The step in a checkpoint's name or path; `UsageError` when it does not parse, never step 0."""
    match = _NAME.fullmatch(Path(name).name)
    if match is None:
        raise UsageError(f"'{name}' is not a checkpoint's name", "it looks like checkpoint-190000-20251127-1430")
    return int(match[1])


class Checkpoint(msgspec.Struct, frozen=True):
    """A complete checkpoint: its manifest is there and every file has the size it names."""

    path: Path
    step: int
    manifest: ManifestRecord

    @property
    def name(self) -> str:
        """The canonical name."""
        return self.path.name

    @property
    def size(self) -> int:
        """Bytes of all files in the manifest."""
        return sum(file.size for file in self.manifest.files.values())

    def state(self) -> TrainerState:
        """Step, cursors and counters for going on."""
        return store.read_record(self.path / TRAINER_STATE, TrainerState)


def write_manifest(folder: Path, name: str, created_at: str, hashes: dict[str, str] | None = None) -> ManifestRecord:
    """Hash and fsync every file of `folder`, then write the commit marker, durably. `hashes` are known ones."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST):
        relative = path.relative_to(folder).as_posix()
        known = (hashes or {}).get(relative)
        files[relative] = ManifestFile(size=path.stat().st_size, sha256=known or store.sha256_file(path))
        store.sync_file(path)
    manifest = ManifestRecord(name=name, created_at=created_at, files=files)
    store.write_record(folder / MANIFEST, manifest, durable=True)
    return manifest


def open_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in `path`. Raises `FormatError` when it is not complete: no manifest, a file missing or resized."""
    try:
        manifest = store.read_record(path / MANIFEST, ManifestRecord)
    except FileNotFoundError:
        raise FormatError(str(path), "incomplete: it has no manifest") from None
    for relative, facts in manifest.files.items():
        try:
            size = (path / relative).stat().st_size
        except FileNotFoundError:
            raise FormatError(str(path), f"{relative} is missing") from None
        if size != facts.size:
            raise FormatError(str(path), f"{relative} has {size} bytes instead of {facts.size}")
    return Checkpoint(path, extract_step(path.name), manifest)


def verify(checkpoint: Checkpoint) -> None:
    """Hash every file again; raises `FormatError` for the first one that changed."""
    for relative, facts in checkpoint.manifest.files.items():
        if store.sha256_file(checkpoint.path / relative) != facts.sha256:
            raise FormatError(str(checkpoint.path), f"{relative} has changed (its SHA-256 is not the manifest's)")


def folders(realm: Realm, hero: str) -> list[Path]:
    """All checkpoint folders of a hero, complete or not, newest step first."""
    found = [path for path in realm.hero_folder(hero).glob("checkpoint-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: (extract_step(path.name), path.name), reverse=True)


def complete(realm: Realm, hero: str) -> tuple[list[Checkpoint], list[RealmError]]:
    """(complete checkpoints, newest first; what is wrong with the others)."""
    good, bad = [], []
    for path in folders(realm, hero):
        try:
            good.append(open_checkpoint(path))
        except FormatError as error:
            bad.append(error)
    return good, list(bad)
