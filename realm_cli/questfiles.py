"""Quest data files on the board: their names, where they lie, and a lost record made again from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from realm_cli import datafiles, store
from realm_cli.errors import FormatError
from realm_cli.realm import PRIORITIES, Realm
from realm_cli.records import QuestRecord, now

ID = re.compile(r"[0-9a-f]{12}(?:-[0-9]+)?")
FILE_NAME = re.compile(rf"([0-9]+)\.({ID.pattern})\.(.+)")


class QuestFile(msgspec.Struct, frozen=True, order=True):
    """A quest's data file where it lies now."""

    number: int
    id: str
    name: str
    path: Path
    origin: str = ""
    """For a claimed quest: the priority it was claimed from."""

    @property
    def state(self) -> str:
        """The folder: high, normal, low, processing, recently_completed or failed."""
        return self.path.parent.name


def parse_name(path: Path) -> QuestFile | None:
    """The quest file at `path`; None for a name that is not the board's."""
    match = FILE_NAME.fullmatch(path.name)
    return QuestFile(int(match[1]), match[2], match[3], path) if match else None


def file_name(record: QuestRecord) -> str:
    """The name of a quest's data file on the board."""
    return f"{record.number:08d}.{record.id}.{record.name}"


def rebuilt_record(realm: Realm, file: QuestFile) -> QuestRecord:
    """A lost record made again from the data file, its folder and the journal. Raises FileNotFoundError."""
    size = file.path.stat().st_size
    try:
        sha256 = datafiles.content_hash(file.path)
        samples = sum(1 for _, line in datafiles.read_rows(file.path) if line.strip())
    except FormatError:  # a rejected file; its bytes name it, as at its acceptance
        sha256, samples = store.sha256_file(file.path), 0
    ends = [line for line in store.read_lines(realm.journal) if line.get("quest") == file.id]
    return QuestRecord(
        id=file.id, name=file.name, number=file.number, sha256=sha256, size=size, samples=samples,
        priority=file.state if file.state in PRIORITIES else "normal", source="rebuilt from the data file",
        added_at=now(), attempts=len(ends), **_end_of(file, ends),
    )  # fmt: skip


def _end_of(file: QuestFile, ends: list[dict[str, Any]]) -> dict[str, Any]:
    """How the quest ended: by the journal, else by the folder that it lies in."""
    if file.state not in ("failed", "recently_completed"):
        return {}
    if not ends:
        outcome = "completed" if file.state == "recently_completed" else "failed"
        return {
            "outcome": outcome,
            "reason": "its record was lost, and the journal does not name it",
            "ended_at": now(),
        }
    last = ends[-1]
    return {
        "outcome": str(last.get("outcome", "")),
        "reason": str(last.get("reason", "")),
        "ended_at": str(last.get("time", "")),
        "ended_step": int(last.get("step", -1)),
    }


def came_at(path: Path) -> float:
    """When the file came into its folder; 0 when it is gone."""
    try:
        return path.stat().st_ctime
    except FileNotFoundError:
        return 0.0
