"""Serving an app: one process, a thread for each open request, an end that does not wait for open streams."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

from cheroot import wsgi
from flask import Flask

from realm_cli.errors import LockedError, RealmError, UsageError
from realm_cli.web import Door

THREADS = 288
"""Open event streams hold one each; the rest answers requests."""
IDLE_SECONDS = 20
"""A connection that sends nothing for so long is closed."""


class _Gateway(wsgi.Gateway_10):
    def get_environ(self) -> Any:
        """A view that takes long may look whether its client is still there."""
        return {**super().get_environ(), "realm.connection": self.req.conn.socket}  # type: ignore[no-untyped-call]

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """An answer that comes before the body was read ends the connection: else all of the body would be read."""
        if getattr(self.req.rfile, "remaining", 0) > 0:
            self.req.close_connection = True
        return super().start_response(status, headers, exc_info)


class _Server(wsgi.Server):
    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Connections that break are no news; what goes wrong in a view is logged by the base."""


def serve(app: Flask, door: Door, ready: Callable[[], None], stopping: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM or SIGINT. `door.port` 0 becomes a free one; `ready` is called when requests are answered."""
    server = _Server(
        (door.host, door.port), app, numthreads=THREADS, timeout=IDLE_SECONDS, shutdown_timeout=1,
        request_queue_size=256,
    )  # fmt: skip
    server.nodelay = True
    server.gateway = _Gateway
    try:
        server.prepare()
    except OSError as error:
        raise _unavailable(door, error) from error
    door.port = server.bind_addr[1]
    with _signals() as asked:
        thread = threading.Thread(target=server.serve, name="server", daemon=True)
        thread.start()
        ready()
        asked.wait()
        stopping()
        server.stop()
        thread.join(timeout=5)


def _unavailable(door: Door, error: OSError) -> RealmError:
    place = f"{door.host}:{door.port}"
    if "already in use" in str(error).lower():
        return LockedError(f"port {door.port} of {door.host} is taken by another program", "choose another: --port N")
    if "name or service not known" in str(error).lower() or "cannot assign" in str(error).lower():
        return UsageError(f"'{door.host}' is no address of this machine", "127.0.0.1, or 0.0.0.0 for all networks")
    return RealmError(f"cannot listen on {place}: {error}", "choose another --host or --port")


@contextlib.contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set."""
    asked = threading.Event()
    before = {number: signal.signal(number, lambda *_: asked.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
