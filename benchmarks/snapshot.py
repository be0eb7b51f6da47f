"""The watchtower's snapshot of a realm with 10,000 quests and 1,000 checkpoints, in a process that has looked before,
beside a plain listing of the folders that it is about.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import bigrealm
from benchmarks.common import Report, at_most, fresh_folder, our_versions
from realm_cli.manager import Manager
from realm_cli.quests import STATES
from realm_cli.realm import Realm
from realm_cli.watchtower import gaze

MOST_MS = 50.0


def milliseconds(work: Callable[[], object]) -> float:
    """How long it takes once."""
    begun = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begun)


def folders(realm: Realm) -> list[Path]:
    """What a snapshot tells about."""
    queues = [realm.queue / state for state in STATES]
    return [*queues, realm.inbox, realm.ledger / realm.config.hero, realm.pending_evals, realm.skill_states]


def listed(realm: Realm) -> int:
    """A plain listing of all of it."""
    return sum(len(os.listdir(folder)) for folder in folders(realm) if folder.is_dir())


def changed(realm: Realm) -> None:
    """One quest moves: the folders that it leaves and reaches are new to everybody who looks."""
    name = min(os.listdir(realm.queue / "low"))
    os.rename(realm.queue / "low" / name, realm.queue / "high" / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quests", type=int, default=10_000)
    parser.add_argument("--checkpoints", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=30)
    chosen = parser.parse_args()
    report = Report("snapshot", "the watchtower's snapshot of a realm with a long history, warm")
    report.versions(**our_versions("msgspec"))
    report.settings(quests=chosen.quests, checkpoints=chosen.checkpoints, rounds=chosen.rounds)
    realm = bigrealm.make(
        fresh_folder("snapshot") / "realm", quests=chosen.quests, checkpoints=chosen.checkpoints, rows=1000
    )
    manager = Manager.of(realm)
    report.measured("first look", [milliseconds(lambda: gaze(realm, manager))], "ms")
    warm, moved, plain = [], [], []
    for _ in range(chosen.rounds):
        plain.append(milliseconds(lambda: listed(realm)))
        warm.append(milliseconds(lambda: gaze(realm, manager)))
        changed(realm)
        moved.append(milliseconds(lambda: gaze(realm, manager)))
    report.measured("plain listing", plain, "ms")
    report.measured("warm snapshot", warm, "ms", at_most(MOST_MS))
    report.measured("snapshot after a move", moved, "ms", at_most(MOST_MS))
    report.ratio("warm snapshot to plain listing", [ours / theirs for ours, theirs in zip(warm, plain, strict=True)])
    report.write()


if __name__ == "__main__":
    main()
