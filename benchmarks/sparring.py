"""What sparring buys: accuracy with and without it after the same number of trained tokens.

A seed is a hero of its own. It learns one level for a while; then its realm is copied, and both copies go on in rounds of
equal trained tokens: one with fresh problems alone, one with a sparring of its newest checkpoint in each round and
fresh problems for the rest of the tokens. After each round both are examined on the same set.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.common import Report, fresh_folder, our_versions
from benchmarks.learn import realm_for
from realm_cli.ledger import Ledger
from realm_cli.quests import Board
from realm_cli.realm import Realm

SKILL = "bin"
EVAL_SIZE = 200
ARMS = ("without", "with")


def realm(at: Realm, *args: object) -> Any:
    """One `realm` line with `--json`, decoded."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REALM_")}
    line = [sys.executable, "-m", "realm_cli", "--realm", str(at.root), *map(str, args)]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"realm {' '.join(map(str, args))} ended with {done.returncode}: {done.stderr[-1000:]}")
    return json.loads(done.stdout) if "--json" in args else None


def trained_tokens(at: Realm, quest: str) -> int:
    """Trained tokens of a quest."""
    return Board(at).record(quest).trained_tokens if quest else 0


def train(at: Realm, level: int, rows: int, seed: int) -> int:
    """Train what is queued and so many fresh rows; the trained tokens of the fresh ones."""
    (quest,) = realm(
        at, "quest", "forge", "--skill", SKILL, "--level", level, "--count", rows, "--seed", seed, "--json"
    )
    realm(at, "battle", "start", "-q", "--until-empty")
    return trained_tokens(at, quest["id"])


def one_round(at: Realm, level: int, budget: int, per_row: float, seed: int, problems: int) -> dict[str, Any]:
    """A round of about `budget` trained tokens, `problems` of sparring in it; what it was made of."""
    run = (
        realm(at, "spar", "run", "--skill", SKILL, "--level", level, "--count", problems, "--json") if problems else {}
    )
    sparred = trained_tokens(at, run.get("quest", ""))
    fresh = train(at, level, max(1, round((budget - sparred) / per_row)), seed)
    (result,) = realm(at, "skill", "eval", SKILL, "--level", level, "--json")
    return {
        "accuracy": result["accuracy"], "sparring_tokens": sparred, "fresh_tokens": fresh,
        "wrong": run.get("wrong"), "asked": run.get("asked"), "step": Ledger(at).get_latest().step,
    }  # fmt: skip


def compare(folder: Path, seed: int, given: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Both arms of one seed, round by round."""
    base = realm_for(folder, seed, given.threads)
    path = base.skills / f"{SKILL}.yaml"
    text = path.read_text(encoding="utf-8").replace("size: 50 ", f"size: {EVAL_SIZE} ")
    path.write_text(text, encoding="utf-8")
    per_row = train(base, given.level, given.before, seed=10_000 + seed) / given.before
    arms: dict[str, list[dict[str, Any]]] = {}
    for arm in ARMS:
        at = Realm(folder / f"seed{seed}-{arm}")
        shutil.copytree(base.root, at.root, symlinks=True)
        problems = given.problems if arm == "with" else 0
        arms[arm] = [
            one_round(at, given.level, round(given.rows * per_row), per_row, 1_000 * seed + number, problems)
            for number in range(given.rounds)
        ]
    return arms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--level", type=int, default=2)
    parser.add_argument("--before", type=int, default=8000, help="fresh rows before the realm is copied")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--rows", type=int, default=2000, help="fresh rows whose trained tokens a round has")
    parser.add_argument("--problems", type=int, default=100, help="problems of each sparring")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    report = Report("sparring", f"accuracy at BIN level {given.level} after the same number of trained tokens")
    report.versions(**our_versions("torch", "transformers"))
    report.settings(**vars(given))
    folder, last = fresh_folder("sparring"), dict[str, list[float]]()
    for seed in range(given.seeds):
        arms = compare(folder, seed, given)
        for arm, rounds in arms.items():
            tokens = sum(one["sparring_tokens"] + one["fresh_tokens"] for one in rounds)
            curve = " ".join(f"{100 * one['accuracy']:.0f}" for one in rounds)
            share = sum(one["sparring_tokens"] for one in rounds) / tokens
            report.line(f"seed {seed}, {arm}", f"{curve} %; {tokens:,} trained tokens, {share:.0%} of sparring")
            last.setdefault(arm, []).append(rounds[-1]["accuracy"])
        report.data.setdefault("seeds", {})[seed] = arms
    for arm in ARMS:
        report.measured(f"accuracy {arm} sparring", [100 * accuracy for accuracy in last[arm]], "%")
    gains = [100 * (one - other) for one, other in zip(last["with"], last["without"], strict=True)]
    report.measured("gain by sparring", gains, "points")
    report.write()


if __name__ == "__main__":
    main()
