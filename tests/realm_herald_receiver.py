"""What listens to a herald in the tests: a real HTTP server that does as it is told, and a proxy into the wide world."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import wait_for


@dataclass(frozen=True)
class Heard:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """A threaded server. `statuses` are answered in order, the last one for ever; `seconds` goes by before each answer."""

    def __init__(self, port: int = 0) -> None:
        self.heard: list[Heard] = []
        self.statuses = [200]
        self.seconds = 0.0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.take(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
                """Silent."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def take(self, request: http.server.BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        self.heard.append(Heard(request.path, dict(request.headers), body))
        time.sleep(self.seconds)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        with contextlib.suppress(OSError):  # who asked had no patience
            request.send_response(status)
            request.send_header("Content-Length", "2")
            request.end_headers()
            request.wfile.write(b"ok" if status == 200 else b"no")

    def until(self, count: int) -> list[Heard]:
        """Wait for so many requests."""
        wait_for(lambda: len(self.heard) >= count, f"{count} messages; heard {self.heard}")
        return self.heard

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


class Proxy:
    """An HTTPS proxy that takes everything itself, whatever host was asked for: what a herald really sends to a service."""

    def __init__(self, folder: Path) -> None:
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        line = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=everyone"]
        subprocess.run([*line, "-keyout", key, "-out", certificate], check=True, capture_output=True)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.heard: list[tuple[str, Heard]] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._door.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            try:
                wire, _ = self._door.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(wire,), daemon=True).start()

    def _talk(self, wire: socket.socket) -> None:
        with wire:
            head = _head(wire)
            host = head.split()[1].decode()
            wire.sendall(b"HTTP/1.1 200 here you are\r\n\r\n")
            # Who trusts nobody leaves at the certificate.
            with contextlib.suppress(ssl.SSLError), self._context.wrap_socket(wire, server_side=True) as safe:
                first, *lines = _head(safe).decode().split("\r\n")
                headers = dict(line.split(": ", 1) for line in lines if ": " in line)
                body = b""
                while len(body) < int(headers["Content-Length"]):
                    body += safe.recv(65536)
                self.heard.append((host, Heard(first.split()[1], headers, body)))
                safe.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    def close(self) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()


def _head(wire: socket.socket) -> bytes:
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        got += wire.recv(1)
    return got
