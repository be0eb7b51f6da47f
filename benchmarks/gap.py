"""The time between two quests in which nothing is trained, and the memory of a battle, with dio-mini on the CPU.

From a real `realm battle start --until-empty`: the metrics tell when each step ended, so the gap is the time from the
last step of a quest to the first of the next, less what that step itself takes. Events tell how it is made up.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import rows
from benchmarks.common import Report, at_most, fresh_folder, our_versions
from realm_arena import metrics
from realm_cli import intake, store
from realm_cli.founding import found
from realm_cli.manager import Manager
from realm_cli.realm import Realm

SAMPLES = 320
"""Of each quest: 20 steps."""
Row = dict[str, Any]


def fight(realm: Realm) -> float:
    """Train the whole board in a process of its own; returns its peak memory in megabytes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REALM_")}
    line = [sys.executable, "-m", "realm_cli", "--realm", str(realm.root), "battle", "start", "--until-empty", "-q"]
    process = subprocess.Popen(line, env=environment)
    _, code, usage = os.wait4(process.pid, 0)
    if code:
        raise SystemExit(f"the battle ended with {os.waitstatus_to_exitcode(code)}; see {realm.logs}")
    return usage.ru_maxrss * 1024 / 1e6


def quests_of(found_rows: list[Row]) -> list[list[Row]]:
    """The rows of each quest, in the order of the battle."""
    quests: list[list[Row]] = []
    for row in found_rows:
        if not quests or quests[-1][0]["quest"] != row["quest"]:
            quests.append([])
        quests[-1].append(row)
    return quests


def step_seconds(quest: list[Row]) -> float:
    """What a step of this quest takes; its first one has no time of its own in the metrics."""
    return float(statistics.median(row["s"] for row in quest if row["s"] is not None))


def ends(realm: Realm, name: str) -> list[float]:
    """When each event of a name happened, in seconds since 1970."""
    times = [line["time"] for line in store.read_lines(realm.events) if line["name"] == name]
    return [datetime.fromisoformat(time).timestamp() for time in times]


def tell(report: Report, realm: Realm, quests: list[list[Row]]) -> None:
    """The gaps and their parts, in milliseconds."""
    saved, done = ends(realm, "checkpoint_saved"), ends(realm, "quest_done")
    parts: dict[str, list[float]] = {"gap": [], "saving": [], "filing": [], "next quest": []}
    for number, (quest, following) in enumerate(zip(quests, quests[1:], strict=False)):
        last, first = quest[-1]["t"], following[0]["t"] - step_seconds(following)
        parts["gap"].append(first - last)
        parts["saving"].append(saved[number] - last)
        parts["filing"].append(done[number] - saved[number])
        parts["next quest"].append(first - done[number])
    report.measured("step", [1000 * step_seconds(quest) for quest in quests], "ms")
    for name, seconds in parts.items():
        report.measured(name, [1000 * each for each in seconds], "ms", at_most(100) if name == "gap" else None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quests", type=int, default=12)
    given = parser.parse_args()
    report = Report("gap", "time between two quests without training, and memory of the battle, with dio-mini")
    report.versions(**our_versions("torch", "transformers"))
    folder = fresh_folder("gap")
    realm, _ = found(folder / "realm")
    report.settings(hero=realm.config.hero, quests=given.quests, samples=SAMPLES)
    files: list[Path] = [
        rows.write(folder / f"quest-{seed}.jsonl", rows.training_rows(SAMPLES, seed)) for seed in range(given.quests)
    ]
    intake.add_files(realm, Manager.of(realm), files)
    memory = fight(realm)
    quests = quests_of(metrics.read(metrics.path_of(realm, realm.config.hero)))
    if len(quests) != given.quests:
        raise SystemExit(f"{given.quests} quests were queued, but the metrics tell of {len(quests)}")
    tell(report, realm, quests)
    report.measured("battle's peak memory", [memory], "MB", at_most(1500))
    report.write()


if __name__ == "__main__":
    main()
