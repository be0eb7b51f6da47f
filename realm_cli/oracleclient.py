"""A client of the Oracle's server, here or on another machine. Nothing but the standard library carries it.

Every answer names the weights that gave it. Errors of the other side come back as the same kinds of `RealmError`.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from realm_cli import services
from realm_cli.errors import AwayError, FormatError, NotFoundError, RealmError, RefusedError, UsageError
from realm_cli.generation import Message
from realm_cli.hosts import Hosts
from realm_cli.realm import Realm
from realm_cli.websafety import token_path

T = TypeVar("T", bound=msgspec.Struct)
LOOK_SECONDS = 10.0
LOAD_SECONDS = 1_800.0
CHAT_SECONDS = 900.0
"""How long nothing may come from the server, which itself ends a request that takes too long."""
TOKEN = "REALM_TOKEN"
"""The environment variable with the other realm's token, for services beyond the loopback interface."""
MAX_TOKENS = 256
START = "start it there: realm oracle serve"


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One loaded checkpoint."""

    id: str
    """As OpenAI's clients name it: `dio@step-190000`."""
    model: str
    """Canonical name of the checkpoint; for step 0 the name of the hero's base model."""
    model_path: str
    """Its folder on the server's machine, or the address of the server that runs it."""
    hero: str
    step: int
    weights_sha256: str
    """Empty where the back end cannot tell."""
    backend: str
    identity: Literal["verified", "claimed"]
    """verified: the weights were hashed when they were loaded; claimed: another server says so."""
    profile: str = "none"
    """Stamp of the data profile under which it is asked unless a request names another."""
    memory: int = 0
    """Bytes that it takes, as measured when it was loaded."""
    pinned: bool = False
    running: int = 0
    """Conversations that it answers or that wait for it."""
    loaded_at: str = ""
    idle_s: float = 0.0
    """Seconds since its last request."""
    note: str = ""
    """What a reader should know: its files were deleted meanwhile."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One reply and the weights that gave it."""

    response: str
    """The whole reply, with all that the data profile asks for."""
    finish: Literal["stop", "length"]
    tokens: int
    """Generated tokens, the end token included."""
    prompt_tokens: int
    model: str
    model_path: str
    hero: str
    step: int
    weights_sha256: str
    backend: str
    identity: Literal["verified", "claimed"]
    profile: str = "none"
    """Stamp of the data profile under which it was asked."""
    note: str = ""


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """What the server holds."""

    models: list[Model]
    model_count: int
    memory: int
    """Bytes that the loaded checkpoints take together."""
    max_memory: int
    """Bytes that they may take; 0 = what the machine has free."""
    loading: list[str] = []
    """Ids of checkpoints that are being loaded."""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """One request that is being answered."""

    id: str
    """Of the model."""
    kind: str
    """chat, stream, batch or completion."""
    conversations: int
    tokens: int
    """Generated so far."""
    seconds: float


class OracleClient:
    """Asks one server."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/") if "://" in url else f"http://{url.rstrip('/')}"
        self._token = token or os.environ.get(TOKEN, "")

    # -- looking -------------------------------------------------------------------------------------------------

    def health(self) -> dict[str, Any]:
        """`status` is ok; `models`, `running` and what else the server says of itself."""
        return _object(self._ask("/health"), self.url)

    def is_available(self) -> bool:
        """Whether the server answers."""
        try:
            return self.health().get("status") == "ok"
        except RealmError:
            return False

    def info(self) -> Info:
        """What is loaded."""
        return self._as(Info, self._ask("/models/info"))

    def running(self) -> list[Running]:
        """What is being answered now."""
        found = _object(self._ask("/running"), self.url).get("requests", [])
        return [self._as(Running, each) for each in found]

    # -- loading -------------------------------------------------------------------------------------------------

    def load(self, step: int, *, hero: str | None = None, pin: bool | None = None, sha256: str | None = None) -> Model:
        """Load a checkpoint and wait for it. One that is loaded already stays.

        With `pin` it is kept until it is unloaded; False lets a pinned one go again, None changes nothing.

        With `sha256`, other weights are refused. Raises `NotFoundError` when the checkpoint is not on that machine.
        """
        body = _given(step=step, hero=hero, pin=pin, hash=sha256)
        return self._as(Model, self._ask("/load", body, LOAD_SECONDS))

    def unload(self, step: int, *, hero: str | None = None) -> Model:
        """Forget a checkpoint, pinned or not; what it answers just now is finished first."""
        return self._as(Model, self._ask("/unload", _given(step=step, hero=hero), LOAD_SECONDS))

    # -- asking --------------------------------------------------------------------------------------------------

    def chat(
        self, messages: Sequence[Message], step: int, *, hero: str | None = None, sha256: str | None = None,
        max_tokens: int = MAX_TOKENS, temperature: float = 0.0, seed: int = 0, stop: Sequence[str] = (),
        profile: str | None = None,
    ) -> Answer:  # fmt: skip
        """A reply to one conversation, greedy at temperature 0, under its own data profile or the named one. Raises `NotFoundError` when the step is not loaded."""
        body = _given(
            messages=_plain(messages), step=step, hero=hero, hash=sha256, max_tokens=max_tokens,
            temperature=temperature, seed=seed, stop=list(stop) or None, profile=profile,
        )  # fmt: skip
        return self._as(Answer, self._ask("/chat", body, CHAT_SECONDS))

    def chat_batch(
        self, conversations: Sequence[Sequence[Message]], step: int, *, hero: str | None = None,
        sha256: str | None = None, max_tokens: int = MAX_TOKENS, temperature: float = 0.0, seed: int = 0,
        stop: Sequence[str] = (),
    ) -> list[Answer]:  # fmt: skip
        """A reply to each conversation, in their order; the server answers them together."""
        if not conversations:
            return []
        body = _given(
            conversations=[_plain(each) for each in conversations], step=step, hero=hero, hash=sha256,
            max_tokens=max_tokens, temperature=temperature, seed=seed, stop=list(stop) or None,
        )  # fmt: skip
        replies = _object(self._ask("/chat", body, CHAT_SECONDS), self.url).get("replies")
        if not isinstance(replies, list) or len(replies) != len(conversations):
            raise FormatError(f"{self.url}/chat", "its answer has not one reply for each conversation", START)
        return [self._as(Answer, each) for each in replies]

    def chat_stream(
        self, messages: Sequence[Message], step: int, *, hero: str | None = None, sha256: str | None = None,
        max_tokens: int = MAX_TOKENS, temperature: float = 0.0, seed: int = 0, stop: Sequence[str] = (),
        profile: str | None = None,
    ) -> Iterator[str | Answer]:  # fmt: skip
        """The reply's text in pieces as it is made, and at the end the whole `Answer`. `profile` names a data profile.

        Closing the iterator ends the request on the server. Errors are raised at the first `next`, or where they come.
        """
        body = _given(
            messages=_plain(messages), step=step, hero=hero, hash=sha256, max_tokens=max_tokens,
            temperature=temperature, seed=seed, stop=list(stop) or None, stream=True, profile=profile,
        )  # fmt: skip
        with self._open("/chat", body, CHAT_SECONDS) as wire:
            for event in _events(wire, self.url):
                if "error" in event:
                    raise _kind(int(event.get("status", 500)))(f"{self.url}: {event['error']}", event.get("hint", ""))
                if "text" in event:
                    yield str(event["text"])
                else:
                    yield self._as(Answer, event)
                    return
        raise AwayError(f"{self.url} ended in the middle of a reply", "ask again")

    # -- the wire ------------------------------------------------------------------------------------------------

    def _as(self, kind: type[T], data: Any) -> T:
        try:
            return msgspec.convert(data, kind)
        except msgspec.ValidationError as error:
            raise FormatError(self.url, f"what answers there is not the Oracle ({error})", START) from None

    def _ask(self, path: str, body: dict[str, Any] | None = None, seconds: float = LOOK_SECONDS) -> Any:
        try:
            with self._open(path, body, seconds) as wire:
                return json.load(wire)
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise FormatError(self.url + path, "what answers there is no Realm service", "check the address") from None
        except (OSError, http.client.HTTPException) as error:
            raise self._away(error) from None

    def _open(self, path: str, body: dict[str, Any] | None, seconds: float) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            return urllib.request.urlopen(request, timeout=seconds)
        except urllib.error.HTTPError as error:
            with error:
                raise _error(error.code, error.read(), self.url) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._away(error) from None

    def _away(self, error: Exception) -> AwayError:
        return AwayError(f"the Oracle at {self.url} does not answer: {getattr(error, 'reason', error)}", START)


def find_oracle(realm: Realm, host: str | None = None) -> OracleClient:
    """The server of a machine in `hosts.yaml`; without a name, the one that this realm runs on this machine.

    Raises `NotFoundError` when none runs here or the host has no service `inference`.
    """
    if host is not None:
        return OracleClient(Hosts.of(realm).service_url("inference", host))
    found = services.running(realm, "oracle")
    if found is None:
        raise NotFoundError("the Oracle does not run here", "start it: realm oracle serve")
    return OracleClient(found.url, _own_token(token_path(realm)))


def _own_token(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""  # only asked for beyond the loopback interface, and then the refusal says so


def _plain(conversation: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in conversation]


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _object(data: Any, url: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise FormatError(url, "what answers there is no Realm service", "check the address")
    return data


def _events(wire: Any, url: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of a stream of server-sent events."""
    try:
        for line in wire:
            if line.startswith(b"data: "):
                yield _object(json.loads(line[6:]), url)
    except ValueError:
        raise FormatError(url, "its stream is damaged", "ask again") from None
    except (OSError, http.client.HTTPException) as error:
        raise AwayError(f"{url} ended in the middle of a reply: {error}", "ask again") from None


def _kind(code: int) -> type[RealmError]:
    kinds: dict[int, type[RealmError]] = {400: UsageError, 404: NotFoundError, 409: RefusedError, 503: AwayError}
    return kinds.get(code, RealmError)


def _error(code: int, text: bytes, url: str) -> RealmError:
    try:
        said = json.loads(text)
        words, hint = str(said["error"]), str(said["hint"])
    except (ValueError, KeyError, TypeError):
        words, hint = f"status {code}", ""
    if code == 401:
        return RefusedError(f"{url} asks for its token", f"set {TOKEN} to what stands in status/web.token there")
    return _kind(code)(f"{url}: {words}", hint)
