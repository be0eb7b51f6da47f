"""This side of the library's process: started when it is needed, ended when it hangs, one for all skills."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import tempfile
import threading
from typing import IO, Any

import msgspec

from realm_cli.errors import SkillAwayError
from realm_gym.wire import Answer, Request

INSTALL = 'pip install "realm-hero[gym]"'
_TOO_LONG = "took more than"


class Child:
    """Asks the library's process; a request that ends it is answered with that trouble, and the next one starts another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._words: IO[bytes] | None = None
        self._answers = msgspec.json.Decoder(Answer)
        atexit.register(self.close)

    def ask(self, request: Request) -> Answer:
        """What the library answers. Raises `SkillAwayError` where the library cannot be loaded."""
        with self._lock:
            answer = self._ask(request)
            # Only a request that took too long is to blame for sure: somebody may have killed the process.
            return self._ask(request) if answer.died and _TOO_LONG not in answer.trouble else answer

    def _ask(self, request: Request) -> Answer:
        process = self._process or self._start()
        try:
            line = self._exchange(process, msgspec.json.encode(request) + b"\n")
        except BaseException:  # its answer would be taken for that to the next request
            self._end()
            raise
        return self._answers.decode(line) if line.endswith(b"\n") else Answer(trouble=self._died(request), died=True)

    def _exchange(self, process: subprocess.Popen[bytes], request: bytes) -> bytes:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(request)
            process.stdin.flush()
        except BrokenPipeError:
            return b""  # it was ended meanwhile
        return process.stdout.readline()

    def _start(self) -> subprocess.Popen[bytes]:
        # One order of sets and one thread everywhere, so that a seed gives the same on every machine.
        environment = {**os.environ, "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._words = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", "realm_gym.worker"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self._words, env=environment, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise SkillAwayError(f"reasoning-gym cannot be loaded: {self._last_words()}", f"install it anew: {INSTALL}")
        return self._process

    def _last_words(self) -> str:
        """The last line that the process wrote on standard error; ends the process."""
        words = self._words
        if words is None:
            return "it said nothing"
        words.seek(0)
        lines = words.read().decode(errors="replace").strip().splitlines()
        self._end()
        return lines[-1][:300] if lines else "it said nothing"

    def _died(self, request: Request) -> str:
        """Why the process is gone."""
        code = self._process.wait() if self._process is not None else 0
        words = self._last_words()
        if code in (-signal.SIGPROF, -signal.SIGALRM):
            return f"it {_TOO_LONG} {request.seconds:g} s of processor time"
        return f"its process died of {signal.Signals(-code).name}" if code < 0 else f"its process died: {words}"

    def _end(self) -> None:
        process, words = self._process, self._words
        self._process = self._words = None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                _close(pipe)
        _close(words)

    def close(self) -> None:
        """End the process; the next request starts another."""
        with self._lock:
            self._end()


def _close(pipe: IO[Any] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except BrokenPipeError:
        pass  # what was in the pipe nobody reads any more


CHILD = Child()
"""The one of this process: the library takes seconds to load and 200 MB."""
