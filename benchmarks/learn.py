"""How fast dio-mini climbs the levels of BIN from random weights: real battles that forge, evals and saves included.

A seed is a hero of its own: other weights, and other quests, since these depend on the hero's name. Seconds count from
the end of the battle's first step to the writing of each mastery.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.common import Report, Target, at_most, fresh_folder, our_versions
from realm_arena import metrics
from realm_cli import skillstate, status
from realm_cli.founding import found
from realm_cli.realm import Realm

SKILL = "bin"
TARGETS = {1: (30, 15), 3: (180, 60), 5: (1200, 480)}
"""Level → seconds to master it: target and goal."""

TRIED = {
    "2 layers, 2e-3, decay": "level 3 at step 5,125, 4 at 9,625; level 5 at 78 % after 21,900 (one seed, one thread)",
    "3 layers, 2e-3, decay (chosen)": "level 3 at step 3,750, 4 at 9,875, 5 at 14,125 (one seed, one thread)",
    "2 layers, 1e-3, operations drawn evenly": "level 5 at step 12,000, but with 3 of 9 differences right: too cheap",
    "no rows from the levels above": "model of the loop: 44 % at level 4 after 6,000 steps, 57 % with them",
    "40 % of the rows from above at level 5": "level 5 rose more slowly: the tagged rows of level 6 are long",
    "25 % from above at levels 1 and 2": "model of the loop: level 2 not by step 2,600 instead of at 1,300",
    "Muon": "model of the loop: a third fewer steps to level 3, but 1.9 times the time a step",
    "initial spread 0.06, rope_theta 100, beta2 0.99": "model of the loop: no gain beyond that of a seed",
    "35 % rows with [verify]": "model of the loop: levels 1 and 2 as soon, less accurate afterwards",
}
"""What else was tried, and what came of it; one seed each."""


def realm_for(folder: Path, seed: int, threads: int | None) -> Realm:
    """A realm whose active hero is dio-mini with the weights of that seed."""
    realm, _ = found(folder / f"seed{seed}")
    text = (realm.heroes / "dio-mini.yaml").read_text(encoding="utf-8")
    (realm.heroes / f"mini-{seed}.yaml").write_text(
        text.replace("model_name: dio-mini", f"model_name: mini-{seed}").replace("  seed: 0", f"  seed: {seed}"),
        encoding="utf-8",
    )
    config = realm.config_file.read_text(encoding="utf-8").replace("hero: dio-mini", f"hero: mini-{seed}")
    if threads is not None:
        config = config.replace("threads: null", f"threads: {threads}")
    realm.config_file.write_text(config, encoding="utf-8")
    return Realm(realm.root)


def play(realm: Realm, until: int, minutes: float) -> float:
    """A battle that forges until a level is in training or the time is over; when its first step ended, since 1970."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REALM_")}
    line = [sys.executable, "-m", "realm_cli", "--realm", str(realm.root), "battle", "start", "-q", "--forge"]
    process = subprocess.Popen([*line, "--until", f"{SKILL}={until}"], env=environment)
    first, deadline = 0.0, time.monotonic() + 60 * minutes
    while process.poll() is None:
        if not first:
            first = next((row["t"] for row in metrics.read(metrics.path_of(realm, realm.config.hero))), 0.0)
        if time.monotonic() > deadline:
            process.terminate()
            process.wait()
        time.sleep(0.5)
    if process.returncode:
        raise SystemExit(f"the battle ended with {process.returncode}; see {realm.logs}")
    return first


def climbed(realm: Realm, first: float) -> dict[int, dict[str, Any]]:
    """Level → seconds since the first step, step, accuracy and interval of its mastery."""
    state = skillstate.read(realm, realm.config.hero, SKILL)
    return {
        mastery.level: {
            "seconds": datetime.fromisoformat(mastery.at).timestamp() - first, "step": mastery.step,
            "accuracy": mastery.accuracy, "interval": mastery.interval,
        }
        for mastery in (state.mastered if state else [])
    }  # fmt: skip


def curve(realm: Realm) -> dict[int, list[tuple[int, float]]]:
    """Level → (step, accuracy) of every eval that counts."""
    found_points: dict[int, list[tuple[int, float]]] = {}
    for line in skillstate.lines(realm, realm.config.hero, SKILL):
        if line.state == "ok":
            found_points.setdefault(line.level, []).append((line.step, round(line.accuracy, 3)))
    return found_points


def tell(report: Report, seed: int, realm: Realm, levels: dict[int, dict[str, Any]]) -> None:
    """One seed's climb, with its curves and what else its battle did with the time."""
    said = status.read(realm)
    for level, facts in levels.items():
        report.line(
            f"seed {seed}, level {level}", f"{facts['seconds']:,.1f} s, step {facts['step']:,}, {facts['accuracy']:.0%}"
        )
    curves = curve(realm)
    for level, points in curves.items():
        report.line(f"  curve of level {level}", " ".join(f"{100 * accuracy:.0f}" for _, accuracy in points[-40:]))
    last = {level: points[-1][1] for level, points in curves.items()}
    report.line(
        f"seed {seed} at the end", ", ".join(f"level {level} {accuracy:.0%}" for level, accuracy in last.items())
    )
    beside = (said.callback_s, said.saving_s) if said else (0.0, 0.0)
    report.line(f"seed {seed} beside steps", f"{beside[0]:.1f} s evals and forging, {beside[1]:.1f} s saving")
    report.data.setdefault("climbs", {})[seed] = {
        "levels": levels, "curves": curves, "last": last, "callback_s": beside[0], "saving_s": beside[1],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--until", type=int, default=6, help="end when this level is in training")
    parser.add_argument("--minutes", type=float, default=20, help="end a seed that takes longer")
    parser.add_argument("--threads", type=int, help="CPU threads of the battle (default: all)")
    given = parser.parse_args()
    report = Report(
        "learn", "seconds to master levels of BIN from random weights with dio-mini, evals and saves included"
    )
    report.versions(**our_versions("torch", "transformers"))
    report.settings(seeds=given.seeds, until=given.until, minutes=given.minutes, threads=given.threads or "all")
    folder, climbs = fresh_folder("learn"), []
    for seed in range(given.seeds):
        realm = realm_for(folder, seed, given.threads)
        climbs.append(climbed(realm, play(realm, given.until, given.minutes)))
        tell(report, seed, realm, climbs[-1])
    for level in range(1, given.until):
        target: Target | None = at_most(TARGETS[level][0]) if level in TARGETS else None
        seconds = [climb[level]["seconds"] if level in climb else float("inf") for climb in climbs]
        report.measured(f"level {level} mastered", seconds, "s", target)
        if level in TARGETS:
            report.line(f"  goal of level {level}", f"{TARGETS[level][1]} s")
    for variant, outcome in TRIED.items():
        report.line(f"tried: {variant}", outcome)
    report.data["tried"] = TRIED
    report.write()


if __name__ == "__main__":
    main()
