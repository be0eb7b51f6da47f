"""Skill servers as real processes: a tiny one of the standard library alone, with faults on demand, and Realm's own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from helpers import PATIENCE, environment, free_port, realm_line, wait_for
from realm_cli import services
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skillbook import GuildSkill, open_skill

SCRIPT = '''
"""Doubling: `double 7` is 14. Level L doubles numbers of up to L + 1 digits. The first line of the file `fault` breaks it."""

import json, random, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SHAPE, FAULT = sys.argv[2], Path(sys.argv[3])
asked = {}


def items(level, count, seed):
    rng = random.Random(f"{level} {seed}")
    numbers = [rng.randrange(10 ** (level + 1)) for _ in range(count)]
    if SHAPE == "items":
        return [{"prompt": f"double {n}", "solution": 2 * n} for n in numbers]
    found = [{"user_prompt": f"double {n}", "assistant_response": str(2 * n)} for n in numbers]
    return [{**item, "key": f"k{n}"} for item, n in zip(found, numbers)] if SHAPE == "samples" else found


def answer(path, body):
    fault = FAULT.read_text().strip() if FAULT.exists() else ""
    asked[path] = asked.get(path, 0) + 1
    if fault == "garbage":
        return 200, b"<html>hello</html>"
    if fault == "deep":
        return 200, b"[" * 200000
    if fault == "error":
        return 500, b'{"error": "my \\\\u001b[31mdice broke", "hint": ""}'
    if fault == "hiccup" and asked[path] % 2:
        return 503, b"later"
    if path == "/health":
        return 200, {"status": "sick" if fault == "sick" else "ok"}
    if path == "/info":
        return 200, {
            "skill": "triple" if fault == "other" else "double", "name": "Doubling", "version": "2.1",
            "category": "arithmetic", "tags": [], "levels": 3, **({"api_version": 2} if fault == "newer" else {}),
        }
    if path == "/levels":
        return 200, [{"level": n, "name": "", "params": {}} for n in range(1, 2 if fault == "low" else 4)]
    if path in ("/eval?level=1", "/eval/2"):
        level = int(path[-1])
        return 200, {"puzzles": items(level, 5, "eval")}
    if path == "/generate":
        seed = random.random() if fault == "seedless" else body["seed"]
        found = items(body["level"], body["count"], seed)
        bad = {"null": None, "blank": {"prompt": " ", "solution": "x"}, "bare": {"prompt": "double 1"},
               "surrogate": {"prompt": "\\ud800", "solution": "x"}, "long": {"prompt": "x" * 300000, "solution": "1"}}
        if fault in bad:
            found[-1] = bad[fault]
        if fault == "empty":
            found = []
        if fault == "huge":
            found = ["x" * 1000000] * 70
        return 200, {"items": found} if SHAPE == "items" else {SHAPE: found, "level_info": {"level": body["level"]}}
    if path == "/judge" and SHAPE != "items":
        if fault == "odd":
            return 200, {"correct": "perhaps"}
        return 200, {"correct": body["reply"].strip() == body["answer"], "parsed": body["reply"], "reason": "compared"}
    return 404, b"nothing"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.tell(None)

    def do_POST(self):
        self.tell(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def tell(self, body):
        status, said = answer(self.path, body)
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        fault = FAULT.read_text().strip() if FAULT.exists() else ""
        if fault == "elsewhere":
            status = 302
        self.send_response(status)
        self.send_header("Location", "http://127.0.0.1:1/health")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if fault == "cut":
            data = data[: len(data) // 2]
        for start in range(0, len(data), 1 if fault == "drip" else len(data)):
            self.wfile.write(data[start : start + (1 if fault == "drip" else len(data))])
            if fault == "drip":
                time.sleep(0.05)
        self.close_connection = True

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
'''
YAML = {"id": "double", "name": "Doubling", "max_level": 3, "judge": "number", "eval": {"size": 12}}


class TinyServer:
    """The tiny server at a port of its own, which it keeps over restarts."""

    def __init__(self, folder: Path, shape: str = "samples") -> None:
        self._script, self._fault, self._shape = folder / "double.py", folder / "fault", shape
        self._script.write_text(SCRIPT)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        line = [sys.executable, str(self._script), str(self.port), self._shape, str(self._fault)]
        self._process = subprocess.Popen(line, stdin=subprocess.DEVNULL, env=environment())
        wait_for(self._listens, "the tiny server")

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE).close()
        except OSError:
            return False
        return True

    def has(self, fault: str) -> None:
        """Let it fail in that way from now on; empty = no more."""
        self._fault.write_text(fault)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def with_double(realm: Realm, url: str, **values: Any) -> GuildSkill:
    """The skill `double` of the server at `url` in the realm, opened by a manager of its own."""
    wanted = {**YAML, "api": url, **values}
    (realm.skills / "double.yaml").write_text(yaml.safe_dump({k: v for k, v in wanted.items() if v is not None}))
    return open_skill(realm, Manager.of(realm), "double")


class SkillServerProcess:
    """A real `realm skill serve`."""

    def __init__(self, realm: Realm, skill: str, *args: object) -> None:
        self.log = realm.root / "skill-server.txt"
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                realm_line("skill", "serve", skill, "--port", 0, *args, realm=realm),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment(), start_new_session=True,
            )  # fmt: skip
        self._realm, self._name = realm, f"skill-{skill}"
        self.url: str = wait_for(self._announced, "the skill server to open")

    def _announced(self) -> str | None:
        assert self.process.poll() is None, self.log.read_text()
        found = services.running(self._realm, self._name)
        return found.url if found is not None and found.process.pid == self.process.pid else None

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        return self.ask(path)[1]

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        """(status, JSON) for these bytes, or for a GET without any."""
        sent = {"Content-Type": "application/json", "Accept": "application/json", **headers}
        request = urllib.request.Request(self.url + path, body, sent)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, msgspec.json.decode(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, msgspec.json.decode(error.read())

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return self.ask(path, msgspec.json.encode(body))

    def end(self) -> int:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE)


@contextlib.contextmanager
def tiny_server(folder: Path, shape: str = "samples") -> Iterator[TinyServer]:
    """A tiny server for as long as a `with` runs."""
    server = TinyServer(folder, shape)
    try:
        yield server
    finally:
        server.kill()
