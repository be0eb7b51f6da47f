"""QUICK inspection: megabytes of chat rows a second on one core, and the memory for a small and a 2 GB file.

The rate is over the processor time of the inspecting process. (Not called inspect.py: Python puts the folder of a
script first on its path, and everything imports `inspect`.)
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from benchmarks import rows
from benchmarks.common import Report, at_least, at_most, fresh_folder, our_versions
from benchmarks.contender import Contender
from realm_cli.founding import found
from realm_cli.realm import Realm

MB = 1_000_000
BLOCK_ROWS = 2_000
SHAPES = {"long rows": (3, (60, 360)), "short rows": (1, (20, 60))}
"""Most turns of a row, and the letters of a message: about a kilobyte, and what a forged quest's rows have."""
FLAT = at_most(1.1)


def chat_block(shape: str) -> bytes:
    """Different chat rows, a tenth of them with letters outside ASCII."""
    generator = random.Random(0)
    turns, letters = SHAPES[shape]
    lines = []
    for number in range(BLOCK_ROWS):
        messages = []
        for _ in range(generator.randint(1, turns)):
            for role in ("user", "assistant"):
                messages.append({"role": role, "content": rows.words(generator, generator.randint(*letters))})
        if number % 10 == 0:
            messages[0]["content"] += " größer als ①⓪①?"
        lines.append(json.dumps({"messages": messages, "id": number}, ensure_ascii=False))
    return "".join(line + "\n" for line in lines).encode()


def make_file(path: Path, size: int, shape: str) -> int:
    """A file of `size` bytes or a little more; returns its size."""
    block, written = chat_block(shape), 0
    with open(path, "wb") as file:
        while written < size:
            written += file.write(block)
    return written


def measure_speed(report: Report, realm: Realm, folder: Path, size: int, shape: str, rounds: int) -> None:
    """Inspection and bare reading of lines in turns, in one process."""
    file = folder / "chat.jsonl"
    written = make_file(file, size, shape)
    worker = Contender("quick", realm.root, file, log=folder / "quick.log")
    rates: dict[str, list[float]] = {"inspect": [], "lines": []}
    worker.ask(do="inspect")
    for _ in range(rounds):
        for work, found_rates in rates.items():
            answer = worker.ask(do=work)
            if answer.get("errors"):
                raise SystemExit("the generated rows were refused")
            found_rates.append(written / MB / answer["cpu"])
    worker.close()
    report.line(shape, f"{written:,} bytes, {answer['samples']:,} rows of {written / answer['samples']:.0f} bytes")
    report.measured(f"quick, {shape}", rates["inspect"], "MB/s a core", at_least(150))
    report.measured(f"lines, {shape}", rates["lines"], "MB/s a core (bare reading)")
    file.unlink()


def measure_memory(report: Report, realm: Realm, folder: Path, size: int) -> None:
    """Peak memory of a process that inspects a small file and of one that inspects the large one."""
    peaks = {}
    for name, bytes_wanted in (("small", 20 * MB), ("large", size)):
        file = folder / f"{name}.jsonl"
        written = make_file(file, bytes_wanted, "long rows")
        worker = Contender("quick", realm.root, file, log=folder / "quick.log")
        answer = worker.ask(do="inspect")
        worker.close()
        file.unlink()
        peaks[name] = answer["peak"]
        report.measured(f"peak memory {name}", [answer["peak"] / MB], f"MB for {written / MB:,.0f} MB of rows")
    report.ratio("memory", [peaks["large"] / peaks["small"]], FLAT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mb", type=int, default=200, help="size of the file for the rate")
    parser.add_argument("--memory-mb", type=int, default=2_000, help="size of the file for the memory; 0 leaves it out")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    report = Report("inspection", "QUICK inspection of chat rows")
    report.versions(**our_versions("msgspec"))
    folder = fresh_folder("inspection")
    realm, _ = found(folder / "realm")
    report.settings(megabytes=given.mb, rounds=given.rounds)
    for shape in SHAPES:
        measure_speed(report, realm, folder, given.mb * MB, shape, given.rounds)
    if given.memory_mb:
        measure_memory(report, realm, folder, given.memory_mb * MB)
    report.write()


if __name__ == "__main__":
    main()
