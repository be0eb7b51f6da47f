"""Who may ask a web service of the realm for what: the token, the Host and Origin checks, the protection of forms.

Nothing here knows Flask: what a request says comes in as plain values, and what is wrong with it goes out as a `Denial`.
Binding to the loopback interface trusts every user of the machine, as the realm's files do; any other binding asks for
the token with every request.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from realm_cli.errors import FormatError, StorageError
from realm_cli.realm import Realm

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
OPEN_PATHS = ("/health", "/login")
"""Answered without the token; so is everything under `/static/`."""
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
CSRF_HEADER = "X-Realm-Csrf"
"""As headers are spelled in the mappings here: every word with a capital."""
TOKEN_BYTES = 32
_TOKEN = re.compile(rf"[!-~]{{{TOKEN_BYTES},}}")


@dataclass(frozen=True)
class Denial:
    """Why a request is not answered."""

    status: int
    message: str
    hint: str = ""


def token_path(realm: Realm) -> Path:
    """Where the bearer token of all services lies, for its owner's eyes only."""
    return realm.status / "web.token"


def read_token(realm: Realm) -> str:
    """The realm's token, made at the first call (mode 0600). Raises `FormatError` when others can read the file."""
    path = token_path(realm)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _make_token(path)
        text, mode = path.read_bytes().decode("utf-8", "replace").strip(), path.stat().st_mode
    except OSError as error:
        raise StorageError("make the token", path, error) from error
    if mode & 0o077:
        raise FormatError(str(path), "other users may read the token", f"chmod 600 {path}, or delete it for a new one")
    if not _TOKEN.fullmatch(text):
        raise FormatError(str(path), "this is no token", "delete it, and a new one is made")
    return text


def _make_token(path: Path) -> None:
    """Write a new token unless there is one; the name appears with the whole content."""
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(TOKEN_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:  # another service was faster
        pass
    finally:
        draft.unlink()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a service that is bound to `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Safety:
    """The checks of one service. `open_to_all` is for services on the loopback interface."""

    def __init__(self, token: str, host: str, names: tuple[str, ...] = ()) -> None:
        self.needs_token = not is_loopback(host)
        own = socket.gethostname().lower()
        self._names = {*LOOPBACK_NAMES, host.lower(), own, f"{own}.local", *(name.lower() for name in names)}
        self._token = token

    def derived(self, purpose: str) -> str:
        """A secret for one purpose that does not give the token away."""
        return hmac.new(self._token.encode(), purpose.encode(), hashlib.sha256).hexdigest()

    @property
    def session(self) -> str:
        """What the browser's cookie holds after the login."""
        return self.derived("session")

    @property
    def csrf(self) -> str:
        """What a form of our own pages sends, and no other page can know."""
        return self.derived("csrf")

    def is_token(self, given: str) -> bool:
        """Whether `given` is the token."""
        return hmac.compare_digest(given.strip().encode(), self._token.encode())

    def knows(self, headers: Mapping[str, str], cookie: str) -> bool:
        """Whether the request brings the token, or the cookie of a login."""
        return self._has_bearer(headers) or hmac.compare_digest(cookie.encode(), self.session.encode())

    def _has_bearer(self, headers: Mapping[str, str]) -> bool:
        kind, _, given = headers.get("Authorization", "").partition(" ")
        return kind.lower() == "bearer" and self.is_token(given)

    def wrong_host(self, host: str) -> Denial | None:
        """A name that is not ours: with DNS rebinding a foreign page would speak to us under its own name."""
        name = _without_port(host).lower()
        if name in self._names or _is_address(name):
            return None
        return Denial(
            403,
            f"this service does not answer to the name '{name[:100]}'",
            "open it by address, or add it to web.names",
        )

    def cross_site(self, headers: Mapping[str, str], host: str, form_token: str) -> Denial | None:
        """A write that another page's script or form caused. `form_token` is the one in the form or the query."""
        if self._has_bearer(headers):
            return None
        origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
        if origin and origin not in (f"http://{host}", f"https://{host}"):
            return Denial(403, "this request comes from another site", "open the page of this service itself")
        if site and site not in ("same-origin", "none"):
            return Denial(403, "this request comes from another site", "open the page of this service itself")
        by_browser = bool(origin) or bool(site) or "Cookie" in headers
        given = headers.get(CSRF_HEADER) or form_token
        if by_browser and not hmac.compare_digest(given.encode(), self.csrf.encode()):
            return Denial(403, "this form is too old, or not of this page", "load the page again")
        return None


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0].removeprefix("[")
    return host.partition(":")[0]


def _is_address(name: str) -> bool:
    """An address cannot be rebound: no name server was asked."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
