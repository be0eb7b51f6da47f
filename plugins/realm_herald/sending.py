"""Sending one message through apprise: to the services that it knows, and to webhooks in their formats."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from realm_cli import eventwords
from realm_cli.errors import UsageError
from realm_herald.records import Message
from realm_herald.settings import Target

if TYPE_CHECKING:
    import apprise

WEB = {"http": "json", "https": "jsons"}
NTFY = {"http": "ntfy", "https": "ntfys"}
ONLY = {"discord": "content", "slack": "text"}
"""What a webhook of this format calls its only key."""
NO_ADDRESS = "the url is none that a message can be sent to"
_UNWANTED = ("title", "version", "type", "attachments")
_TYPES = {eventwords.BAD: "failure", eventwords.GREAT: "success"}


def send(target: Target, message: Message, realm: str) -> str:
    """Send it; empty, or why it did not arrive. Takes some seconds at most."""
    import apprise

    said = _Said()
    logger = logging.getLogger("apprise")
    logger.addHandler(said)
    try:
        sender = _sender(address(target, message, realm))
        if sender is None:
            return NO_ADDRESS
        # Asked directly, the service works in this thread, so that what it says of its failure can be heard.
        arrived = sender.notify(
            body=_body(target, message, realm), title=f"Realm {realm}", notify_type=_TYPES.get(message.worth, "info"),
            body_format=apprise.NotifyFormat.TEXT,
        )  # fmt: skip
    except Exception as error:  # the edge of a library that speaks to a hundred services
        return target.without_secret(f"{type(error).__name__}: {error}")
    finally:
        logger.removeHandler(said)
    return "" if arrived else target.without_secret(said.last or "it was not taken")


def check(target: Target) -> str:
    """The address as it may be shown, without what is secret. Raises `UsageError` for one that nothing can be sent to."""
    message = Message(id="0", text="", event="", worth=eventwords.PLAIN, count=0, made_at="")
    found = _sender(address(target, message, ""))
    if found is None:
        raise UsageError(NO_ADDRESS, "ntfy://…, discord://…, slack://…, json://… or https://…")
    shown: str = found.url(privacy=True)
    return target.without_secret(shown.partition("?")[0])


def address(target: Target, message: Message, realm: str) -> str:
    """The URL for apprise. A plain webhook gets a body in the target's format; one that apprise knows stays as it is."""
    url, scheme = target.url, urlsplit(target.url).scheme
    if scheme in ("json", "jsons"):
        return _with(url, _facts(message, realm))
    if scheme not in WEB or (target.format == "auto" and _is_native(url)):
        return url
    if target.format == "ntfy":
        return NTFY[scheme] + url.removeprefix(scheme)
    keys = _facts(message, realm)
    if target.format in ONLY:
        keys = {":message": ONLY[target.format], **{f":{key}": "" for key in _UNWANTED}}
    query = {f"-{key}": value for key, value in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    return _with(WEB[scheme] + url.removeprefix(scheme).partition("?")[0], {**query, **keys})


def _facts(message: Message, realm: str) -> dict[str, str]:
    """What stands beside title, message and type in the generic format."""
    return {
        ":event": message.event, ":id": message.id, ":count": str(message.count), ":time": message.made_at,
        ":realm": realm, "+Idempotency-Key": message.id,
    }  # fmt: skip


def _with(url: str, keys: dict[str, str]) -> str:
    told = "&".join(f"{name[0]}{quote(name[1:], safe='')}={quote(value, safe='')}" for name, value in keys.items())
    return f"{url}{'&' if '?' in url else '?'}{told}"


def _is_native(url: str) -> bool:
    """Whether it is the address of a service, as its own pages show it."""
    return _sender(url) is not None


def _is_generic(target: Target) -> bool:
    """Whether a program reads it, which wants the text as it is."""
    scheme = urlsplit(target.url).scheme
    plain = target.format == "json" or (target.format == "auto" and not _is_native(target.url))
    return scheme in ("json", "jsons") or (scheme in WEB and plain)


def _body(target: Target, message: Message, realm: str) -> str:
    """The text; where it is the only thing that is shown, the realm's name goes before it."""
    text = message.text
    if not _is_generic(target):
        text = text.replace("@", "@\N{ZERO WIDTH SPACE}")  # names from outside call nobody
    alone = target.format in ONLY and urlsplit(target.url).scheme in WEB
    return f"Realm {realm}\n{text}" if alone else text


def _sender(url: str) -> Any:
    """The service behind an address; None when there is none."""
    import apprise

    return apprise.Apprise.instantiate(url, asset=_asset(), suppress_exceptions=True)


def _asset() -> apprise.AppriseAsset:
    import apprise

    asset = apprise.AppriseAsset(async_mode=False)
    asset.app_id = asset.app_desc = "Realm"
    asset.app_url = asset.image_url_mask = asset.image_url_logo = ""  # no pictures from other hosts
    return asset


class _Said(logging.Handler):
    """The last warning of the calling thread: apprise itself tells only that a message failed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.last = ""

    def emit(self, record: logging.LogRecord) -> Any:
        if record.thread == self._thread:
            self.last = record.getMessage().strip()
