"""What tests of the weaver share: small services that misbehave on demand, and a realm whose weaver ends with the test."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from helpers import Ran, Run, free_port, wait_for
from realm_cli import services
from realm_cli.manager import Manager
from realm_cli.process import is_running
from realm_cli.realm import Realm
from realm_cli.service_records import ServiceState
from realm_weaver.processes import TOKEN, token

PLUGINS = tuple(Manager.load().parts("realm_services"))
PROGRAM = """
import http.server, os, pathlib, signal, subprocess, sys, time

port, folder, *ways = sys.argv[1:]
place = pathlib.Path(folder)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        good = "slow" not in ways or (place / "now").exists()
        self.send_response(200 if good else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args):
        pass

if "crash" in ways and not (place / "mended").exists():
    print("loading")
    sys.exit("error: there is no such model")
if "deaf" in ways:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "detach" in ways:
    job = subprocess.Popen(["sleep", "600"], start_new_session=True)
    (place / "job").write_text(str(job.pid))
if "flood" in ways:
    while True:
        sys.stdout.write("all is well\\n" * 1000)
if "beats" in ways:
    while not (place / "enough").exists():
        (place / "beat").write_text(str(time.time_ns()))
        time.sleep(0.02)
    time.sleep(600)
if "sleep" in ways:
    time.sleep(600)
if "fork" in ways and (worker := os.fork()):
    (place / "worker").write_text(str(worker))
    os.waitpid(worker, 0)
http.server.ThreadingHTTPServer.allow_reuse_address = True
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
print("it listens", flush=True)
server.serve_forever()
"""
QUICK: dict[str, Any] = {
    "restart": {"delay_seconds": 0.1, "max_delay_seconds": 0.2, "healthy_seconds": 0.0},
    "stop_seconds": 60,
}


@dataclass
class Woven:
    """A realm with services of the test's own."""

    realm: Realm
    run: Run
    folder: Path
    _services: dict[str, Any] = field(default_factory=lambda: {name: {"enabled": False} for name in PLUGINS})

    def serve(self, name: str, *ways: str, url: bool = True, **more: Any) -> None:
        """Write a service into `configs/services.yaml`; `ways` are those of the program above."""
        program = self.folder / "program.py"
        program.write_text(PROGRAM)
        port = free_port()
        command = [sys.executable, "-I", "-S", str(program), str(port), str(self.folder), *ways]
        address = {"url": f"http://127.0.0.1:{port}/"} if url else {}
        self.configure(name, {**QUICK, "command": command, **address, **more})

    def configure(self, name: str, config: dict[str, Any]) -> None:
        """Write one entry; JSON is YAML."""
        self._services[name] = config
        (self.realm.configs / "services.yaml").write_text(json.dumps({"services": self._services}, indent=1))

    def up(self, *args: str, code: int = 0) -> Ran:
        done = self.run("weaver", "up", *args)
        assert done.code == code, done
        return done

    def down(self, *args: str) -> Ran:
        done = self.run("weaver", "down", *args)
        assert done.code == 0, done
        return done

    def state(self, name: str) -> ServiceState:
        return services.seen(self.realm).get(name) or ServiceState(name=name)

    def until(self, name: str, state: str, **facts: Any) -> ServiceState:
        """Wait for a state with these fields."""

        def reached() -> ServiceState | None:
            seen = self.state(name)
            good = seen.state == state and all(getattr(seen, key) == value for key, value in facts.items())
            return seen if good else None

        found: ServiceState = wait_for(reached, f"{name} to be {state} {facts}; it is {self.state(name)}")
        return found

    def pid(self, name: str) -> int:
        mark = self.state(name).process
        assert mark is not None
        return mark.pid

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """Signal a service's process; its pid."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    def weaver_pid(self) -> int:
        found = services.weaver(self.realm)
        assert found is not None
        return found.process.pid

    def kill_weaver(self, number: int = signal.SIGKILL) -> None:
        found = services.weaver(self.realm)
        assert found is not None
        os.kill(found.process.pid, number)
        if number == signal.SIGKILL:
            wait_for(lambda: not is_running(found.process), "the end of the weaver")

    def events(self, *names: str) -> list[dict[str, Any]]:
        if not self.realm.events.exists():
            return []
        found = [json.loads(line) for line in self.realm.events.read_text().splitlines()]
        return [event for event in found if event["name"] in names]

    def processes(self) -> list[psutil.Process]:
        """All that the weaver of this realm ever started and that still runs, detached jobs as well."""
        ours = {token(self.realm, name) for name in self._services}
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(TOKEN) in ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def end(self) -> None:
        """Whatever the test did: nothing runs on."""
        found = services.weaver(self.realm)
        if found is not None:
            os.kill(found.process.pid, signal.SIGKILL)
            wait_for(lambda: not is_running(found.process), "the end of the weaver")
        for process in self.processes():
            process.kill()
