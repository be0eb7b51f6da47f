"""What sparring buys: accuracy on unseen problems with and without it after the same number of trained tokens.

A seed is a hero of its own: other weights, other quests. It learns an open level for a while; then its realm is copied,
and both copies go on in rounds of equal trained tokens: one with fresh problems alone, one with a sparring of its newest
checkpoint in each round and fresh problems for the rest of the tokens. After each round both are examined on the same
problems of the eval split, which neither has seen. What is compared is the mean of the later half of the rounds: early
in its learning a hero's accuracy jumps by more from round to round than sparring changes it.

Two heroes learn at once, each on one thread, so that three seeds take some 20 minutes on two cores. The figures do not
depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import psutil

from benchmarks.common import Report, fresh_folder, our_versions
from benchmarks.learn import realm_for
from realm_bin.skill import BinSkill
from realm_cli.ledger import Ledger
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.skills import is_closed

SKILL = "bin"
EVAL_SIZE = 1000
ARMS = ("without", "with")
AT_ONCE = 2


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
    if sparred >= budget:
        raise SystemExit(
            f"sparring alone has {sparred} trained tokens of {budget}: ask for more --rows, or fewer --problems"
        )
    fresh = train(at, level, round((budget - sparred) / per_row), seed)
    (result,) = realm(at, "skill", "eval", SKILL, "--level", level, "--json")
    return {
        "accuracy": result["accuracy"], "sparring_tokens": sparred, "fresh_tokens": fresh, "rows": run.get("rows"),
        "wrong": run.get("wrong"), "asked": run.get("asked"), "step": Ledger(at).get_latest().step,
    }  # fmt: skip


def base_of(folder: Path, seed: int, given: argparse.Namespace) -> tuple[Realm, float]:
    """(the realm of a hero that has learned for a while, trained tokens of one row)."""
    base = realm_for(folder, seed, 1)
    path = base.skills / f"{SKILL}.yaml"
    text = path.read_text(encoding="utf-8").replace("size: 50 ", f"size: {EVAL_SIZE} ")
    if f"size: {EVAL_SIZE} " not in text:
        raise SystemExit(f"{path} has no line `size: 50` for evals")
    path.write_text(text, encoding="utf-8")
    return base, train(base, given.level, given.before, seed=10_000 + seed) / given.before


def go_on(base: Realm, per_row: float, seed: int, arm: str, given: argparse.Namespace) -> list[dict[str, Any]]:
    """One arm of one seed, round by round."""
    at = Realm(base.root.with_name(f"seed{seed}-{arm}"))
    shutil.copytree(base.root, at.root, symlinks=True)
    problems = given.problems if arm == "with" else 0
    return [
        one_round(at, given.level, round(given.rows * per_row), per_row, 1_000 * (seed + 1) + number, problems)
        for number in range(given.rounds)
    ]


def run_all(folder: Path, given: argparse.Namespace) -> dict[int, dict[str, list[dict[str, Any]]]]:
    """Every seed's arms, as many at once as there are cores for."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        bases = list(pool.map(lambda seed: base_of(folder, seed, given), range(given.seeds)))
        rounds = {
            (seed, arm): pool.submit(go_on, *bases[seed], seed, arm, given)
            for seed in range(given.seeds)
            for arm in ARMS
        }
        return {seed: {arm: rounds[seed, arm].result() for arm in ARMS} for seed in range(given.seeds)}


def later(rounds: list[dict[str, Any]]) -> float:
    """Mean accuracy of the later half of the rounds, in percent."""
    accuracies: list[float] = [one["accuracy"] for one in rounds[len(rounds) // 2 :]]
    return 100 * statistics.mean(accuracies)


def by_chance(seeds: dict[int, dict[str, list[dict[str, Any]]]]) -> float:
    """The standard error of the mean gain, in points, from the number of problems alone."""
    shares = [later(rounds) / 100 for arms in seeds.values() for rounds in arms.values()]
    problems = EVAL_SIZE * len(range(len(seeds[0][ARMS[0]]) // 2, len(seeds[0][ARMS[0]])))
    return 100 * math.sqrt(sum(share * (1 - share) / problems for share in shares)) / len(seeds)


def end(number: int, _: object) -> NoReturn:
    """End the battles, too: each saves first."""
    for child in psutil.Process().children(recursive=True):
        child.terminate()
    os._exit(128 + number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--level", type=int, default=5, help="an open one (5 or more), so that evals are unseen")
    parser.add_argument("--before", type=int, default=48_000, help="fresh rows before the realm is copied")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--rows", type=int, default=3_000, help="fresh rows whose trained tokens a round has")
    parser.add_argument("--problems", type=int, default=100, help="problems of each sparring")
    given = parser.parse_args()
    if is_closed(BinSkill(), given.level):
        parser.error(f"level {given.level} is closed: training has all of its problems, so none is unseen")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    report = Report("sparring", f"accuracy on unseen problems of BIN level {given.level} after the same trained tokens")
    report.versions(**our_versions("torch", "transformers"))
    report.settings(**vars(given))
    seeds = run_all(fresh_folder("sparring"), given)
    for seed, arms in seeds.items():
        for arm, rounds in arms.items():
            sparred = sum(one["sparring_tokens"] for one in rounds)
            tokens = sparred + sum(one["fresh_tokens"] for one in rounds)
            curve = " ".join(f"{100 * one['accuracy']:.0f}" for one in rounds)
            report.line(
                f"seed {seed}, {arm}", f"{curve} %; {tokens:,} trained tokens, {sparred / tokens:.0%} of sparring"
            )
    report.data["seeds"] = seeds
    for arm in ARMS:
        report.measured(f"accuracy {arm} sparring", [later(arms[arm]) for arms in seeds.values()], "%")
    report.measured("gain by chance", [by_chance(seeds)], "points (one standard error of the mean gain)")
    report.measured(
        "gain by sparring", [later(arms["with"]) - later(arms["without"]) for arms in seeds.values()], "points"
    )
    report.write()


if __name__ == "__main__":
    main()
