"""10,000 small quests added and claimed by 4 processes at once: none lost, none twice, and how fast.

Beside it: the bare limit of the same disk (see workers/board.py for what it does), huey's file storage and
task-spooler's queue, which both promise nothing about a power cut.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import peers, rows
from benchmarks.common import Report, at_most, fresh_folder, our_versions
from benchmarks.contender import PYTHON, Contender, all_at_once
from realm_cli.founding import found
from realm_cli.quests import Board
from realm_cli.realm import Realm

PROCESSES = 4
PROFILED_QUESTS = 400
SPOOLED = 400
"""Every job that waits in task-spooler is a process that waits, and at about a thousand it takes no more."""
WITHIN = at_most(2.0)


def make_source(folder: Path, count: int) -> Path:
    """Quest files of one row each, all different."""
    source = folder / "source"
    source.mkdir()
    generator = random.Random(0)
    for number in range(count):
        rows.write(source / f"quest-{number:06d}.jsonl", [rows.chat_row(generator, (60, 60), (0.4, 0.4))])
    return source


@contextmanager
def workers(module: str, place: Path, source: Path, count: int, python: Path = PYTHON) -> Iterator[list[Contender]]:
    """Processes that share the files evenly, started and waiting."""
    share = -(-count // PROCESSES)
    started = [
        Contender(module, place, source, first, share, python=python, log=place.parent / f"{module}.log")
        for first in range(0, count, share)
    ]
    try:
        yield started
    finally:
        for contender in started:
            contender.close()


def timed(started: list[Contender], work: str) -> tuple[float, list[Any]]:
    """All processes do the same work at once; what earlier work left unwritten is on the disk before."""
    os.sync()
    return all_at_once(started, [{"do": work}] * len(started))


def checked(answers: list[dict[str, Any]], wanted: set[str], what: str) -> None:
    """None lost, none twice; anything else ends the benchmark."""
    ids = [quest for answer in answers for quest in answer["ids"]]
    if len(ids) != len(set(ids)) or set(ids) != wanted:
        raise SystemExit(f"{what}: {len(wanted)} quests, but {len(ids)} names of {len(set(ids))} different ones")


def realm_in(folder: Path, name: str) -> Realm:
    """A realm of its own for one measurement.

    It stays until all is measured: ext4 avoids what was deleted a moment ago, and looking for other inodes makes new
    files several times dearer.
    """
    number = 1 + sum(1 for _ in folder.glob(f"{name}-*"))
    realm, _ = found(folder / f"{name}-{number}")
    return realm


def limit_round(folder: Path, source: Path, count: int) -> dict[str, float]:
    realm = realm_in(folder, "limit")
    with workers("board", realm.root, source, count) as started:
        add, _ = timed(started, "limit_add")
        claim, _ = timed(started, "limit_claim")
    return {"add": add, "claim": claim}


def our_round(folder: Path, source: Path, count: int, work: str) -> dict[str, float]:
    """`work` is add or accept; then all is claimed."""
    realm = realm_in(folder, work)
    with workers("board", realm.root, source, count) as started:
        if work == "accept":
            timed(started, "prepare")
        add, answers = timed(started, work)
        ids = {record.id for record in Board(realm).records()}
        if len(ids) != count:
            raise SystemExit(f"{work}: {count} files, but {len(ids)} quests")
        checked(answers, ids, work)
        claim, answers = timed(started, "claim")
        checked(answers, ids, "claim")
    if len(Board(realm).files("processing")) != count:
        raise SystemExit("claim: not every data file is in queue/processing")
    return {work: add, "claim": claim}


def huey_round(folder: Path, source: Path, count: int) -> dict[str, float]:
    place = folder / "huey"
    place.mkdir()
    with workers("huey_queue", place, source, count, peers.python()) as started:
        add, _ = timed(started, "add")
        claim, answers = timed(started, "claim")
    if sum(answer["taken"] for answer in answers) != count:
        raise SystemExit("huey: some data was lost")
    return {"add": add, "claim": claim}


def spooler_round(folder: Path) -> float:
    """Jobs a second that 4 shells queue one by one, as its users do, behind a first job that does not end by itself."""
    environment = {**os.environ, "TS_SOCKET": str(folder / "tsp.socket"), "TMPDIR": str(folder)}
    subprocess.run(["tsp", "-n", "sleep", "infinity"], check=True, env=environment, stdout=subprocess.DEVNULL)
    loop = f"for n in $(seq {SPOOLED // PROCESSES}); do tsp -n true; done >/dev/null"
    begun = time.perf_counter()
    shells = [subprocess.Popen(["sh", "-c", loop], env=environment) for _ in range(PROCESSES)]
    failures = sum(shell.wait() for shell in shells)
    seconds = time.perf_counter() - begun
    # With the first job gone the others run and end; then the server may go.
    subprocess.run(["tsp", "-k"], check=True, env=environment)
    subprocess.run(["tsp", "-w"], check=True, env=environment)
    subprocess.run(["tsp", "-K"], check=True, env=environment)
    if failures:
        raise SystemExit("task-spooler refused a job")
    return SPOOLED / seconds


def measure(report: Report, folder: Path, count: int, rounds: int) -> None:
    """Limit and board in turns; ratio = our time over the limit's for the same number of quests."""
    source = make_source(folder, count)
    found_rounds: list[dict[str, float]] = []
    for _ in range(rounds):
        limit, ours = limit_round(folder, source, count), our_round(folder, source, count, "add")
        alone = our_round(folder, source, count, "accept")
        found_rounds.append(
            {"limit add": limit["add"], "limit claim": limit["claim"], "add": ours["add"], "accept": alone["accept"], "claim": ours["claim"]}
        )  # fmt: skip
    for name in found_rounds[0]:
        report.measured(name, [count / each[name] for each in found_rounds], "quests/s")
    for name, bare in (("add", "limit add"), ("accept", "limit add"), ("claim", "limit claim")):
        report.ratio(name, [each[name] / each[bare] for each in found_rounds], WITHIN)
    both = [(each["add"] + each["claim"]) / (each["limit add"] + each["limit claim"]) for each in found_rounds]
    report.ratio("add and claim", both, WITHIN)
    report.line("checked", f"{count:,} quests in every round: none lost, none twice")
    beside(report, folder, source, count)
    profiles(report, folder, source)


def beside(report: Report, folder: Path, source: Path, count: int) -> None:
    """The peers, once each."""
    huey = huey_round(folder, source, count)
    for name, seconds in huey.items():
        report.measured(f"huey {name}", [count / seconds], "items/s")
    if shutil.which("tsp"):
        report.measured("task-spooler add", [spooler_round(folder)], "jobs/s")
    else:
        report.line("task-spooler", "not installed; on Debian and Ubuntu: sudo apt-get install task-spooler")


def profiles(report: Report, folder: Path, source: Path) -> None:
    """Where the time of one process alone goes."""
    realm = realm_in(folder, "profile")
    report.data["profile"] = {}
    with workers("board", realm.root, source, PROFILED_QUESTS) as started:
        for work in ("add", "claim"):
            answer = started[0].ask(do="profile", work=work)
            report.data["profile"][work] = answer["rows"]
            total = answer["seconds"]
            report.line(f"profile of {work}", f"{total * 1e6 / PROFILED_QUESTS * PROCESSES:,.0f} µs a quest, of these:")
            for row in answer["rows"]:
                report.line("", f"{100 * row['seconds'] / total:5.1f} %  {row['calls']:>6} x  {row['what']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quests", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    report = Report("board", "quests a second, 4 processes at once, beside what the disk allows")
    spooler = {"task-spooler": _spooler_version()} if shutil.which("tsp") else {}
    report.versions(**our_versions("msgspec"), **spooler, huey=_huey_version())
    report.settings(quests=given.quests, processes=PROCESSES, rounds=given.rounds, inspection="quick")
    folder = fresh_folder("board")
    measure(report, folder, given.quests, given.rounds)
    report.write()
    shutil.rmtree(folder)


def _spooler_version() -> str:
    told = subprocess.run(["tsp", "-V"], capture_output=True, text=True, check=True)
    return told.stdout.split()[2].removeprefix("v")


def _huey_version() -> str:
    line = "import importlib.metadata as m; print(m.version('huey'))"
    return subprocess.run([peers.python(), "-c", line], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
