"""The Tavern with a long history: answer times of every page, open streams, requests a second, its CPU beside a battle;
and TensorBoard on the same losses (benchmarks/dashboards.py).

The history (10,000 quests, 10,000 checkpoints, 1,000,000 metric rows) is made by benchmarks/bigrealm.py. The server is a
real process on a free port of the loopback interface; its CPU time is read from /proc, so that the client's own does not
count. "ms an answer" is what a client waits on one open connection.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bigrealm import make
from benchmarks.common import Report, at_least, at_most, fresh_folder, our_versions
from benchmarks.dashboards import beside_tensorboard
from realm_cli import services, status
from realm_cli.founding import found
from realm_cli.realm import Realm

PAGES = (
    "/", "/quests", "/quests?state=low&page=2", "/guild", "/skill/bin", "/checkpoints", "/checkpoints?page=50",
    "/checkpoint/{step}", "/settings", "/api/game", "/api/live", "/api/curves", "/api/curves?by=time&smoothing=0.9",
    "/api/quests?state=low&limit=100", "/api/checkpoints?page=50", "/api/checkpoints/{step}", "/api/guild", "/api/settings",
)  # fmt: skip
STREAMS = 200
FIRST_LOAD = re.compile(r'(?:src|href)="(/static/[^"]+)"')


class Server:
    """A running Tavern."""

    def __init__(self, realm: Realm) -> None:
        line = [sys.executable, "-m", "realm_cli", "--realm", str(realm.root), "tavern", "--port", "0", "-q"]
        self.process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
        while (found_one := services.running(realm, "tavern")) is None:
            if self.process.poll() is not None:
                raise SystemExit("the Tavern did not open")
            time.sleep(0.02)
        self.port = int(found_one.url.rpartition(":")[2])
        self.client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def get(self, path: str) -> bytes:
        """One answer on the open connection."""
        self.client.request("GET", path)
        answer = self.client.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path} answered {answer.status}: {body[:300]!r}")
        return body

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """MB of resident memory at its highest so far."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", text)[0]) / 1024

    def share_of_a_core(self, seconds: float) -> float:
        """Percent of one core over so long."""
        before, begun = self.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        return 100 * (self.cpu_seconds() - before) / (time.monotonic() - begun)

    def end(self) -> None:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


@contextlib.contextmanager
def serving(realm: Realm) -> Iterator[Server]:
    server = Server(realm)
    try:
        yield server
    finally:
        server.end()


@contextlib.contextmanager
def streams(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Open event streams, each with its first message read."""
    with contextlib.ExitStack() as stack:
        wires = []
        for _ in range(count):
            wire = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            wire.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            wires.append(wire)
        for wire in wires:
            got = b""
            while b"event: state" not in got:
                more = wire.recv(65536)
                if not more:
                    raise SystemExit("a stream was refused")
                got += more
        yield wires


def answer_times(report: Report, server: Server, step: int, rounds: int) -> None:
    """Median and p99 of every page; the worst of both has to keep the targets."""
    medians, worst = {}, {}
    for pattern in PAGES:
        path = pattern.format(step=step)
        server.get(path)
        times = []
        for _ in range(rounds):
            begun = time.perf_counter()
            body = server.get(path)
            times.append(1000 * (time.perf_counter() - begun))
        times.sort()
        medians[path], worst[path] = times[len(times) // 2], times[int(0.99 * (len(times) - 1))]
        report.line(path, f"median {medians[path]:.1f} ms, p99 {worst[path]:.1f} ms, {len(body) / 1000:,.0f} kB")
    report.data["pages"] = {path: {"median_ms": medians[path], "p99_ms": worst[path]} for path in medians}
    report.measured("slowest page, median", [max(medians.values())], "ms", at_most(50))
    report.measured("slowest page, p99", [max(worst.values())], "ms", at_most(200))


def throughput(report: Report, server: Server, seconds: float) -> None:
    """Requests of /api/game for each second of the server's own CPU time."""
    rates = []
    for _ in range(3):
        count, before, begun = 0, server.cpu_seconds(), time.monotonic()
        while time.monotonic() - begun < seconds:
            server.get("/api/game")
            count += 1
        rates.append(count / (server.cpu_seconds() - before))
    report.measured("/api/game on one core", rates, "requests/s", at_least(500))


def crowd(report: Report, server: Server) -> None:
    """Many open streams, while nothing happens."""
    with streams(server.port, STREAMS):
        report.measured(f"idle, {STREAMS} streams", [server.share_of_a_core(10)], "% of a core", at_most(10))
        report.measured("memory", [server.memory()], "MB", at_most(300))


def first_load(report: Report, server: Server) -> None:
    """Bytes of the first page with all that it names and asks for."""
    todo, seen, total = ["/", "/api/curves?by=step&smoothing=0.6"], set(), 0
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        body = server.get(path)
        total += len(body)
        found_in = FIRST_LOAD.findall(body.decode()) if path == "/" else []
        found_in += re.findall(r'from "(/static/[^"]+)"', body.decode()) if path.endswith(".js") else []
        todo += found_in
    report.measured("first load", [total / 1000], "kB", at_most(300))


def beside_a_battle(report: Report, folder: Path, seconds: float) -> None:
    """The server's CPU with one page open while a battle trains on the other core."""
    realm, _ = found(folder / "small")
    text = realm.config_file.read_text(encoding="utf-8").replace("threads: null", "threads: 1")
    realm.config_file.write_text(text, encoding="utf-8")
    realm = Realm(realm.root)
    line = [sys.executable, "-m", "realm_cli", "--realm", str(realm.root), "battle", "start", "--forge", "-q"]
    battle = subprocess.Popen(line)
    try:
        while (seen := status.read(realm)) is None or seen.step < 50:
            time.sleep(0.2)
        with serving(realm) as server, streams(server.port, 1) as (page,):
            page.setblocking(False)
            shares = []
            for _ in range(3):
                before, begun = server.cpu_seconds(), time.monotonic()
                while time.monotonic() - begun < seconds:
                    fetch_what_changed(server, page)
                    time.sleep(0.2)
                shares.append(100 * (server.cpu_seconds() - before) / (time.monotonic() - begun))
            report.measured("beside a battle, one page", shares, "% of a core", at_most(2))
    finally:
        battle.send_signal(signal.SIGTERM)
        battle.wait()


FRAGMENTS = {
    "board": ("/?fragment=queue", "/?fragment=hints"), "skills": ("/?fragment=achievements",), "metrics": (),
}  # fmt: skip
_asked_at = [0.0]


def fetch_what_changed(server: Server, page: socket.socket) -> None:
    """What the page's scripts do with a message: fetch the parts whose topic changed, the curves at most every 5 s."""
    try:
        text = page.recv(1 << 20).decode(errors="replace")
    except BlockingIOError:
        return
    for line in text.splitlines():
        if line.startswith("data: ") and '"topics"' in line:
            topics = json.loads(line.removeprefix("data: "))["topics"]
            for path in {path for topic in topics for path in FRAGMENTS.get(topic, ())}:
                server.get(path)
            if "metrics" in topics and time.monotonic() - _asked_at[0] >= 5:
                _asked_at[0] = time.monotonic()
                server.get("/api/curves")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quests", type=int, default=10_000)
    parser.add_argument("--checkpoints", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=100)
    given = parser.parse_args()
    report = Report("tavern", "the web page with a long history")
    report.versions(**our_versions("flask", "cheroot", "numpy"))
    report.settings(quests=given.quests, checkpoints=given.checkpoints, rows=given.rows, rounds=given.rounds)
    folder = fresh_folder("tavern")
    realm = make(folder / "big", quests=given.quests, checkpoints=given.checkpoints, rows=given.rows)
    step = max(int(path.stem) for path in (realm.ledger / realm.config.hero).glob("[0-9]*.json"))
    with serving(realm) as server:
        begun = time.monotonic()
        while json.loads(server.get("/api/curves")).get("loading"):
            time.sleep(0.2)
        report.measured("curves ready after", [time.monotonic() - begun], "s")
        answer_times(report, server, step, given.rounds)
        throughput(report, server, 4)
        crowd(report, server)
        first_load(report, server)
    beside_tensorboard(report, realm, folder, sys.executable)
    beside_a_battle(report, folder, 15)
    report.write()


if __name__ == "__main__":
    main()
