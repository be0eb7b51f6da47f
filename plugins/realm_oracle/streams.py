"""Server-sent events of one reply: opened only when its first piece or its error is there, ended with its client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
from flask import Response

from realm_cli.errors import RealmError
from realm_cli.generation import Reply
from realm_cli.web import status_of
from realm_oracle.desk import Desk
from realm_oracle.pool import Loaded
from realm_oracle.worker import GoneError, Request, Wanted

Events = Callable[[Iterator[str], Callable[[], Reply]], Iterator[Any]]
"""(the text's pieces, the whole reply once they are through) → the events; None becomes `[DONE]`."""
OfError = Callable[[RealmError], Any]


def stream(desk: Desk, one: Loaded, wanted: Wanted, events: Events, of_error: OfError) -> Response:
    """The answer to a request, in pieces. What goes wrong before the first piece is raised."""
    held = ExitStack()
    try:
        request = held.enter_context(desk.asked(one, wanted))
        pieces = request.pieces()
        first = next(pieces, None)
    except BaseException:
        held.close()
        raise
    body = _body(request, first, pieces, events, of_error)
    response = Response(body, mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})
    response.call_on_close(held.close)  # also when the client is gone before the first line
    return response


def _body(
    request: Request, first: str | None, pieces: Iterator[str], events: Events, of_error: OfError
) -> Iterator[bytes]:
    def texts() -> Iterator[str]:
        if first is not None:
            yield first
        yield from pieces

    def reply() -> Reply:
        (found,) = request.replies
        assert found is not None
        return found

    try:
        for event in events(texts(), reply):
            yield _line(event)
    except GoneError:
        return
    except RealmError as error:
        yield _line(of_error(error))


def _line(event: Any) -> bytes:
    return b"data: " + (b"[DONE]" if event is None else msgspec.json.encode(event)) + b"\n\n"


def plain_error(error: RealmError) -> dict[str, Any]:
    """As the Oracle's own clients read it."""
    return {"error": error.message, "hint": error.hint, "status": status_of(error)}
