"""The benchmark's end of the pipe to a worker process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import ROOT

PYTHON = Path(sys.executable)


class Contender:
    """A worker process that does something on request and sleeps otherwise."""

    def __init__(self, module: str, *arguments: object, python: Path = PYTHON, threads: int = 1, log: Path) -> None:
        self.log = log
        kept = {name: value for name, value in os.environ.items() if not name.startswith("REALM_")}
        environment = {
            **kept, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false",
            "HF_HOME": str(log.parent / "hf"),
        }  # fmt: skip
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                [python, "-m", f"benchmarks.workers.{module}", *map(str, arguments)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True, cwd=ROOT, env=environment,
            )  # fmt: skip

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        self.send(**request)
        return self.receive()

    def send(self, **request: Any) -> None:
        """Send a request without waiting."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self._died()

    def receive(self) -> dict[str, Any]:
        """The next answer."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self._died()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _died(self) -> None:
        code = self.process.wait()
        tail = "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise SystemExit(f"a worker ended with {code}; the end of {self.log}:\n{tail}")

    def close(self) -> None:
        """End the process by closing its pipe."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def all_at_once(contenders: Sequence[Contender], requests: Sequence[dict[str, Any]]) -> tuple[float, list[Any]]:
    """Send every contender its request; (seconds until the last answer, the answers)."""
    begun = time.perf_counter()
    for contender, request in zip(contenders, requests, strict=True):
        contender.send(**request)
    answers = [contender.receive() for contender in contenders]
    return time.perf_counter() - begun, answers
