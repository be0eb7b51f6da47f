"""The weaver: from `kill -9` of a healthy service until it is ready again, beside the same service started by hand; what
many such kills leave; what an idle weaver costs.

The service is the Tavern, a real one on a free port. "By hand" is `realm tavern` from its start until `/health` answers.
The weaver's times count from the signal until its record says ready, which it says after `/health` has answered.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import time

import psutil

from benchmarks.common import Report, at_most, fresh_folder, our_versions
from realm_cli import services
from realm_cli.founding import found
from realm_cli.realm import Realm
from realm_cli.service_records import ServiceState

SERVICE = "tavern"
LOOK_SECONDS = 0.002


def realm_line(realm: Realm, *words: str) -> list[str]:
    return [sys.executable, "-m", "realm_cli", "--realm", str(realm.root), *words]


def answers(url: str) -> bool:
    wire = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    try:
        wire.request("GET", "/health")
        return wire.getresponse().status == 200
    except OSError:
        return False
    finally:
        wire.close()


def by_hand(realm: Realm) -> float:
    """Seconds from the start of `realm tavern` until it answers; ended again."""
    begun = time.perf_counter()
    process = subprocess.Popen(realm_line(realm, "tavern", "-q", "--port", "0"), stdout=subprocess.DEVNULL)
    while (seen := services.running(realm, SERVICE)) is None or not answers(seen.url):
        time.sleep(LOOK_SECONDS)
    took = time.perf_counter() - begun
    process.send_signal(signal.SIGTERM)
    process.wait()
    return took


def state(realm: Realm) -> ServiceState:
    return services.seen(realm)[SERVICE]


def by_weaver(realm: Realm) -> float:
    """Seconds from the kill of the healthy service until it is ready again."""
    before = state(realm)
    assert before.process is not None
    begun = time.perf_counter()
    os.kill(before.process.pid, signal.SIGKILL)
    while (seen := state(realm)).state != "ready" or seen.restarts == before.restarts:
        time.sleep(LOOK_SECONDS)
    took = time.perf_counter() - begun
    if not answers(seen.url):
        raise SystemExit("a service that is called ready does not answer")
    return took


def leavings(realm: Realm, weaver: psutil.Process) -> dict[str, int]:
    """What kills could leave."""
    return {
        "zombies": sum(child.status() == psutil.STATUS_ZOMBIE for child in weaver.children()),
        "descriptors": weaver.num_fds(),
        "memory": weaver.memory_info().rss,
        "files": sum(1 for _ in realm.status.rglob("*")),
    }


def share_of_a_core(process: psutil.Process, seconds: float) -> float:
    """Percent of one core over so long."""
    before, begun = process.cpu_times(), time.monotonic()
    time.sleep(seconds)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return 100 * used / (time.monotonic() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--idle-seconds", type=float, default=20)
    given = parser.parse_args()
    report = Report("weaver", "a killed service until it is ready again, beside its start by hand")
    report.versions(python=sys.version.split()[0], **our_versions("psutil", "flask", "cheroot"))
    report.settings(service=SERVICE, cycles=given.cycles, idle_seconds=given.idle_seconds)
    realm, _ = found(fresh_folder("weaver") / "realm")
    config = {"services": {SERVICE: {"port": 0, "restart": {"healthy_seconds": 0.0}}}}
    (realm.configs / "services.yaml").write_text(json.dumps(config))
    by_hand(realm)
    hands = [by_hand(realm) for _ in range(5)]
    report.measured("by hand", hands, "s")
    subprocess.run(realm_line(realm, "weaver", "up", SERVICE, "-q"), check=True)
    try:
        running = services.weaver(realm)
        assert running is not None
        weaver = psutil.Process(running.process.pid)
        by_weaver(realm)
        before = leavings(realm, weaver)
        times = [by_weaver(realm) for _ in range(given.cycles)]
        after = leavings(realm, weaver)
        report.measured("killed until ready", times, "s", at_most(3.0))
        report.measured("slowest", [max(times)], "s", at_most(3.0))
        middle = sorted(hands)[len(hands) // 2]
        report.ratio("to the start by hand", [took / middle for took in times], at_most(1.5))
        report.measured("zombies", [after["zombies"]], "", at_most(0))
        report.measured("further files", [after["files"] - before["files"]], "", at_most(0))
        report.measured("further descriptors", [after["descriptors"] - before["descriptors"]], "", at_most(2))
        report.measured("further memory", [(after["memory"] - before["memory"]) / 1e6], "MB", at_most(4))
        report.measured("idle weaver", [share_of_a_core(weaver, given.idle_seconds)], "% of a core", at_most(0.5))
    finally:
        subprocess.run(realm_line(realm, "weaver", "down", "-q"), check=True)
    report.measured("left running", [len(weaver.children()) if weaver.is_running() else 0], "", at_most(0))
    report.write()


if __name__ == "__main__":
    main()
