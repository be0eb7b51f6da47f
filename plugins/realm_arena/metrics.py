"""Per-step metrics of a hero: append-only JSONL; old rows are thinned into averages, never dropped.

After a resume the steps since the checkpoint are written again; for every step the later row wins.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from realm_cli import store
from realm_cli.realm import Realm

THIN_AT = 60_000
"""Rows at which the older half is thinned."""
THIN_BY = 10
_MEANS = ("loss", "lr", "s")
_SUMS = ("tokens", "trained", "samples")


def path_of(realm: Realm, hero: str) -> Path:
    """Where a hero's metrics lie."""
    return realm.metrics / f"{hero}.jsonl"


class MetricsWriter:
    """Notes rows; they reach the disk at `flush`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[bytes] = []
        self.written = sum(1 for _ in store.read_lines(path))

    def add(self, row: dict[str, Any]) -> None:
        """Note one step."""
        self.rows.append(msgspec.json.encode(row))

    def flush(self) -> None:
        """Write what was noted; `StorageError` leaves it noted."""
        if not self.rows:
            return
        store.append_lines(self.path, self.rows)
        self.written += len(self.rows)
        self.rows = []
        if self.written > THIN_AT:
            rows = thin(read(self.path))
            store.write_atomic(self.path, b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
            self.written = len(rows)


def read(path: Path) -> list[dict[str, Any]]:
    """All rows by step; of two rows for one step the later one."""
    latest: dict[int, dict[str, Any]] = {}
    for row in store.read_lines(path):
        step = row.get("step")
        if isinstance(step, int):
            latest[step] = row
    return [latest[step] for step in sorted(latest)]


def thin(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The older half in averages of THIN_BY rows (each says how many steps it stands for), the newer half as it is."""
    half = len(rows) // 2
    groups = [rows[start : min(half, start + THIN_BY)] for start in range(0, half, THIN_BY)]
    return [_average(group) for group in groups] + rows[half:]


def _average(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One row for several: means weighted by the steps behind each, sums, the last of all else."""
    steps = [row.get("steps", 1) for row in rows]
    merged = {**rows[-1], "steps": sum(steps)}
    for key in _MEANS:
        known = [(row[key], weight) for row, weight in zip(rows, steps, strict=True) if row.get(key) is not None]
        if known:
            merged[key] = sum(value * weight for value, weight in known) / sum(weight for _, weight in known)
    for key in _SUMS:
        merged[key] = sum(row.get(key, 0) for row in rows)
    return merged
