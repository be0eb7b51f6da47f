"""Request bodies with a limit on their time: a client that sends byte by byte does not hold a thread for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from werkzeug.exceptions import BadRequest, RequestTimeout

GRACE_SECONDS = 10.0
SLOWEST = 2_000.0
"""Bytes a second, on average, that a body has to come with after the grace."""


class PacedInput:
    """The input of one request; reading it raises 408 when the sender is too slow."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._begun = time.monotonic()
        self._got = 0

    def _count(self, data: bytes) -> bytes:
        self._got += len(data)
        seconds = time.monotonic() - self._begun
        if seconds > GRACE_SECONDS and self._got < SLOWEST * (seconds - GRACE_SECONDS):
            raise RequestTimeout("the body comes too slowly")
        return data

    def read(self, size: int = -1) -> bytes:
        """Bytes of the body."""
        # In small pieces: a reader that waits for a megabyte would look at the clock too late.
        return self._count(self._take(self._stream.read, min(size, 65536) if size >= 0 else size))

    def readline(self, size: int = -1) -> bytes:
        """A line of the body."""
        return self._count(self._take(self._stream.readline, size))

    def _take(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            return read(size)
        except TimeoutError:
            raise RequestTimeout("the body does not come") from None
        except ValueError as error:  # the server's word for chunks that are none
            raise BadRequest(f"the body is damaged: {error}") from None
