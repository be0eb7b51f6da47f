"""TensorBoard beside the Tavern on the same losses: from the start to the curve, an answer, bytes, memory, idle CPU.

Both are real processes on loopback ports, asked by the same client without compression. TensorBoard is given the loss
alone; the Tavern serves its whole realm meanwhile. Memory and CPU count the processes that TensorBoard starts itself.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import time
from pathlib import Path

from benchmarks import peers
from benchmarks.common import ROOT, Report
from realm_cli import services
from realm_cli.realm import Realm

CURVE = "/data/plugin/scalars/scalars?run=.&tag=loss"
LIMIT_SECONDS = 300
ASSET = re.compile(r'(?:src|href)="\.?/?([^"]+\.(?:js|css|svg|png)[^"]*)"')


def family(pid: int) -> list[int]:
    """A process with its children and theirs."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except FileNotFoundError:  # it ended meanwhile
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def cpu_seconds(pid: int) -> float:
    """Of the family, so far."""
    fields = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in family(pid)]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def peak_memory(pid: int) -> float:
    """MB of the family, each process at its highest."""
    texts = [Path(f"/proc/{one}/status").read_text() for one in family(pid)]
    return sum(int(re.findall(r"VmHWM:\s+(\d+)", text)[0]) for text in texts) / 1024


class Dashboard:
    """A server that shows a loss curve, started now."""

    def __init__(self, line: list[str], curve: str, ready: bytes, missing: bytes) -> None:
        self.begun = time.monotonic()
        self.curve, self._ready, self._missing = curve, ready, missing
        self.process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)

    def port(self) -> int | None:
        """Where it listens, once that is known."""
        raise NotImplementedError

    def get(self, path: str) -> tuple[int, bytes]:
        self.client.request("GET", path)
        answer = self.client.getresponse()
        return answer.status, answer.read()

    def until_curve(self) -> float:
        """Seconds from the start to the whole curve."""
        while time.monotonic() - self.begun < LIMIT_SECONDS:
            if self.process.poll() is not None:
                raise SystemExit(f"{self.process.args!r} ended with {self.process.returncode}")
            port = self.port()
            try:
                if port is not None:
                    self.client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                    code, body = self.get(self.curve)
                    if code == 200 and self._ready in body and not (self._missing and self._missing in body):
                        return time.monotonic() - self.begun
            except (ConnectionError, http.client.HTTPException):
                pass  # not open yet
            time.sleep(0.05)
        raise SystemExit(f"{self.process.args!r} showed no curve within {LIMIT_SECONDS} s")

    def answer_ms(self, times: int = 50) -> float:
        """Median of the curve's answer."""
        found = []
        for _ in range(times):
            begun = time.perf_counter()
            self.get(self.curve)
            found.append(1000 * (time.perf_counter() - begun))
        return statistics.median(found)

    def page_kb(self) -> float:
        """The front page with the files that it names."""
        page = self.get("/")[1]
        return (len(page) + sum(len(self.get(f"/{one}")[1]) for one in set(ASSET.findall(page.decode())))) / 1000

    def idle_share(self, seconds: float = 5) -> float:
        """Percent of a core while nobody asks, what it does after its start being over."""
        time.sleep(5)
        before, begun = cpu_seconds(self.process.pid), time.monotonic()
        time.sleep(seconds)
        return 100 * (cpu_seconds(self.process.pid) - before) / (time.monotonic() - begun)

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class OurTavern(Dashboard):
    """`realm tavern`."""

    def __init__(self, realm: Realm, python: str) -> None:
        self._realm = realm
        line = [python, "-m", "realm_cli", "--realm", str(realm.root), "tavern", "--port", "0", "-q"]
        super().__init__(line, "/api/curves", b"{", b'"loading":true')

    def port(self) -> int | None:
        found = services.running(self._realm, "tavern")
        return int(found.url.rpartition(":")[2]) if found else None


class TensorBoard(Dashboard):
    """`tensorboard` on an event file, with the fast loader that it comes with."""

    def __init__(self, python: str, folder: Path, last: int) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port: int = probe.getsockname()[1]
        line = [python, "-m", "tensorboard.main", "--logdir", str(folder), "--host", "127.0.0.1"]
        super().__init__([*line, "--port", str(self._port)], CURVE, f" {last},".encode(), b"")

    def port(self) -> int | None:
        return self._port


def beside_tensorboard(report: Report, realm: Realm, folder: Path, ours: str, rounds: int = 3) -> None:
    """Measure both in turn; ratios are TensorBoard's figure over ours. Below 1 it is ahead of us."""
    python = str(peers.python())
    metrics = realm.metrics / f"{realm.config.hero}.jsonl"
    subprocess.run(
        [python, "-m", "benchmarks.workers.tensorboard_history", metrics, folder / "events"], check=True, cwd=ROOT
    )
    last = json.loads(metrics.read_bytes().splitlines()[-1])["step"]
    version = subprocess.run(
        [python, "-c", "import tensorboard; print(tensorboard.__version__)"], check=True, capture_output=True, text=True
    ).stdout.strip()
    report.versions(tensorboard=version)
    seen: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        theirs, own = _figures(TensorBoard(python, folder / "events", last)), _figures(OurTavern(realm, ours))
        for name, figure in theirs.items():
            seen.setdefault(name, []).append((figure, own[name]))
    for name, pairs in seen.items():
        unit = name.rpartition(", ")[2]
        report.measured(f"tensorboard {name}", [pair[0] for pair in pairs], unit)
        report.measured(f"tavern {name}", [pair[1] for pair in pairs], unit)
        report.ratio(name, [pair[0] / max(pair[1], 1e-3) for pair in pairs])


def _figures(one: Dashboard) -> dict[str, float]:
    try:
        return {
            "start to the curve, s": one.until_curve(), "curve's answer, ms": one.answer_ms(),
            "front page, kB": one.page_kb(), "idle, % of a core": one.idle_share(),
            "memory, MB": peak_memory(one.process.pid),
        }  # fmt: skip
    finally:
        one.end()
