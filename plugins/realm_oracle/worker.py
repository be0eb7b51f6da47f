"""One thread for each loaded checkpoint: it steps the session in which all its conversations are answered together.

Requests hand conversations in and wait; the thread never waits for them. A conversation gets a place in the session when
one is free, and the request with the fewest places comes first, so that a batch of a thousand keeps no single chat waiting.
A text that nobody fetches yet is kept, which a reply's limit bounds, so a slow client holds nobody up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from realm_cli.errors import AwayError, RealmError
from realm_cli.generation import Generator, Message, Piece, Reply, Session, session_of
from realm_cli.profiles import Profile

log = logging.getLogger("realm.oracle")
LOOK_SECONDS = 0.5
"""How often a request that waits looks whether its client is still there."""
STUCK_SECONDS = 300.0
"""A step that takes longer than this hangs."""
Prompt = Sequence[Message] | str


class GoneError(RealmError):
    """The client has left, so nobody waits for the answer."""


@dataclass(frozen=True)
class Wanted:
    """What one request asks for."""

    conversations: Sequence[Prompt]
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    stop: Sequence[str] = ()
    seconds: float = 900.0
    """How long it may take."""
    kind: str = "chat"
    profile: Profile | None = None
    """None = the checkpoint's own."""


@dataclass
class Request:
    """A request that is being answered. Its fields are guarded by the worker's lock, which its condition shares."""

    wanted: Wanted
    condition: threading.Condition
    left: Callable[[], bool]
    """Whether the client has gone."""
    replies: list[Reply | None]
    begun: float = field(default_factory=time.monotonic)
    text: str = ""
    """What was made and not fetched yet."""
    tokens: int = 0
    open: int = 0
    seated: int = 0
    """How many of the conversations have got a place."""
    places: int = 0
    """How many have one now."""
    error: RealmError | None = None
    is_given_up: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether all replies are there, or none will be."""
        return self.open == 0 or self.error is not None or self.is_given_up

    def all(self) -> list[Reply]:
        """All replies, in the order of the conversations."""
        for _ in self.pieces():
            pass
        return [reply for reply in self.replies if reply is not None]

    def pieces(self) -> Iterator[str]:
        """The texts as they come. Raises what ended the request; leaving early gives it up."""
        try:
            while True:
                text, ended = self._next()
                if text:
                    yield text
                elif ended:
                    return
        finally:
            self.give_up()

    def _next(self) -> tuple[str, bool]:
        with self.condition:
            while not self.text and not self.has_ended:
                if time.monotonic() - self.begun > self.wanted.seconds:
                    raise AwayError(
                        f"the request took longer than {self.wanted.seconds:g} s, so it was given up",
                        "ask for less at a time, or raise oracle.max_seconds",
                    )
                if not self.condition.wait(LOOK_SECONDS) and self.left():
                    raise GoneError("the client has gone")
            if self.error is not None:
                raise self.error
            text, self.text = self.text, ""
            return text, self.has_ended

    def give_up(self) -> None:
        """Nobody waits any more: what is not answered is dropped."""
        with self.condition:
            if not self.has_ended:
                self.is_given_up = True


class Worker:
    """Answers as one checkpoint."""

    def __init__(self, generator: Generator, name: str) -> None:
        self._generator = generator
        self._session: Session = session_of(generator)
        self._lock = threading.RLock()
        self._condition = threading.Condition(self._lock)
        """What the thread waits for; every request waits for a condition of its own."""
        self._queue: list[Request] = []
        """Requests with conversations that wait for a place, in the order they came."""
        self._places: dict[int, tuple[Request, int]] = {}
        """Ticket → (request, which of its conversations)."""
        self._ends = False
        self._stepping_since: float | None = None
        self.tokens = 0
        """Generated since the start."""
        self._thread = threading.Thread(target=self._work, name=f"oracle {name}", daemon=True)
        self._thread.start()

    def ask(self, wanted: Wanted, left: Callable[[], bool]) -> Request:
        """Begin to answer."""
        count = len(wanted.conversations)
        request = Request(wanted, threading.Condition(self._lock), left, [None] * count, open=count)
        with self._condition:
            if count:
                self._queue.append(request)
            self._condition.notify_all()
        return request

    def is_stuck(self) -> bool:
        """Whether a step hangs."""
        since = self._stepping_since
        return not self._thread.is_alive() or (since is not None and time.monotonic() - since > STUCK_SECONDS)

    def close(self) -> None:
        """End the thread; what still waits is told."""
        with self._condition:
            self._ends = True
            self._condition.notify_all()
        self._thread.join()
        self._session.close()

    # -- the thread ----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._condition:
                while not self._queue and not self._places and not self._ends:
                    self._condition.wait()
                if self._ends:
                    away = AwayError("the checkpoint was unloaded meanwhile", "load it again")
                    self._fail([*self._queue, *(request for request, _ in self._places.values())], away)
                    return
                dropped = [ticket for ticket, (request, _) in self._places.items() if request.has_ended]
            self._stepping_since = time.monotonic()
            self._drop(dropped)
            self._seat()
            self._step()
            self._stepping_since = None

    def _seat(self) -> None:
        """Fill the places that are free."""
        while not self._places or self._session.has_room:
            request = self._next()
            if request is None:
                return
            self._begin(request)

    def _next(self) -> Request | None:
        """Whose conversation gets the next place: the request with the fewest, of several the one that came first."""
        with self._lock:
            self._queue = [
                each for each in self._queue if not each.has_ended and each.seated < len(each.replies)
            ]  # fmt: skip
            return min(self._queue, key=lambda each: each.places, default=None)

    def _begin(self, request: Request) -> None:
        """Give a request's next conversation a place."""
        wanted, number = request.wanted, request.seated
        request.seated += 1
        try:
            ticket = self._session.add(
                wanted.conversations[number], max_tokens=wanted.max_tokens, temperature=wanted.temperature,
                seed=wanted.seed, number=number, stop=wanted.stop, profile=wanted.profile,
            )  # fmt: skip
        except Exception as error:  # the edge of a back end
            with self._lock:
                self._fail([request], _worded(error))
            return
        request.places += 1
        self._places[ticket] = (request, number)

    def _drop(self, tickets: list[int]) -> None:
        for ticket in tickets:
            del self._places[ticket]
            self._session.drop(ticket)

    def _step(self) -> None:
        try:
            pieces = self._session.step()
        except Exception as error:  # the edge of a back end: its other checkpoints answer on
            with self._lock:
                self._fail([request for request, _ in self._places.values()], _worded(error))
                self._places = {}
            self._session = session_of(self._generator)
            return
        with self._lock:
            for piece in pieces:
                self._deliver(piece)

    def _deliver(self, piece: Piece) -> None:
        request, number = self._places[piece.ticket]
        if piece.error is not None:
            request.error = piece.error
        elif piece.reply is not None:
            request.replies[number] = piece.reply
            request.open -= 1
            self.tokens += piece.reply.tokens
        request.tokens += 1
        if request.wanted.kind == "stream":
            request.text += piece.text
        if request.text or request.has_ended:
            request.condition.notify_all()
        if piece.reply is not None or piece.error is not None:
            del self._places[piece.ticket]
            request.places -= 1

    def _fail(self, requests: Iterable[Request], error: RealmError) -> None:
        for request in requests:
            request.error = request.error or error
            request.condition.notify_all()


def _worded(error: Exception) -> RealmError:
    if isinstance(error, RealmError):
        return error
    if isinstance(error, MemoryError):
        return RealmError("out of memory while answering", "ask for fewer or shorter replies at a time")
    log.error("a back end failed", exc_info=error)
    return RealmError(f"the back end failed: {type(error).__name__}: {error}", "the server's log says more")
