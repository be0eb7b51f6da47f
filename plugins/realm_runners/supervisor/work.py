"""The supervisor: starts the command, keeps what it says, ends it with all that it started, writes its end."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import subprocess
import time
from typing import Any

from realm_runners.supervisor.files import Data, Log, now, place_of, read, take, write
from realm_runners.supervisor.processes import below, boot, mark, send

LEFTOVER_SECONDS = 2.0
"""What a command leaves running when it ends has so long after SIGTERM."""
LOOK_SECONDS = 1.0
"""How often a flag is looked for that nobody could signal."""


def detach(folder: str) -> int:
    """Supervise in a process that belongs to nobody; the caller is let go when the command runs."""
    ready, tell = os.pipe()
    if os.fork():
        os.close(tell)
        os.read(ready, 1)  # or its end
        return 0
    os.setsid()
    if os.fork():
        os._exit(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    return supervise(folder, tell)


def supervise(folder: str, tell: int = -1) -> int:
    """Run the job of a folder to its end; at most one process does, and once."""
    lock = take(folder, wait=True)
    if lock is None or read(os.path.join(folder, "state.json")) is not None:
        return 0
    adopt()
    state = Supervisor(folder, tell).run()
    return 0 if state["state"] == "done" else 1


def adopt() -> None:
    """From now on whoever daemonises below this process becomes its child."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


class Supervisor:
    """One job while it runs."""

    def __init__(self, folder: str, tell: int) -> None:
        self._folder = folder
        self._tell = tell
        self._order = read(os.path.join(folder, "order.json"))
        self._log = Log(folder)
        self._asked = False
        self._why = ""
        self._kill_at: float | None = None
        self._is_open = True
        self._result: tuple[int, int] | None = None  # (exit status, signal) of the command
        self._alone = False
        self._wake, poke = os.pipe()
        for end in (self._wake, poke):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(poke, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        token = secrets.token_hex(16)
        self._state: Data = {
            "kind": "job_state", "version": 1, "state": "running", "boot": boot(), "token": token,
            "place": place_of(folder),
            "supervisor": mark(os.getpid()), "command": {"pid": 0, "started": ""}, "started_at": now(),
            "code": None, "signal": None, "reason": "", "ended_at": "",
        }  # fmt: skip

    def _on_signal(self, *_: Any) -> None:
        self._asked = True

    def run(self) -> Data:
        """The whole life of the job."""
        self._say()  # before the command: whoever finds the state without a supervisor finds the token as well
        problem, output = self._start()
        if problem:
            self._end(state="failed", code=127, reason=problem)
            return self._state
        self._say()
        with contextlib.suppress(OSError):
            os.close(self._tell)
        began = time.monotonic()
        while not self._is_over():
            self._wait(output)
            self._look(began)
        self._drain(output)
        self._finish()
        return self._state

    def _start(self) -> tuple[str, int]:
        """(why it cannot be started, the end of the pipe that the command writes to)."""
        if os.path.exists(os.path.join(self._folder, "cancel")):
            self._why = "cancelled"
            return "cancelled before it began", -1
        order = self._order
        where = os.path.expanduser(order["folder"] or os.path.dirname(os.path.dirname(self._folder)))
        if not os.path.isdir(where):
            return f"its folder {where} is not there", -1
        added = {"REALM_JOB": order["id"], "REALM_JOB_TOKEN": self._state["token"]}
        output, end = os.pipe()
        try:
            process = subprocess.Popen(
                order["command"], cwd=where, env={**os.environ, **order["environment"], **added}, stdout=end, stderr=end,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            return f"{order['command'][0]} cannot be started: {getattr(error, 'strerror', None) or error}", -1
        finally:
            os.close(end)
        process.returncode = 0  # it is waited for here, with all others
        os.set_blocking(output, False)
        self._state["command"] = mark(process.pid)
        return "", output

    def _wait(self, output: int) -> None:
        pause = 0.05 if self._kill_at is not None else LOOK_SECONDS
        ready, _, _ = select.select([self._wake, *([output] if self._is_open else [])], [], [], pause)
        if self._wake in ready:
            os.read(self._wake, 4096)
        if output in ready:
            self._is_open = self._read(output) != 0

    def _read(self, output: int) -> int:
        try:
            data = os.read(output, 65536)
        except BlockingIOError:
            return -1
        self._log.write(data)
        return len(data)

    def _drain(self, output: int) -> None:
        limit = time.monotonic() + 5
        while self._is_open and self._read(output) > 0 and time.monotonic() < limit:
            pass

    def _is_over(self) -> bool:
        """Reap what has ended; whether nothing is left."""
        while not self._alone:
            try:
                pid, how = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._alone = True
                break
            if pid == 0:
                break
            if pid == self._state["command"]["pid"]:
                signalled = os.WIFSIGNALED(how)
                self._result = (0, os.WTERMSIG(how)) if signalled else (os.WEXITSTATUS(how), 0)
        return self._alone

    def _look(self, began: float) -> None:
        """End what has to end."""
        limit, grace = self._order["seconds"], self._order["grace"]
        if self._kill_at is None:
            if self._asked or os.path.exists(os.path.join(self._folder, "cancel")):
                self._why = "cancelled"
            elif limit is not None and time.monotonic() - began > limit:
                self._why = "timeout"
            elif self._result is not None:  # the command is gone, something that it left is not
                grace = LEFTOVER_SECONDS
            else:
                return
            self._kill_at = time.monotonic() + grace
            self._signal(signal.SIGTERM)
        elif time.monotonic() > self._kill_at:
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        for who in below({os.getpid()}):
            send(who, number)

    def _finish(self) -> None:
        code, number = self._result if self._result is not None else (None, None)
        ended = {"code": None if number else code, "signal": number or None}
        if self._why == "cancelled":
            self._end(state="cancelled", reason="cancelled", **ended)
        elif self._why == "timeout":
            self._end(state="failed", reason=f"ended after its limit of {self._order['seconds']:g} s", **ended)
        elif number:
            self._end(state="failed", reason=f"ended by {_name(number)}", **ended)
        else:
            self._end(state="failed" if code else "done", reason=f"ended with {code}" if code else "", **ended)

    def _end(self, **how: Any) -> None:
        if self._why == "cancelled":
            how = {**how, "state": "cancelled"}
        self._state.update(how, ended_at=now())
        self._say()

    def _say(self) -> None:
        """Write the state; on a full disk again and again, as it must not be lost."""
        while True:
            try:
                write(os.path.join(self._folder, "state.json"), self._state)
                return
            except OSError:
                if not os.path.isdir(self._folder):
                    return  # deleted meanwhile: nobody wants to know
                time.sleep(1)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
