"""Pages of the Tavern: what a plugin offers at the hook `realm_pages`, and what its views share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from flask import Blueprint, flash, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue

from realm_cli.errors import UsageError, nearest
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.web import wants_json
from realm_cli.webbody import decoded

T = TypeVar("T", bound=msgspec.Struct)
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
__all__ = ["Page", "data", "done", "fragment", "render", "wants_json"]


@dataclass(frozen=True)
class Page:
    """One page in the frame's navigation."""

    name: str
    title: str
    """Its name in the game."""
    plain: str
    """What it is, for those who chose plain names."""
    icon: str
    order: int
    path: str
    make: Callable[[Realm, Manager], Blueprint]
    """Makes the blueprint with all its routes, `/api/` ones too."""
    watches: Callable[[Realm], Iterable[Path]] | None = None
    """Files and folders whose changes are the topic of the page's name, for its `data-topics`."""


def render(template: str, **values: Any) -> str:
    """A page inside the frame."""
    return render_template(template, **values)


def fragment() -> str:
    """The part of the page that a script wants anew; empty for the whole page."""
    return request.args.get("fragment", "")


def data(schema: type[T]) -> T:
    """The body, JSON or a form, as `schema`. Raises `UsageError` for unknown fields and wrong types."""
    given: Any
    if not request.is_json and request.mimetype not in FORMS and request.get_data():
        raise UsageError("the body is of a kind that is not understood here", "send Content-Type: application/json")
    if request.is_json:
        given = decoded(request.get_data())
        strict = True
    else:
        given = {name: value for name, value in request.form.items() if name not in ("csrf", "back") and value != ""}
        strict = False
    if request.content_length and not request.form and len(request.get_data()) < request.content_length:
        raise UsageError("the body ended early", "send it again")
    known = [field.name for field in msgspec.structs.fields(schema)]
    if isinstance(given, dict):
        for name in given:
            if name not in known:
                raise UsageError(f"unknown field '{str(name)[:100]}'", nearest(str(name), known))
    try:
        return msgspec.convert(given, schema, strict=strict)
    except msgspec.ValidationError as error:
        raise UsageError(f"the request is not right: {error}", f"fields: {', '.join(known) or 'none'}") from None


def done(result: dict[str, Any], said: str, back: str) -> ResponseReturnValue:
    """The answer to a write: JSON for programs, the page `back` with a message for people."""
    if wants_json():
        return jsonify({**result, "said": said})
    flash(said)
    return redirect(back, 303)
