"""Request bodies: what they say, and a limit on their time: a client that sends byte by byte does not hold a thread for ever."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import msgspec
from werkzeug.exceptions import BadRequest, RequestTimeout

from realm_cli.errors import UsageError

GRACE_SECONDS = 10.0
SLOWEST = 2_000.0
"""Bytes a second, on average, that a body has to come with after the grace."""
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def decoded(body: bytes) -> Any:
    """What a body of JSON says. Raises `UsageError`."""
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        if _has_half_characters(body):
            problem = "a text in the body holds half of a surrogate pair (\\ud800 to \\udfff), which is no character"
            raise UsageError(problem, "send whole characters") from None
        raise UsageError(f"the body is not JSON: {error}", "send one JSON object") from None


def _has_half_characters(body: bytes) -> bool:
    """Whether that is all that is wrong with a body: the standard library takes such texts."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return _SURROGATE.search(body) is not None


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
