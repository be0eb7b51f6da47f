"""One server that speaks OpenAI's language: its list of models and its streams of pieces. Trusts nothing it says.

A status of 200 proves nothing: an answer without choices, with an error in it, of another model or without its end is
an error. Nothing but the standard library carries it.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from realm_cli.config import OracleServer
from realm_cli.errors import AwayError, NotFoundError, RealmError, RefusedError, UsageError, nearest

LOOK_SECONDS = 10.0
ASK_SECONDS = 300.0
"""How long no piece may come."""


class Wire:
    """Asks one server for one model."""

    def __init__(self, server: OracleServer, model: str) -> None:
        self.url = server.url.rstrip("/")
        self.model = model
        self._key_name = server.key_env

    def listed(self) -> dict[str, Any]:
        """The model's entry in `/models`. Raises `NotFoundError` with the names there are."""
        with self._open("/models", None, LOOK_SECONDS) as answer:
            said = self._decoded(answer.read())
        entries = said.get("data")
        if not isinstance(entries, list):
            raise self._strange("has no list of models", said)
        known = {str(entry.get("id")): entry for entry in entries if isinstance(entry, dict)}
        if self.model not in known:
            raise NotFoundError(f"{self.url} has no model '{self.model}'", nearest(self.model, known))
        return known[self.model]

    def pieces(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The chunks of a stream. Raises when it breaks off, or is none."""
        with self._open(path, {**body, "model": self.model, "stream": True}, ASK_SECONDS) as answer:
            if "text/event-stream" not in answer.headers.get("Content-Type", ""):
                raise self._strange("answered without a stream", answer.read(2000))
            for line in self._lines(answer):
                if line == b"[DONE]":
                    return
                yield self._checked(self._decoded(line))
        raise AwayError(f"{self.url} broke off in the middle of a reply", "ask again")

    def _checked(self, chunk: dict[str, Any]) -> dict[str, Any]:
        if chunk.get("error") or not isinstance(chunk.get("choices"), list):
            raise self._strange("answered without a reply", chunk)
        if chunk.get("model") not in (self.model, None):
            raise RefusedError(
                f"{self.url} was asked as '{self.model}' and answered as '{str(chunk['model'])[:100]}'",
                "correct oracle.servers in configs/realm.yaml",
            )
        return chunk

    def _lines(self, answer: Any) -> Iterator[bytes]:
        try:
            for line in answer:
                if line.startswith(b"data:"):
                    yield line[5:].strip()
        except (OSError, http.client.HTTPException) as error:
            raise AwayError(f"{self.url} broke off in the middle of a reply: {error}", "ask again") from None

    def _decoded(self, text: bytes) -> dict[str, Any]:
        try:
            said = json.loads(text)
        except ValueError:
            raise self._strange("answered with what is no JSON", text) from None
        if not isinstance(said, dict):
            raise self._strange("answered with what is no JSON object", text)
        return said

    def _strange(self, problem: str, said: Any) -> RealmError:
        shown = said.decode("utf-8", "replace") if isinstance(said, bytes) else json.dumps(said, ensure_ascii=False)
        return RealmError(f"{self.url} {problem}: {shown[:200]}", "look into that server's log")

    def _open(self, path: str, body: dict[str, Any] | None, seconds: float) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if self._key_name:
            headers["Authorization"] = f"Bearer {self._key()}"
        data = None if body is None else json.dumps(body).encode()
        try:
            return urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=seconds)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error.code, error.read(2000)) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise AwayError(f"{self.url} does not answer: {reason}", "does that server run?") from None

    def _key(self) -> str:
        key = os.environ.get(self._key_name, "")
        if not key:
            raise RefusedError(f"{self.url} needs a key, and {self._key_name} is not set", f"set {self._key_name}")
        return key

    def _refused(self, code: int, text: bytes) -> RealmError:
        try:
            said = json.loads(text)["error"]
            words = str(said["message"] if isinstance(said, dict) else said)
        except (ValueError, KeyError, TypeError):
            words = text.decode("utf-8", "replace")
        kinds: dict[int, type[RealmError]] = {400: UsageError, 401: RefusedError, 404: NotFoundError, 503: AwayError}
        return kinds.get(code, RealmError)(f"{self.url} refused with status {code}: {words[:200]}")
