"""The base of every web service: a Flask app that checks token, Host and Origin, bounds bodies and words its errors.

A service makes its app with `make_app`, adds its routes, and gives it to `webserver.serve`. Views raise `RealmError`;
here it becomes JSON for programs and a page for people.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from flask import Flask, Response, g, redirect, request
from flask.json.provider import JSONProvider
from werkzeug.exceptions import HTTPException

from realm_cli import errors, exposition
from realm_cli.errors import AwayError, RealmError, StorageError
from realm_cli.realm import Realm
from realm_cli.webbody import PacedInput
from realm_cli.websafety import OPEN_PATHS, UNSAFE, Denial, Safety, read_token

log = logging.getLogger("realm.web")

BODY_LIMIT = 1_000_000
"""Bytes of a body, unless the view function has a `body_limit` of its own."""
COOKIE_SECONDS = 180 * 86_400
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
STATUS = {
    errors.EXIT_FAILED: 500, errors.EXIT_USAGE: 400, errors.EXIT_REFUSED: 409, errors.EXIT_NOT_FOUND: 404,
    errors.EXIT_LOCKED: 409,
}  # fmt: skip
PageOfError = Callable[[int, str, str], str]


@dataclass
class Door:
    """Where a service listens, and under which further names it is reached."""

    host: str = "127.0.0.1"
    port: int = 0
    names: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The address for a browser on this machine."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


@dataclass
class Service:
    """What the base keeps for one app; `app.extensions["realm"]`."""

    name: str
    realm: Realm
    safety: Safety
    page_of_error: PageOfError | None = None
    gauges: Callable[[], dict[str, float]] = dict
    """Its own numbers, which `/metrics` calls `realm_<name>_…`."""
    metrics: Callable[[], list[exposition.Metric]] = list
    """Further ones, with names and labels of their own."""
    answers: Counter[int] = field(default_factory=Counter)


class _Json(JSONProvider):
    """JSON by msgspec, which knows the records."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return msgspec.json.encode(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return msgspec.json.decode(s)


def make_app(package: str, name: str, realm: Realm, door: Door, **flask_options: Any) -> Flask:
    """An app with the checks of all services, `/health`, `/metrics` and the login."""
    app = Flask(package, **flask_options)
    safety = Safety(read_token(realm), door.host, door.names)
    service = Service(name, realm, safety)
    app.extensions["realm"] = service
    app.json = _Json(app)
    app.secret_key = safety.derived("flask session")
    app.config.update(
        SESSION_COOKIE_SAMESITE="Strict", SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_NAME=f"{name}_notes",
        MAX_FORM_PARTS=200, MAX_FORM_MEMORY_SIZE=BODY_LIMIT,
    )  # fmt: skip
    app.before_request(lambda: _check(service))
    app.after_request(lambda response: _finish(service, response))
    app.register_error_handler(RealmError, lambda error: _realm_error(service, error))
    app.register_error_handler(HTTPException, lambda error: _http_error(service, error))
    app.register_error_handler(Exception, lambda error: _bug(service, error))
    app.add_url_rule("/health", "health", lambda: {"status": "ok", "service": name})
    app.add_url_rule("/metrics", "metrics", lambda: _metrics(service))
    app.add_url_rule("/login", "login_post", lambda: _login(service), methods=["POST"])
    return app


def service_of(app: Flask) -> Service:
    """What the base keeps for an app."""
    found: Service = app.extensions["realm"]
    return found


# -- the checks --------------------------------------------------------------------------------------------------


def _check(service: Service) -> Any:
    """Every request, before its view."""
    g.begun = time.perf_counter()
    view = request.endpoint and _view(request.endpoint)
    request.max_content_length = getattr(view, "body_limit", BODY_LIMIT)
    request.environ["wsgi.input"] = PacedInput(request.environ["wsgi.input"])
    if not request.headers.get("Content-Length", "0").isdigit():
        return _answer(service, 400, "Content-Length is no number", "")
    denial = service.safety.wrong_host(request.host)
    if denial is None and request.method in UNSAFE:
        denial = service.safety.cross_site(_headers(), request.host, _form_token())
    if denial is None and not _may_enter(service):
        if request.method == "GET" and not wants_json():
            return redirect("/login")
        denial = Denial(
            401, "this service needs the realm's token", "send it: Authorization: Bearer TOKEN (status/web.token)"
        )
    return None if denial is None else _answer(service, denial.status, denial.message, denial.hint)


def _view(endpoint: str) -> Any:
    from flask import current_app

    return current_app.view_functions.get(endpoint)


def _form_token() -> str:
    """From the query, for bodies that are streamed, or from a small form."""
    if "csrf" in request.args or request.mimetype != "application/x-www-form-urlencoded":
        return request.args.get("csrf", "")
    return request.form.get("csrf", "")


def _headers() -> dict[str, str]:
    return {name.title(): value for name, value in request.headers.items()}


def _may_enter(service: Service) -> bool:
    path = request.path
    if not service.safety.needs_token or path in OPEN_PATHS or path.startswith("/static/"):
        return True
    return service.safety.knows(_headers(), request.cookies.get(_cookie(service), ""))


def _cookie(service: Service) -> str:
    return f"{service.name}_{service.safety.derived('cookie name')[:8]}"


def _login(service: Service) -> Any:
    given = request.form.get("token", "")
    if not service.safety.is_token(given):
        return _answer(service, 401, "that is not the token", "it stands in status/web.token of the realm")
    response = redirect("/", 303)
    response.set_cookie(
        _cookie(service), service.safety.session, max_age=COOKIE_SECONDS, httponly=True, samesite="Strict"
    )
    return response


# -- the answers -------------------------------------------------------------------------------------------------


def wants_json() -> bool:
    """Whether a program asks: under `/api/`, or by its Accept header, or with a JSON body."""
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return request.path.startswith(("/api/", "/metrics")) and not _is_form() or request.is_json or best != "text/html"


def _is_form() -> bool:
    """A form that a browser sent without scripts, which wants a page as its answer."""
    forms = ("application/x-www-form-urlencoded", "multipart/form-data")
    return request.mimetype in forms and "text/html" in request.headers.get("Accept", "")


def _answer(service: Service, status: int, message: str, hint: str) -> Response:
    if wants_json() or service.page_of_error is None:
        body = msgspec.json.encode({"error": message, "hint": hint})
        response = Response(body, status, mimetype="application/json")
    else:
        response = Response(service.page_of_error(status, message, hint), status)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="realm"'
    if request.content_length and status in (401, 403, 408, 413):
        response.headers["Connection"] = "close"  # the body was not read
    return response


def status_of(error: RealmError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, AwayError):
        return 503
    return 507 if isinstance(error, StorageError) else STATUS[error.exit_code]


def _realm_error(service: Service, error: RealmError) -> Response:
    return _answer(service, status_of(error), error.message, error.hint)


def _http_error(service: Service, error: HTTPException) -> Response:
    code = error.code or 500
    if error.response is not None or code < 400:
        return error.get_response()  # type: ignore[return-value]
    words = {404: "there is nothing here", 405: "this address does not take that method", 413: "the body is too large"}
    response = _answer(service, code, words.get(code, error.description or error.name), "")
    response.headers.extend(
        (name, value) for name, value in error.get_headers() if name.lower() not in ("content-type", "content-length")
    )
    return response


def _bug(service: Service, error: Exception) -> Response:
    """Not the asker's fault: the traceback goes to the service's log, the page says so."""
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return _answer(service, 500, f"this page failed: {type(error).__name__}", "its log says more; please report it")


def _finish(service: Service, response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.path.startswith("/static/"):
        response.headers["Cache-Control"] = "no-cache"  # asked for again, answered 304 while it is the same
    else:
        response.headers.setdefault("Cache-Control", "no-store")
    service.answers[response.status_code] += 1
    return response


def _metrics(service: Service) -> Response:
    """The text format of Prometheus."""
    prefix = f"realm_{service.name}"
    answers = [({"status": str(code)}, float(count)) for code, count in sorted(service.answers.items())]
    found = [
        exposition.Metric(f"{prefix}_answers_total", "Answers by HTTP status.", "counter", answers),
        *(
            exposition.gauge(f"{prefix}_{name}", name.replace("_", " "), value)
            for name, value in service.gauges().items()
        ),
        *service.metrics(),
    ]
    return Response(exposition.render(found), mimetype=exposition.MIMETYPE)
