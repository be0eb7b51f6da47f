"""OpenAI's language: `/v1/models`, `/v1/chat/completions`, `/v1/completions`. A model's name says hero and step."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from flask import Flask, Response, g, jsonify, request

from realm_cli import champions
from realm_cli.errors import NotFoundError, RealmError
from realm_cli.generation import Reply
from realm_cli.oracleclient import Model
from realm_cli.web import status_of
from realm_oracle.asks import stops
from realm_oracle.desk import Desk, identity
from realm_oracle.openai_asks import ChatAsked, CompletionAsked, FieldError, read
from realm_oracle.pool import Loaded
from realm_oracle.streams import stream
from realm_oracle.worker import Prompt, Wanted

_MODEL = re.compile(r"([a-z0-9][a-z0-9_-]{0,63})@(?:step-(0|[1-9][0-9]{0,14})|(champion))")
CODES = {401: "invalid_api_key", 404: "model_not_found", 413: "body_too_large", 503: "unavailable"}
MODEL_HINT = "a model is named like dio@step-190000 or dio@champion"


def add(app: Flask, desk: Desk, body_limit: int) -> None:
    """The routes, and errors under `/v1/` in OpenAI's shape."""
    views = _Views(desk)

    def chat() -> Any:
        return views.chat()

    def complete() -> Any:
        return views.complete()

    chat.body_limit = complete.body_limit = body_limit  # type: ignore[attr-defined]
    app.add_url_rule("/v1/models", "v1_models", views.models)
    app.add_url_rule("/v1/models/<path:name>", "v1_model", views.model)
    app.add_url_rule("/v1/chat/completions", "v1_chat", chat, methods=["POST"])
    app.add_url_rule("/v1/completions", "v1_completions", complete, methods=["POST"])
    app.register_error_handler(FieldError, _field_error)
    app.after_request(_shaped)


@dataclass(frozen=True)
class _Kind:
    """How the two kinds of answers are worded."""

    name: str
    prefix: str
    whole: Callable[[str], dict[str, Any]]
    piece: Callable[[str], dict[str, Any]]
    stream_name: str


_CHAT = _Kind(
    "chat.completion", "chatcmpl", lambda text: {"message": {"role": "assistant", "content": text, "refusal": None}},
    lambda text: {"delta": {"content": text}}, "chat.completion.chunk",
)  # fmt: skip
_COMPLETION = _Kind(
    "text_completion", "cmpl", lambda text: {"text": text}, lambda text: {"text": text}, "text_completion"
)


class _Views:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def models(self) -> dict[str, Any]:
        """What is loaded."""
        return {"object": "list", "data": [_listed(model) for model in self._desk.pool.info().models]}

    def model(self, name: str) -> dict[str, Any]:
        """One loaded checkpoint."""
        return _listed(self._find(name).face())

    def chat(self) -> Any:
        """A reply to one conversation."""
        asked: ChatAsked = read(ChatAsked)
        return self._answer(asked, _CHAT, [[turn.message() for turn in asked.messages]])

    def complete(self) -> Any:
        """The continuation of one plain text or of several."""
        asked: CompletionAsked = read(CompletionAsked)
        prompts: list[Prompt] = [asked.prompt] if isinstance(asked.prompt, str) else [*asked.prompt]
        if not prompts:
            raise FieldError("prompt", "there is no prompt to continue", "send one or more")
        if asked.stream and len(prompts) != 1:
            raise FieldError("prompt", "several prompts are not streamed", "leave stream out, or send one prompt")
        return self._answer(asked, _COMPLETION, prompts)

    def _find(self, name: str) -> Loaded:
        """What a model's name means now."""
        match = _MODEL.fullmatch(name)
        if match is None:
            raise NotFoundError(f"'{name[:100]}' is no model here", MODEL_HINT)
        hero, step, sha256 = match[1], match[2], None
        self._desk.hero(hero)
        if step is None:
            champion = champions.read(self._desk.realm, hero)
            if champion is None:
                raise NotFoundError(f"{hero} has no champion", "name a step, or: realm champion promote")
            step, sha256 = champion.step, champion.weights_sha256
        return self._desk.checkpoint(hero, int(step), sha256)

    def _answer(self, asked: ChatAsked | CompletionAsked, kind: _Kind, prompts: list[Prompt]) -> Any:
        how = "stream" if asked.stream else "completion" if kind is _COMPLETION else "chat"
        wanted = self._desk.wanted(
            Wanted(
                prompts, asked.limit, asked.temperature or 0.0, asked.seed or 0, stops(asked.stop), self._desk.seconds,
                how,
            )
        )  # fmt: skip
        one = self._find(asked.model)
        head = {"id": f"{kind.prefix}-{secrets.token_hex(12)}", "created": int(time.time()), "model": one.id}
        if asked.stream:
            return self._stream(one, wanted, kind, head, with_usage=asked.wants_usage)
        with self._desk.asked(one, wanted) as begun:
            model = one.face()
            replies = begun.all()
        choices = [
            {"index": index, **kind.whole(reply.text), "logprobs": None, "finish_reason": reply.finish}
            for index, reply in enumerate(replies)
        ]
        return {**head, "object": kind.name, "choices": choices, "usage": _usage(replies), **_signed(model)}

    def _stream(self, one: Loaded, wanted: Wanted, kind: _Kind, head: dict[str, Any], *, with_usage: bool) -> Response:
        def chunk(choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
            usage = {"usage": None} if with_usage else {}
            return {**head, "object": kind.stream_name, "choices": choices, **usage, **more}

        def events(texts: Iterator[str], reply: Callable[[], Reply]) -> Iterator[dict[str, Any] | None]:
            if kind is _CHAT:
                opening = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
                yield chunk([opening], **_signed(one.face()))
            for text in texts:
                yield chunk([{"index": 0, **kind.piece(text), "finish_reason": None}])
            whole = reply()
            last: dict[str, Any] = {"delta": {}} if kind is _CHAT else {"text": ""}
            yield chunk([{"index": 0, **last, "finish_reason": whole.finish}], **_signed(one.face()))
            if with_usage:
                yield chunk([], usage=_usage([whole]))
            yield None

        return stream(self._desk, one, wanted, events, _stream_error)


def _listed(model: Model) -> dict[str, Any]:
    created = int(datetime.fromisoformat(model.loaded_at).timestamp())
    return {"id": model.id, "object": "model", "created": created, "owned_by": "realm", "realm": identity(model)}


def _usage(replies: list[Reply]) -> dict[str, int]:
    prompt, made = sum(reply.prompt_tokens for reply in replies), sum(reply.tokens for reply in replies)
    return {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}


def _signed(model: Model) -> dict[str, Any]:
    return {"system_fingerprint": model.weights_sha256[:16], "realm": identity(model)}


# -- errors ------------------------------------------------------------------------------------------------------


def _error(status: int, message: str, code: str | None, param: str | None) -> dict[str, Any]:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _field_error(error: FieldError) -> Response:
    g.field = error.field
    response = jsonify({"error": error.message, "hint": error.hint})
    response.status_code = 400
    return response


def _stream_error(error: RealmError) -> dict[str, Any]:
    status = status_of(error)
    return _error(status, _sentence(error.message, error.hint), CODES.get(status), None)


def _shaped(response: Response) -> Response:
    """Errors under `/v1/`, whoever worded them, in OpenAI's shape."""
    if response.status_code < 400 or not request.path.startswith("/v1/") or response.mimetype != "application/json":
        return response
    said = msgspec.json.decode(response.get_data())
    message = _sentence(str(said.get("error", "")), str(said.get("hint", "")))
    field = g.get("field")
    code = "unknown_or_wrong_field" if field else CODES.get(response.status_code)
    if response.status_code == 404 and request.endpoint is None:
        code = "unknown_url"
    response.set_data(msgspec.json.encode(_error(response.status_code, message, code, field)))
    return response


def _sentence(message: str, hint: str) -> str:
    return f"{message} ({hint})" if hint else message
