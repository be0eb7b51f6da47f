"""`realm` lines in processes that begin with everything loaded: torch alone takes each of them five seconds of a processor.

One server for each test process loads the heavy modules, computes nothing, and forks. A child is a process of its own,
with its own files, folder, variables and session, that runs `realm ARGS` as the program does; it can be killed, and its
end is seen, like that of any other. What is tested about the start itself, or needs variables that are read while
libraries are loaded, starts the program instead.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, TextIO

HEAVY = (
    "transformers.models.qwen3.modeling_qwen3", "transformers.models.llama.modeling_llama", "realm_arena.battle",
    "realm_arena.transformers_backend", "realm_guild.callback", "realm_guild.evaluating", "realm_oracle.serve_command",
    "realm_oracle.server", "realm_oracle.worker", "realm_sparring.sparring", "safetensors.torch", "flask", "cheroot.wsgi",
)  # fmt: skip
ROOM = "_" * 2000
"""Room for the child's command line in /proc: the server has one as long."""


class Forked:
    """A child: what is used here of `subprocess.Popen`."""

    def __init__(self, pid: int, end: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._end = end

    def poll(self) -> int | None:
        """Its exit code, or the number of its signal below zero; None while it runs."""
        return self._look(0.0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.wait()

    def _look(self, seconds: float | None) -> int | None:
        if self.returncode is not None:
            return self.returncode
        with selectors.DefaultSelector() as selector:
            selector.register(self._end, selectors.EVENT_READ)
            if not selector.select(seconds):
                return None
        said = os.read(self._end, 16)
        os.close(self._end)
        assert said, "the server of preloaded processes has died"
        self.returncode = int(said)
        return self.returncode


class Server:
    """Forks on demand, for one test process."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._wire, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("REALM_")}
        # No library may begin threads of its own before the fork.
        env = {**kept, "OPENBLAS_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        line = [sys.executable, __file__, str(other.fileno()), ROOM]
        self._process = subprocess.Popen(
            line, pass_fds=[other.fileno()], env=env, stdin=subprocess.DEVNULL, start_new_session=True
        )
        other.close()

    def start(
        self, line: Sequence[str], files: Sequence[int], env: dict[str, str], cwd: str | Path | None,
        new_session: bool,
    ) -> Forked:  # fmt: skip
        """Run `python -m realm_cli ARGS`, which `line` is, with three standard streams."""
        ours, theirs = os.pipe()
        order = {"line": list(line), "env": env, "cwd": str(cwd or os.getcwd()), "new_session": new_session}
        with self._turn:
            socket.send_fds(self._wire, [json.dumps(order).encode()], [*files, theirs])
            said = self._wire.recv(64)
        os.close(theirs)
        assert said, "the server of preloaded processes has died"
        return Forked(int(said), ours)

    def close(self) -> None:
        """Let it end."""
        self._wire.close()
        self._process.wait(timeout=60)


_servers: dict[int, Server] = {}


def server() -> Server:
    """This process's server."""
    if os.getpid() not in _servers:
        _servers[os.getpid()] = made = Server()
        atexit.register(made.close)
    return _servers[os.getpid()]


def start(
    line: Sequence[str], *, stdin: int | IO[Any] = subprocess.DEVNULL, stdout: int | IO[Any], stderr: int | IO[Any],
    env: dict[str, str], cwd: str | Path | None = None, start_new_session: bool = False,
) -> Forked | subprocess.Popen[bytes]:  # fmt: skip
    """As `subprocess.Popen`, for a `realm` line; with libraries from elsewhere it is a program of its own."""
    if env.get("LD_LIBRARY_PATH") != os.environ.get("LD_LIBRARY_PATH"):
        return subprocess.Popen(
            line, stdin=stdin, stdout=stdout, stderr=stderr, env=env, cwd=cwd, start_new_session=start_new_session
        )
    with open(os.devnull, "rb") as nothing:
        files = [nothing.fileno() if file == subprocess.DEVNULL else _number(file) for file in (stdin, stdout, stderr)]
        return server().start(line, files, env, cwd, start_new_session)


def run(
    line: Sequence[str], given: str, *, env: dict[str, str], cwd: str | Path | None, seconds: float
) -> tuple[int, str, str]:
    """One line to its end: its exit code and what it printed. Raises `TimeoutExpired` after having killed it."""
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        stdin.write(given.encode())
        stdin.seek(0)
        process = start(line, stdin=stdin, stdout=stdout, stderr=stderr, env=env, cwd=cwd)
        try:
            process.wait(seconds)
        finally:
            process.kill()
        code = process.wait()
        texts = [_from_start(file) for file in (stdout, stderr)]
    return code, texts[0], texts[1]


def _from_start(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


def _number(file: int | IO[Any]) -> int:
    return file if isinstance(file, int) else file.fileno()


# -- in the server -----------------------------------------------------------------------------------------------------


def serve(number: int) -> None:
    """Load, then fork for every order, and tell of every end; ends with the test process."""
    for name in HEAVY:
        __import__(name)
    wire = socket.socket(fileno=number)
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking)
    ends: dict[int, int] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(wire, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if woken in ready:
                os.read(woken, 4096)
                _reap(ends)
            if wire in ready:
                data, files, _, _ = socket.recv_fds(wire, 1 << 20, 4)
                if not data:
                    return
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    _become(json.loads(data), files, [wire.fileno(), woken, waking, selector.fileno(), *ends.values()])
                for file in files[:3]:
                    os.close(file)
                ends[pid] = files[3]
                wire.send(str(pid).encode())


def _reap(ends: dict[int, int]) -> None:
    while ends:
        pid, state = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
            os.write(ends[pid], str(os.waitstatus_to_exitcode(state)).encode())
        os.close(ends.pop(pid))


def _become(order: dict[str, Any], files: list[int], inherited: list[int]) -> NoReturn:
    """The child: everything that a new process would have, then `realm`."""
    for target, file in enumerate(files[:3]):
        os.dup2(file, target)
    for file in [*files, *inherited]:
        os.close(file)
    if order["new_session"]:
        os.setsid()
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    sys.path[:0] = filter(None, order["env"].get("PYTHONPATH", "").split(os.pathsep))
    tempfile.tempdir = None  # what the server found is of its own variables
    sys.argv = ["realm", *order["line"][3:]]
    _name_itself(order["line"])
    unbuffered = bool(order["env"].get("PYTHONUNBUFFERED"))
    sys.stdin, sys.stdout = _text(0, "r", "strict", unbuffered), _text(1, "w", "strict", unbuffered)
    sys.stderr = _text(2, "w", "backslashreplace", unbuffered)
    code = 1
    try:
        from realm_cli.main import entry

        entry()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        _finish(code)


def _text(number: int, mode: str, errors: str, unbuffered: bool) -> TextIO:
    """A standard stream as the interpreter makes it."""
    raw = open(number, f"{mode}b", buffering=-1 if mode == "r" or not unbuffered else 0, closefd=False)  # noqa: SIM115
    lines = mode == "w" and (number == 2 or os.isatty(number))
    return TextIOWrapper(raw, encoding="utf-8", errors=errors, line_buffering=lines, write_through=unbuffered)


def _finish(code: int) -> NoReturn:
    """End as the interpreter does: functions registered for the exit, and what still stands in buffers."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            code = code or 120
    os._exit(code)


def _name_itself(line: list[str]) -> None:
    """Its command line as others see it; behind it stand empty words up to the server's length."""
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    words = b"\0".join(os.fsencode(word) for word in line) + b"\0"
    assert len(words) < end - start, "the command line is too long"
    ctypes.memmove(start, words.ljust(end - start, b"\0"), end - start)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
