"""The description of a service's API, made from the same table as its routes, so that it stays true (OpenAPI 3.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

Answer = dict[str, Any]
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Route:
    """One operation."""

    method: str
    path: str
    """As Flask writes it."""
    view: Callable[..., Answer]
    schema: type[msgspec.Struct]
    """Of its answer."""
    body: type[msgspec.Struct] | None = None
    query: tuple[tuple[str, Answer], ...] = ()
    """(name, JSON schema) of what may stand behind the question mark."""
    refuses: tuple[int, ...] = ()
    """Further statuses with an error as their answer."""

    @property
    def summary(self) -> str:
        """The first line of the view's own words."""
        return (self.view.__doc__ or "").strip().partition("\n")[0]


class ErrorAnswer(msgspec.Struct):
    """What is wrong, and what to do."""

    error: str
    hint: str


def document(title: str, version: str, routes: Sequence[Route], parameters: Mapping[str, Answer]) -> Answer:
    """The whole description; `parameters` are the JSON schemas of what stands in paths."""
    structs = [ErrorAnswer, *(route.schema for route in routes), *(route.body for route in routes if route.body)]
    _, components = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    paths: dict[str, Answer] = {}
    for route in routes:
        paths.setdefault(_PARAMETER.sub(r"{\1}", route.path), {})[route.method.lower()] = _operation(route, parameters)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": paths,
    }


def _operation(route: Route, parameters: Mapping[str, Answer]) -> Answer:
    inside = [
        {"name": name, "in": "path", "required": True, "schema": parameters[name]}
        for name in _PARAMETER.findall(route.path)
    ]
    asked = [{"name": name, "in": "query", "schema": schema} for name, schema in route.query]
    statuses = {400, 401, 403, *route.refuses, *((404,) if inside else ()), *((413, 415) if route.body else ())}
    found: Answer = {
        "summary": route.summary,
        "operationId": route.view.__name__,
        "parameters": inside + asked,
        "responses": {"200": _response("what was asked for", route.schema)}
        | {str(status): _response("why not", ErrorAnswer) for status in sorted(statuses)},
    }
    if route.body:
        found["requestBody"] = {"required": True, "content": _content(route.body)}
    return found


def _response(words: str, schema: type[msgspec.Struct]) -> Answer:
    return {"description": words, "content": _content(schema)}


def _content(schema: type[msgspec.Struct]) -> Answer:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema.__name__}"}}}
