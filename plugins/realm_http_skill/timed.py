"""Openers for `urllib` whose timeout is for a whole answer: a socket's own is for each piece, however small."""

from __future__ import annotations

import functools
import http.client
import io
import socket
import time
import urllib.request
from typing import Any


class _Timed(io.RawIOBase):
    """What a socket receives until a deadline."""

    def __init__(self, sock: socket.socket, received: io.BufferedReader, deadline: float) -> None:
        super().__init__()
        self._sock, self._received, self._deadline = sock, received, deadline

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Some bytes. Raises `TimeoutError` after the deadline, even where bytes keep coming."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._received.raw.readinto(buffer)

    def close(self) -> None:
        """Close what it reads from."""
        self._received.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """An answer that is whole by the deadline: status, headers and body."""

    def __init__(self, deadline: float, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Timed(sock, self.fp, deadline))


class _Connection(http.client.HTTPConnection):
    """Its timeout is for all of question and answer."""

    def connect(self) -> None:
        """Connect, with the time running."""
        deadline = time.monotonic() + float(self.timeout or 0.0)
        super().connect()
        self.response_class = functools.partial(_TimedResponse, deadline)  # type: ignore[assignment]


class _SecureConnection(_Connection, http.client.HTTPSConnection):
    """The same over TLS."""


class Plain(urllib.request.HTTPHandler):
    """Opens http:// so."""

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """The answer, whatever its status."""
        return self.do_open(_Connection, request)


class Secure(urllib.request.HTTPSHandler):
    """Opens https:// so."""

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """The answer, whatever its status."""
        return self.do_open(_SecureConnection, request)
