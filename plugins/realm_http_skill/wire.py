"""One skill server over the wire: time and size are bounded, what passes by itself is tried again, failures are worded.

Nothing but the standard library carries it. Whatever keeps the server from being of use is a `SkillAwayError`, so that
battles and evals wait for it rather than fail.
"""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from typing import Any

import msgspec

from realm_cli.errors import SkillAwayError
from realm_http_skill import timed

LOOK_SECONDS = 5.0
WORK_SECONDS = 60.0
"""For an answer with problems or a verdict, from the question to its last byte."""
TRIES = 3
PAUSE_SECONDS = 0.2
"""Before the second try; doubled with each further one."""
AWAY_SECONDS = 3.0
"""How long a server that did not answer is not asked again by this process."""
AWAY_SHARE = 2.0
"""So many times what the asking took, if that is more."""
BYTES = 64 * 1024 * 1024
PASSING = (429, 502, 503, 504)
"""Statuses after which a try later may help."""
TOKEN = "REALM_TOKEN"
"""The environment variable with the token that a server of another realm asks for."""
_SHOWN = 100
_away: dict[str, tuple[float, str]] = {}
"""Address → (until when it is not asked, why)."""


class _Stays(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: the token is for the server that the YAML names, and for no other."""

    def redirect_request(self, *_: Any) -> None:
        """Leave it an error."""


_OPENER = urllib.request.build_opener(_Stays, timed.Plain, timed.Secure)


class SkillServer:
    """Asks the server at `url` for the skill `skill`."""

    def __init__(self, skill: str, url: str) -> None:
        self.skill, self.url = skill, url.rstrip("/")
        self._token = ""

    def ask(self, path: str, body: dict[str, Any] | None = None, seconds: float = LOOK_SECONDS) -> Any:
        """The JSON at a path; with a body it is sent there. Raises `SkillAwayError`; `Missing` for a 404."""
        until, words = _away.get(self.url, (0.0, ""))
        if time.monotonic() < until:
            raise self.away(words)
        begun = time.monotonic()
        for attempt in range(TRIES):
            time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1) if attempt else 0.0)
            try:
                return self._decoded(path, self._answer(path, body, time.monotonic() + seconds))
            except _PassingError as passing:
                words = passing.words
            except TimeoutError:
                words = f"is too slow: no whole answer to {path} in {seconds:g} s"
                break
        spent = time.monotonic() - begun
        _away[self.url] = (time.monotonic() + max(AWAY_SECONDS, AWAY_SHARE * spent), words)
        raise self.away(words)

    def away(self, words: str, hint: str = "") -> SkillAwayError:
        """The error that says what is wrong with this server."""
        remedy = f"start or mend the server, or `api:` in configs/skills/{self.skill}.yaml; what needs it waits"
        return SkillAwayError(f"the server of skill '{self.skill}' at {self.url} {words}", hint or remedy)

    def garbled(self, path: str, said: object, problem: str) -> SkillAwayError:
        """The error for an answer that is none."""
        return self.away(f"answers {path} with what is no answer: {problem}; it said: {shown(said)}")

    def _decoded(self, path: str, data: bytes) -> Any:
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self.garbled(path, data[: 4 * _SHOWN].decode("utf-8", "replace"), "it is not JSON") from None

    def _answer(self, path: str, body: dict[str, Any] | None, deadline: float) -> bytes:
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            with _OPENER.open(request, timeout=max(0.1, deadline - time.monotonic())) as answer:
                return self._read(path, answer)
        except urllib.error.HTTPError as error:
            with error:
                return self._refused(path, body, deadline, error)
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException) as error:
            if isinstance(getattr(error, "reason", None), TimeoutError):
                raise TimeoutError from None
            said = shown(str(getattr(error, "reason", error)) or type(error).__name__)
            raise _PassingError(f"does not answer: {said}") from None

    def _read(self, path: str, answer: Any) -> bytes:
        """The body, in pieces, so that there is an end to its size."""
        pieces, size = [], 0
        while piece := answer.read1(65536):
            pieces.append(piece)
            size += len(piece)
            if size > BYTES:
                raise self.away(f"answers {path} with more than {BYTES // 2**20} MiB")
        if answer.length:
            raise _PassingError(f"broke off in the middle of its answer to {path}")
        return b"".join(pieces)

    def _refused(self, path: str, body: dict[str, Any] | None, deadline: float, error: urllib.error.HTTPError) -> bytes:
        """What an HTTP error means; after a question for the token the answer, when there is one to give."""
        if error.code == 401:
            self._token, given = os.environ.get(TOKEN, ""), self._token
            if given or not self._token:
                raise self.away(
                    "asks for its token", f"set {TOKEN} to what stands in status/web.token of the realm there"
                )
            return self._answer(path, body, deadline)
        said = _words(error)
        if error.code == 404:
            raise Missing(f"has no {path.partition('?')[0]}: {said}")
        if error.code in PASSING:
            raise _PassingError(f"answers {path} with status {error.code}: {said}")
        raise self.away(f"answers {path} with status {error.code}: {said}")


class Missing(Exception):  # noqa: N818 - it is no error before someone needs what is missing
    """The server has nothing at this path."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class _PassingError(Exception):
    """What may be over at the next try."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


def _words(error: urllib.error.HTTPError) -> str:
    """What the server says, its `error` where it is one of Realm's."""
    try:
        text = error.read(65536)
    except (OSError, http.client.HTTPException):
        return "nothing more"
    try:
        said = msgspec.json.decode(text)
        return shown(said["error"])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError, IndexError):
        return shown(text.decode("utf-8", "replace"))


def shown(said: object) -> str:
    """A piece of what a server said on one line, safe for a terminal."""
    text = said if isinstance(said, str) else repr(said)
    safe = "".join(char if char.isprintable() else " " for char in text[: 4 * _SHOWN])
    safe = " ".join(safe.split())
    return (safe if len(safe) <= _SHOWN else safe[: _SHOWN - 1] + "…") or "nothing"
