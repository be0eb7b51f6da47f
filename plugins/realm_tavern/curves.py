"""The loss over a hero's whole life, in as many points as a chart has room for; with its evals and its level-ups.

The metrics are read once and then as they grow. Buckets keep their lowest and highest loss, so that no spike is hidden.
"""

from __future__ import annotations

import os
import threading
import time
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from realm_cli import skillstate
from realm_cli.errors import UsageError
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm
from realm_cli.skill_records import EvalLine, SkillState

CHUNK = 1 << 20
MOST_POINTS = 2000
ANSWERS = 32
"""Series that are kept."""
MOST_EVALS = 240
"""Evals that are shown; of more, evenly chosen ones."""
VAL_POINTS = 300
"""Of how many of the newest checkpoints the validation loss is shown."""
BY = ("step", "time")
Floats = np.ndarray[Any, np.dtype[np.float64]]


class _Row(msgspec.Struct):
    """What a chart needs of a row of the metrics."""

    step: int
    loss: float | None = None
    t: float = 0.0
    lr: float = 0.0
    trained: int = 0
    s: float | None = None


@dataclass(frozen=True)
class Columns:
    """The rows of one hero, sorted by step: float64 arrays of one length."""

    step: Floats
    time: Floats
    """Seconds since 1970."""
    loss: Floats
    speed: Floats
    """Trained tokens a second."""


class Track:
    """The metrics file of one hero. Of two rows for one step the later wins, and what was trained after it is gone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading = threading.Lock()
        self._decode = msgspec.json.Decoder(_Row).decode
        self.loading = True
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._inode = self._offset = 0
        self._rest = b""
        self._columns = {name: array("d") for name in ("step", "time", "loss", "speed")}
        self.skipped = 0
        """Lines that are no rows."""

    def read(self, *, wait: bool = False) -> None:
        """Take in what was appended; a file that was replaced (thinned) is read again. Gives way to whoever reads."""
        if not self._reading.acquire(blocking=wait):
            return
        try:
            while self._read_chunk():
                time.sleep(0)  # other threads answer requests meanwhile
            self.loading = False
        finally:
            self._reading.release()

    def _read_chunk(self) -> bool:
        """Take in a piece; whether there may be more."""
        try:
            with open(self._path, "rb") as file:
                facts = os.fstat(file.fileno())
                if facts.st_ino != self._inode or facts.st_size < self._offset:
                    self._begin_anew()
                    self._inode = facts.st_ino
                file.seek(self._offset)
                content = file.read(CHUNK)
        except FileNotFoundError:
            self._begin_anew()
            return False
        self._offset += len(content)
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            self._take(line)
        return len(content) == CHUNK

    def _take(self, line: bytes) -> None:
        try:
            row = self._decode(line)
        except (msgspec.DecodeError, msgspec.ValidationError):
            self.skipped += bool(line)
            return
        columns = self._columns
        if row.loss is None:
            return
        if columns["step"] and row.step <= columns["step"][-1]:
            keep = bisect_left(columns["step"], row.step)
            for column in columns.values():
                del column[keep:]
        columns["step"].append(row.step)
        columns["time"].append(row.t)
        columns["loss"].append(row.loss)
        columns["speed"].append(row.trained / row.s if row.s else float("nan"))

    def columns(self) -> Columns:
        """A copy of what is known now."""
        length = len(self._columns["speed"])
        return Columns(*(np.array(self._columns[name][:length]) for name in ("step", "time", "loss", "speed")))

    @property
    def mark(self) -> tuple[int, int]:
        """Changes with every row."""
        return self._inode, self._offset


class Curves:
    """Series for charts, by hero."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._tracks: dict[str, Track] = {}
        self._answers: OrderedDict[tuple[Any, ...], dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._val: tuple[int, list[tuple[int, float, float]]] = (0, [])

    def warm(self) -> None:
        """Read the active hero's metrics in the background."""
        track = self._track(self._realm.config.hero)
        threading.Thread(target=lambda: track.read(wait=True), name="curves", daemon=True).start()

    def _track(self, hero: str) -> Track:
        with self._lock:
            return self._tracks.setdefault(hero, Track(self._realm.metrics / f"{hero}.jsonl"))

    def series(
        self, hero: str, *, by: str = "step", start: float | None = None, end: float | None = None, points: int = 400,
        smoothing: float = 0.6,
    ) -> dict[str, Any]:  # fmt: skip
        """One chart: `x`, `min`, `mean`, `max`, `smooth`, `speed` of equal length, `val`, `evals`, `levels`."""
        track = self._track(hero)
        track.read()
        folder = self._realm.skill_states / hero
        known = folder.stat().st_mtime_ns if folder.is_dir() else 0
        key = (hero, by, start, end, points, smoothing, track.mark, known, track.loading)
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        found = self._made(hero, track, by, start, end, points, smoothing)
        with self._lock:
            self._answers[key] = found
            while len(self._answers) > ANSWERS:
                self._answers.popitem(last=False)
        return found

    def _made(
        self, hero: str, track: Track, by: str, start: float | None, end: float | None, points: int, smoothing: float
    ) -> dict[str, Any]:
        columns = track.columns()
        x = columns.step if by == "step" else columns.time
        first = int(np.searchsorted(x, start)) if start is not None else 0
        last = int(np.searchsorted(x, end, side="right")) if end is not None else len(x)
        buckets = bucketed(x[first:last], columns.loss[first:last], columns.speed[first:last], points)
        head = {"hero": hero, "by": by, "loading": track.loading, "skipped": track.skipped, "smoothing": smoothing}
        whole = {"first": float(x[0]), "last": float(x[-1])} if len(x) else {"first": None, "last": None}
        marks = _Marks(self._realm, hero, by)
        return {
            **head, **whole, "count": max(0, last - first), **buckets, "smooth": smoothed(buckets["mean"], smoothing),
            "val": self._val_losses(hero, by), "evals": thinned(marks.evals(), MOST_EVALS), "levels": marks.levels(),
        }  # fmt: skip

    def _val_losses(self, hero: str, by: str) -> list[tuple[float, float]]:
        """(x, validation loss) of the newest checkpoints."""
        folder = self._realm.ledger / hero
        mark = folder.stat().st_mtime_ns if folder.is_dir() else 0
        if mark != self._val[0]:
            records = Ledger(self._realm, hero).list_all(VAL_POINTS)
            rows = [(one.step, _seconds(one.created_at), one.val_loss) for one in records]
            self._val = (mark, [(step, at, loss) for step, at, loss in rows if loss is not None])
        return [(step if by == "step" else at, loss) for step, at, loss in reversed(self._val[1])]


class _Marks:
    """Evals and level-ups of a hero on a chart's x axis."""

    def __init__(self, realm: Realm, hero: str, by: str) -> None:
        self._by = by
        self._found: list[tuple[str, list[EvalLine], SkillState | None]] = [
            (name, skillstate.lines(realm, hero, name, recent=True), skillstate.read(realm, hero, name))
            for name in skillstate.met(realm, hero)
        ]

    def _x(self, step: int, at: str) -> float:
        return float(step) if self._by == "step" else _seconds(at)

    def evals(self) -> list[dict[str, Any]]:
        """Every eval that counts, with its 95 % interval."""
        return [
            {
                "skill": name, "level": line.level, "step": line.step, "x": self._x(line.step, line.at),
                "accuracy": round(line.accuracy, 4), "closed": line.closed,
                "interval": [round(end, 4) for end in skillstate.wilson(line.correct, line.size)],
            }
            for name, lines, _ in self._found
            for line in lines
            if line.state == "ok"
        ]  # fmt: skip

    def levels(self) -> list[dict[str, Any]]:
        """Every mastered level."""
        return [
            {"skill": name, "level": one.level, "step": one.step, "x": self._x(one.step, one.at)}
            for name, _, state in self._found
            for one in (state.mastered if state else [])
        ]


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp() if moment else 0.0


def bucketed(x: Floats, loss: Floats, speed: Floats, points: int) -> dict[str, list[float | None]]:
    """At most `points` buckets of equally many rows: the last x, the loss's min, mean and max, the mean speed."""
    if not len(x):
        return {name: [] for name in ("x", "min", "mean", "max", "speed")}
    count = min(points, len(x))
    edges = np.linspace(0, len(x), count + 1).astype(int)
    begins, sizes = edges[:-1], np.diff(edges)
    known = ~np.isnan(speed)
    speeds = np.add.reduceat(np.where(known, speed, 0.0), begins) / np.maximum(1, np.add.reduceat(known, begins))
    return {
        "x": x[edges[1:] - 1].tolist(),
        "min": _short(np.minimum.reduceat(loss, begins)),
        "mean": _short(np.add.reduceat(loss, begins) / sizes),
        "max": _short(np.maximum.reduceat(loss, begins)),
        "speed": _short(speeds),
    }


def _short(values: Floats) -> list[float | None]:
    """Five significant digits: a chart has no room for more."""
    return [float(f"{value:.5g}") for value in values]


def thinned(rows: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """At most so many rows, evenly chosen, the last one among them."""
    if len(rows) <= most:
        return rows
    return [rows[-1 - index * len(rows) // most] for index in range(most)][::-1]


def smoothed(values: list[Any], weight: float) -> list[float]:
    """Exponential moving average without the bias towards its beginning at 0."""
    found, average, total = [], 0.0, 0.0
    for value in values:
        average = weight * average + (1 - weight) * value
        total = weight * total + (1 - weight)
        found.append(float(f"{average / total:.5g}"))
    return found


def arguments(args: Mapping[str, str]) -> dict[str, Any]:
    """The query of a chart, checked. Raises `UsageError`."""
    by = args.get("by", "step")
    if by not in BY:
        raise UsageError(f"by: '{by[:40]}' is not known", f"one of: {', '.join(BY)}")
    return {
        "by": by,
        "start": _number(args, "start", None, -1e18, 1e18),
        "end": _number(args, "end", None, -1e18, 1e18),
        "points": int(_number(args, "points", 400, 2, MOST_POINTS) or 0),
        "smoothing": _number(args, "smoothing", 0.6, 0, 0.999),
    }


def _number(args: Mapping[str, str], name: str, default: float | None, low: float, high: float) -> float | None:
    text = args.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise UsageError(f"{name}: '{text[:40]}' is no number from {low:g} to {high:g}", "leave it out for the default")
    return value
