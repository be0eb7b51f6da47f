"""Clients of the vault's service on another machine. Nothing but the standard library carries them."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.errors import AwayError, FormatError, NotFoundError, RealmError, RefusedError, UsageError
from realm_cli.hosts import Hosts, hosts_file
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm

LOOK_SECONDS = 10.0
MOVE_SECONDS = 86_400.0
TOKEN = "REALM_TOKEN"
"""The environment variable with the other realm's token, for services beyond the loopback interface."""
PAGE = 1000


class _Client:
    """Asks one service. Errors of the other side come back as the same kinds of `RealmError`."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/") if "://" in url else f"http://{url.rstrip('/')}"
        self._token = token or os.environ.get(TOKEN, "")

    def ask(self, path: str, body: dict[str, Any] | None = None, seconds: float = LOOK_SECONDS) -> Any:
        """The JSON at a path; with a body it is sent there."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise _error(error.code, error.read(), self.url) from None
        except json.JSONDecodeError:
            raise FormatError(self.url + path, "what answers there is no Realm service", "check the address") from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise AwayError(f"{self.url} does not answer: {reason}", "does it run there? realm vault serve") from None


def _error(code: int, text: bytes, url: str) -> RealmError:
    try:
        said = json.loads(text)
        words, hint = str(said["error"]), str(said["hint"])
    except (ValueError, KeyError, TypeError):
        words, hint = f"status {code}", ""
    if code == 401:
        return RefusedError(f"{url} asks for its token", f"set {TOKEN} to what stands in status/web.token there")
    kinds: dict[int, type[RealmError]] = {400: UsageError, 404: NotFoundError, 409: RefusedError, 503: AwayError}
    return kinds.get(code, RealmError)(f"{url}: {words}", hint)


class RemoteLedgerClient:
    """The ledger of another realm's active hero, with the interface of the local one. `url` ends in `/api/ledger`."""

    def __init__(self, url: str, token: str = "") -> None:
        base = url.rstrip("/").removesuffix("/api/ledger")
        self._client = _Client(base, token)

    def is_available(self) -> bool:
        """Whether the service answers."""
        try:
            return bool(self._client.ask("/health")["status"] == "ok")
        except RealmError:
            return False

    def get(self, step: int) -> LedgerRecord:
        """One checkpoint's record."""
        return _record(self._client.ask(f"/api/ledger/{int(step)}"))

    def get_best(self, metric: str = "train_loss") -> LedgerRecord:
        """The record with the lowest metric."""
        return _record(self._client.ask(f"/api/ledger/best?{urllib.parse.urlencode({'metric': metric})}"))

    def get_latest(self) -> LedgerRecord:
        """The newest record."""
        newest = self.list_all(1)
        if not newest:
            raise NotFoundError("there is no checkpoint yet", "train one: realm battle start")
        return newest[0]

    def list_all(self, limit: int | None = 20) -> list[LedgerRecord]:
        """Records, newest first."""
        found: list[LedgerRecord] = []
        while limit is None or len(found) < limit:
            count = PAGE if limit is None else min(PAGE, limit - len(found))
            page = self._client.ask(f"/api/ledger?limit={count}&offset={len(found)}")
            found += [_record(entry) for entry in page["checkpoints"]]
            if not page["checkpoints"] or len(found) >= page["total"]:
                break
        return found


def _record(entry: dict[str, Any]) -> LedgerRecord:
    return LedgerRecord.from_dict(entry["record"], "the answer")


class VaultKeeperClient:
    """The vault of another realm, at `host:8767`."""

    def __init__(self, address: str, token: str = "") -> None:
        self._client = _Client(address.removesuffix("/api"), token)

    def is_available(self) -> bool:
        """Whether the service answers."""
        try:
            return bool(self._client.ask("/health")["status"] == "ok")
        except RealmError:
            return False

    def locate(self, asset_id: str) -> dict[str, Any]:
        """Where an asset is: `found`, `best`, `locations`."""
        found: dict[str, Any] = self._client.ask(f"/api/locate/{_quoted(asset_id)}")
        return found

    def ensure_local(self, asset_id: str) -> str:
        """Let that realm fetch an asset unless it has it; returns its path there."""
        found: str = self._client.ask("/api/fetch", {"asset_id": asset_id}, MOVE_SECONDS)["path"]
        return found

    def search(self, type: str | None = None, limit: int = 100) -> list[dict[str, Any]]:  # noqa: A002 - the original's name
        """Assets of one kind, or of all."""
        query = {"limit": limit, **({"type": type} if type else {})}
        found: list[dict[str, Any]] = self._client.ask(f"/api/search?{urllib.parse.urlencode(query)}")["assets"]
        return found


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def get_ledger_client(realm: Realm | None = None) -> Ledger | RemoteLedgerClient:
    """The ledger: the realm's own where this machine trains (or no machines are registered), else the trainer's."""
    found = realm or Realm.find()
    hosts = Hosts.of(found)
    if not hosts_file(found).is_file() or hosts.is_trainer_local():
        return Ledger(found)
    return RemoteLedgerClient(hosts.service_url("ledger", hosts.trainer()))
