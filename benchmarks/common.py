"""What every benchmark shares: where its files go, medians with their spread, targets, the printed report and its JSON."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
QUIET_CORES = 0.1
"""Cores that others may use at the start; above it the figures are marked."""


@dataclass(frozen=True)
class Target:
    """The limit that a median has to keep."""

    limit: float
    at_most: bool = False

    def reached(self, median: float) -> bool:
        return median <= self.limit if self.at_most else median >= self.limit

    def __str__(self) -> str:
        return f"{'at most' if self.at_most else 'at least'} {self.limit:g}"


def at_least(limit: float) -> Target:
    """More is better."""
    return Target(limit)


def at_most(limit: float) -> Target:
    """Less is better."""
    return Target(limit, at_most=True)


@dataclass
class Report:
    """One run of a benchmark: printed line by line, then written as `build/<file>.json`."""

    name: str
    what: str
    file: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        busy = _busy_cores()
        self.data = {
            "benchmark": self.name, "what": self.what, "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "machine": {"cpu": _cpu(), "cores": len(os.sched_getaffinity(0)), "busy_cores_before": busy},
            "versions": {}, "settings": {}, "measured": {}, "ratios": {}, "spread": {}, "rounds": {}, "targets": {},
            "reached": {},
        }  # fmt: skip
        print(f"{self.name}: {self.what}")
        self.line("machine", f"{_cpu()}, {len(os.sched_getaffinity(0))} cores, {busy:.2f} of them busy before")
        if busy > QUIET_CORES:
            self.line("warning", "other processes compute on this machine, so times and ratios say little")

    def line(self, label: str, text: str) -> None:
        """Print one labelled line."""
        print(f"  {label:<22}  {text}", flush=True)

    def versions(self, **found: str) -> None:
        """What was compared, by exact version."""
        self.data["versions"].update(found)
        self.line("versions", ", ".join(f"{name} {number}" for name, number in found.items()))

    def settings(self, **values: Any) -> None:
        """How it was compared."""
        self.data["settings"].update(values)
        self.line("settings", ", ".join(f"{name} {value}" for name, value in values.items()))

    def measured(self, name: str, values: Sequence[float], unit: str, target: Target | None = None) -> float:
        """Note a quantity; returns its median."""
        median, low, high = _spread(values)
        self.data["measured"][name] = {"median": median, "low": low, "high": high, "unit": unit, "all": list(values)}
        text = f"{median:,.4g} {unit}" if median < 1000 else f"{median:,.0f} {unit}"
        self._note(name, text, values, target)
        return median

    def ratio(self, name: str, values: Sequence[float], target: Target | None = None) -> float:
        """Note the ratio that each round gave; returns their median."""
        median, low, high = _spread(values)
        self.data["ratios"][name] = round(median, 4)
        self.data["spread"][name] = [round(low, 4), round(high, 4)]
        self.data["rounds"][name] = list(values)
        self._note(f"ratio {name}", f"{median:.2f} x", values, target)
        return median

    def _note(self, name: str, text: str, values: Sequence[float], target: Target | None) -> None:
        median, low, high = _spread(values)
        if len(values) > 1:
            text += f" ({low:,.4g} to {high:,.4g} in {len(values)} rounds)"
        if target is not None:
            key = name.removeprefix("ratio ")
            self.data["targets"][key] = target.limit
            self.data["reached"][key] = target.reached(median)
            text += f"; target {target}: {'reached' if target.reached(median) else 'MISSED'}"
        self.line(name, text)

    def write(self) -> None:
        """Write the JSON file. A missed target is a finding, not a failure of the benchmark."""
        BUILD.mkdir(exist_ok=True)
        path = BUILD / f"{self.file or self.name}.json"
        path.write_text(json.dumps(self.data, indent=2) + "\n", encoding="utf-8")
        self.line("written", str(path.relative_to(ROOT)))


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return statistics.median(values), min(values), max(values)


def _cpu() -> str:
    facts = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((fact.partition(":")[2].strip() for fact in facts if fact.startswith("model name")), "unknown CPU")


def _busy_cores(seconds: float = 1.0) -> float:
    """How many cores others keep busy just now; the load average would still remember the benchmark before."""
    before, begun = _idle_seconds(), time.monotonic()
    time.sleep(seconds)
    idle = (_idle_seconds() - before) / (time.monotonic() - begun)
    return round(max(0.0, (os.cpu_count() or 1) - idle), 2)


def _idle_seconds() -> float:
    """Of all cores together since the boot; waiting for the disk is idle, too."""
    fields = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")


def our_versions(*packages: str) -> dict[str, str]:
    """Versions of packages in this environment; Realm's own first."""
    return {"realm": version("realm-hero"), **{name: version(name) for name in packages}}


def fresh_folder(name: str) -> Path:
    """An empty folder under `build/bench`, on the same disk as the project."""
    folder = BUILD / "bench" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
