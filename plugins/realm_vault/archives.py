"""Archives of what cannot be trained again: configs, ledger, curriculum. Made daily and before anything risky.

One archive is a folder `backups/archive-<UTC time>-<reason>/` with a paper (`archive.json`: every file with its hash) and
the files themselves (`state.tar.zst`). It is complete or absent.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from realm_cli import backups, champions, configrestore, status, store
from realm_cli.checkpoint_records import ManifestFile
from realm_cli.errors import FormatError, NotFoundError, RefusedError, StorageError
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_vault import assets
from realm_vault.records import ArchiveRecord

log = logging.getLogger("realm.vault")
PARTS = ("configs", "ledger", "curriculum")
"""What can be brought back by itself; `curriculum` is levels, evals' histories, champions and pins."""
PAPER, STATE = "archive.json", "state.tar.zst"
DAILY = "daily"
KEPT = {DAILY: 14, "": 50}
"""So many daily ones stay, and so many of all others."""
_NAME = re.compile(r"archive-\d{8}T\d{6}Z-[a-z0-9-]+")


@dataclass(frozen=True)
class Change:
    """What bringing an archive back does to one file."""

    path: str
    part: str
    deed: str
    """add or replace."""


def part_of(path: str) -> str:
    """To which part a file of the realm belongs. Raises `FormatError` for one that no archive holds."""
    first, _, rest = path.partition("/")
    if first == "configs":
        return "configs"
    if first == "status" and rest.startswith("ledger/"):
        return "ledger"
    if first == "status" and (rest == "pins.json" or rest.startswith(("skills/", "champions/"))):
        return "curriculum"
    raise FormatError(PAPER, f"{path[:100]!r} is none of the files that are archived", "do not trust this archive")


def _files(realm: Realm) -> Iterator[Path]:
    yield from backups.written_by_people(realm)
    for folder in (realm.ledger, realm.skill_states, champions.path_of(realm, "x").parent):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".json", ".jsonl") and not path.name.startswith(".") and path.is_file():
                yield path
    if (realm.status / "pins.json").is_file():
        yield realm.status / "pins.json"


def make(realm: Realm, reason: str) -> tuple[str, bool]:
    """(the name of an archive of the present state, whether it had to be made). Raises `StorageError`."""
    with store.locked(realm.backups / ".archive.lock"):
        contents = dict(_contents(realm))
        files = {
            path: ManifestFile(size=len(data), sha256=hashlib.sha256(data).hexdigest())
            for path, data in contents.items()
        }
        newest = next(iter(every(realm)), None)
        if newest is not None and newest[1].files == files:
            return newest[0], False
        record = ArchiveRecord(made_at=now(), reason=reason, hero=realm.config.hero, files=files)
        return _written(realm, record, contents), True


def _contents(realm: Realm) -> Iterator[tuple[str, bytes]]:
    for path in _files(realm):
        with suppress(FileNotFoundError):  # deleted since it was listed
            yield path.relative_to(realm.root).as_posix(), store.read_bytes(path)


def _written(realm: Realm, record: ArchiveRecord, contents: dict[str, bytes]) -> str:
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    slug = re.sub(r"[^a-z0-9]+", "-", record.reason.lower()).strip("-")[:60] or "asked-for"
    wanted = realm.backups / f"archive-{stamp}-{slug}"
    temp = store.temp_name(wanted)
    try:
        temp.mkdir(parents=True)
        _pack(temp / STATE, contents)
        store.write_record(temp / PAPER, record, durable=True)
        folder = backups.put_in_place(temp, wanted)
        store.sync_folder(realm.backups)
    except OSError as error:
        raise StorageError("make the archive", wanted, error) from error
    finally:
        shutil.rmtree(temp, ignore_errors=True)
    return folder.name


def _pack(path: Path, contents: dict[str, bytes]) -> None:
    import zstandard

    with (
        open(path, "wb") as file,
        zstandard.ZstdCompressor().stream_writer(file) as packed,
        tarfile.open(fileobj=packed, mode="w|") as archive,
    ):
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    store.sync_file(path)


def every(realm: Realm) -> Iterator[tuple[str, ArchiveRecord]]:
    """All archives, newest first; one with a damaged paper is named in the log and passed over."""
    # By the moment in the paper: names of the same second are told apart by a number that does not sort as text.
    found = sorted(_papers(realm), key=lambda one: (one[1].made_at, one[0]), reverse=True)
    yield from found


def _papers(realm: Realm) -> Iterator[tuple[str, ArchiveRecord]]:
    names = os.listdir(realm.backups) if realm.backups.is_dir() else []
    for name in filter(_NAME.fullmatch, names):
        try:
            yield name, store.read_record(realm.backups / name / PAPER, ArchiveRecord)
        except (FileNotFoundError, FormatError) as error:
            log.warning("archive %s is passed over: %s", name, error)


def find(realm: Realm, name: str) -> ArchiveRecord:
    """The paper of an archive. Raises `NotFoundError`."""
    path = realm.backups / name / PAPER
    if not _NAME.fullmatch(name) or not path.is_file():
        raise NotFoundError(f"there is no archive '{name[:100]}'", "see: realm archive list")
    record = store.read_record(path, ArchiveRecord)
    assets.safe_files(record.files, str(path))
    return record


def plan(realm: Realm, name: str, parts: tuple[str, ...] = PARTS) -> list[Change]:
    """What bringing it back would change. Files that it does not hold stay as they are."""
    changes = []
    for path, facts in find(realm, name).files.items():
        part = part_of(path)
        if part not in parts:
            continue
        try:
            present = hashlib.sha256(store.read_bytes(realm.root / path)).hexdigest()
        except FileNotFoundError:
            changes.append(Change(path, part, "add"))
        else:
            if present != facts.sha256:
                changes.append(Change(path, part, "replace"))
    return changes


def restore(realm: Realm, name: str, changes: list[Change]) -> None:
    """Do what was planned. Every file is proved by its hash before the first one is written."""
    if status.battle_process(realm) is not None:
        raise RefusedError("a battle is running; its state cannot go back under it", "realm battle stop, then again")
    contents = _unpacked(realm, name, {one.path for one in changes})
    configs = {path: data for path, data in contents.items() if part_of(path) == "configs"}
    if configs:  # checked as a whole against schemas and locked keys
        configrestore.restore(realm, _config_snapshot(realm, name, configs))
    with store.locked(realm.battle_lock, wait=False, owner="a battle"):
        for path, data in contents.items():
            if path not in configs:
                (realm.root / path).parent.mkdir(parents=True, exist_ok=True)
                store.write_atomic(realm.root / path, data, durable=True)


def _config_snapshot(realm: Realm, name: str, configs: dict[str, bytes]) -> str:
    """The archive's configs as a snapshot that the core can go back to."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    wanted = realm.backups / f"{stamp}-out-of-{name.lower()}"
    temp = store.temp_name(wanted)
    try:
        for path, data in configs.items():
            (temp / path).parent.mkdir(parents=True, exist_ok=True)
            (temp / path).write_bytes(data)
        return backups.put_in_place(temp, wanted).name
    except OSError as error:
        raise StorageError("unpack the archive", wanted, error) from error
    finally:
        shutil.rmtree(temp, ignore_errors=True)


def _unpacked(realm: Realm, name: str, wanted: set[str]) -> dict[str, bytes]:
    import zstandard

    files, path = find(realm, name).files, realm.backups / name / STATE
    found: dict[str, bytes] = {}
    try:
        with (
            open(path, "rb") as file,
            zstandard.ZstdDecompressor().stream_reader(file) as packed,
            tarfile.open(fileobj=packed, mode="r|") as archive,
        ):
            for member in archive:
                content = archive.extractfile(member) if member.name in wanted and member.isreg() else None
                if content is not None and member.size == files[member.name].size:
                    found[member.name] = content.read()
    except (tarfile.TarError, zstandard.ZstdError, EOFError, FileNotFoundError) as error:
        raise FormatError(str(path), f"the archive cannot be read: {error}", "take another one") from error
    for one in sorted(wanted):
        if hashlib.sha256(found.get(one, b"")).hexdigest() != files[one].sha256:
            raise FormatError(str(path), f"{one} is not as its paper says (SHA-256)", "take another archive")
    return found


def thin(realm: Realm) -> list[str]:
    """Delete archives that are too many, the oldest first; returns their names."""
    left, gone = dict(KEPT), []
    for name, record in list(every(realm)):
        kind = DAILY if record.reason == DAILY else ""
        left[kind] -= 1
        if left[kind] < 0:
            doomed = store.temp_name(realm.backups / name)
            os.rename(realm.backups / name, doomed)
            shutil.rmtree(doomed, ignore_errors=True)
            gone.append(name)
    return gone
