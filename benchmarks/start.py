"""Wall time of `realm status` beside a Python that only imports what any command needs.

On a fresh realm, and on one with 10,000 finished quests and 1,000 checkpoints. After a miss the dearest imports are told.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.common import Report, at_most, fresh_folder, our_versions
from realm_cli import checkpoints, journal, status, store
from realm_cli.checkpoint_records import LedgerRecord, ManifestRecord, QuestShare
from realm_cli.founding import found
from realm_cli.process import this_process
from realm_cli.realm import Realm
from realm_cli.records import (
    BoardRecord,
    InspectionRecord,
    JournalRecord,
    QuestRecord,
    TrainingStatus,
    now,
)

BASELINE = (sys.executable, "-c", "import click, pluggy, yaml, importlib.metadata")
REALM = str(Path(sys.executable).with_name("realm"))
STEPS_APART = 1000
DEAREST = 12


def fill(realm: Realm, quests: int, saves: int) -> None:
    """Give a realm the files of a long life: quests that are done, checkpoints with their ledger, a battle that stopped."""
    for number in range(1, quests + 1):
        _finished_quest(realm, number, quests)
    store.write_record(realm.board_counter, BoardRecord(last_number=quests))
    for number in range(1, saves + 1):
        _checkpoint(realm, number * STEPS_APART)
    hero, step = realm.config.hero, saves * STEPS_APART
    ended = TrainingStatus(
        state="stopped", reason="stopped by request", hero=hero, step=step, loss=0.01, smoothed_loss=0.01,
        process=msgspec.structs.replace(this_process(), started="an-earlier-boot:1"), heartbeat=now(),
    )  # fmt: skip
    status.write(realm, ended)


def _finished_quest(realm: Realm, number: int, quests: int) -> None:
    sha256 = hashlib.sha256(str(number).encode()).hexdigest()
    quest, name, moment, step = sha256[:12], f"bin-level-2-{number}.jsonl", now(), number * 100
    record = QuestRecord(
        id=quest, name=name, sha256=sha256, number=number, size=60_000, samples=500, tokens=15_000,
        trained_tokens=6_000, skill="bin", level=2, source="forge", added_at=moment, attempts=1, outcome="completed",
        ended_at=moment, ended_step=step,
    )  # fmt: skip
    store.write_record(realm.quest_records / f"{quest}.json", record)
    store.write_record(realm.reports / f"{quest}.json", InspectionRecord(depth="standard", samples=500))
    entry = JournalRecord(
        entry=journal.QUEST_END, time=moment, hero=realm.config.hero, step=step, quest=quest, outcome="completed",
        facts={"name": name, "sha256": sha256, "samples": 500, "attempt": 1},
    )  # fmt: skip
    # The journal as the battle writes it, but not durable: ten thousand fsyncs would only cost time here.
    store.append_line(realm.journal, entry.to_dict())
    if quests - number < realm.config.board.keep_completed:
        (realm.completed / f"{number:08d}.{quest}.{name}").write_text("{}\n", encoding="utf-8")


def _checkpoint(realm: Realm, step: int) -> None:
    hero, name = realm.config.hero, checkpoints.canonical_name(step)
    folder = realm.hero_folder(hero) / name
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"")
    store.write_record(folder / checkpoints.MANIFEST, ManifestRecord(name=name, created_at=now(), files={}))
    shares = [QuestShare(f"{step:012x}", "bin-level-2.jsonl", "0" * 64, 500, True)]
    entry = LedgerRecord(
        hero=hero, step=step, canonical_name=name, weights_sha256="0" * 64, created_at=now(), train_loss=0.01,
        val_loss=0.02, quests=shares,
    )  # fmt: skip
    path = realm.ledger / hero / f"{step}.json"
    path.parent.mkdir(exist_ok=True)
    store.write_record(path, entry)


def seconds(command: Sequence[str], environment: dict[str, str]) -> float:
    """Wall time of one command, its output thrown away."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - begun


def import_times(command: Sequence[str], environment: dict[str, str]) -> dict[str, int]:
    """Module → microseconds that its own code took to load, as `-X importtime` tells."""
    told = subprocess.run(
        [sys.executable, "-X", "importtime", *command], check=True, capture_output=True, text=True, env=environment
    )
    return {name: int(own) for own, name in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", told.stderr)}


def dear_imports(command: Sequence[str], environment: dict[str, str]) -> list[str]:
    """The dearest modules that `realm status` loads and the baseline does not."""
    known = import_times(BASELINE[1:], environment)
    found_times = {name: own for name, own in import_times(command, environment).items() if name not in known}
    total = sum(found_times.values())
    dearest = sorted(found_times, key=lambda name: -found_times[name])[:DEAREST]
    return [f"all {total / 1000:.1f} ms", *(f"{name} {found_times[name] / 1000:.1f} ms" for name in dearest)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--quests", type=int, default=10_000)
    parser.add_argument("--checkpoints", type=int, default=1_000)
    given = parser.parse_args()
    report = Report(
        "start", "wall time of `realm status` beside a Python that imports click, pluggy, yaml and metadata"
    )
    report.versions(python=sys.version.split()[0], **our_versions("click", "pluggy", "pyyaml", "msgspec"))
    report.settings(rounds=given.rounds, quests=given.quests, checkpoints=given.checkpoints)
    folder = fresh_folder("start")
    fresh, _ = found(folder / "fresh")
    full, _ = found(folder / "full")
    fill(full, given.quests, given.checkpoints)
    # Without its compiled modules, which an installed Realm has, Python would translate it anew each time.
    left_out = ("REALM_", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    lines = {
        "baseline": BASELINE,
        "fresh": (REALM, "--realm", str(fresh.root), "status"),
        "full": (REALM, "--realm", str(full.root), "status"),
    }
    for line in lines.values():
        seconds(line, environment)
    times: dict[str, list[float]] = {name: [] for name in lines}
    for _ in range(given.rounds):
        for name, line in lines.items():
            times[name].append(seconds(line, environment))
    for name, values in times.items():
        report.measured(f"{name} ms", [1000 * value for value in values], "ms")
    for name, target in (("fresh", at_most(1.5)), ("full", at_most(3.0))):
        report.ratio(name, [a / b for a, b in zip(times[name], times["baseline"], strict=True)], target)
    if not all(report.data["reached"].values()):
        report.data["dear_imports"] = dear_imports(lines["fresh"], environment)
        report.line("dear imports", ", ".join(report.data["dear_imports"]))
    report.write()


if __name__ == "__main__":
    main()
