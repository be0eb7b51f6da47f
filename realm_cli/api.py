"""The Python face of Realm: `from realm_cli.api import Realm, get_ledger, …`. Names are resolved when they are asked for.

| name | what it gives |
|---|---|
| `Realm(root=None)` | the realm of `root`, else the nearest one; it has |
| `.watchtower.pool.gaze()` | a snapshot; `.battle_state`, `.hero`, `.battle`, `.board`, `.skills`, `.around` |
| `.sentinels.inspector.full_patrol()` | an examination; `.is_all_clear`, `.findings` |
| `.arena`, `.guild`, `.vault`, `.oracle` | a `TrainerEngine`, a `Guild`, a `VaultKeeper`, an `Oracle` |
| `get_ledger()` | the active hero's ledger: `get_latest`, `get_best`, `list_all`, `get` |
| `record_checkpoint(entry)` | adds a record to its hero's ledger; for the battle |
| `extract_step(name)` | the step in a checkpoint's name; an error when it does not parse |
| `list_skills()`, `get_skill(id)`, `get_trainer(id)` | skills of the realm, their settings, their problems |
| `TrainerEngine().run_job(config)` | one battle over given quests: `{"quests": files, "priority": "high", "again": False}`, or a list of files |
| `get_host(id)`, `get_service_url(service)`, `is_trainer_local()` | the registry of machines |
| `VaultKeeper()` | `.locate(id)`, `.fetch(id, dest)`, `.register(id)`, `.search(type=)` |
| `VaultDiscovery().scan_all()` | registers the realm's own assets |
| `VaultKeeperClient("host:8767")` | `.locate(id)`, `.ensure_local(id)`, `.search(type=)` of another realm |
| `RemoteLedgerClient(url)`, `get_ledger_client()` | the ledger of another realm; the own one where this machine trains |
| `ask_vault_first(id, fallback=None)` | a local path, fetched and verified if need be |
| `StorageRegistry(base)` | `.register_stronghold(name=, stronghold_type=StrongholdType.NAS, host=)` adds a zone |
| `push_to_zone(path_or_id, zone)`, `pull_from_zone(path_or_id, zone)` | a result with success, bytes, seconds, verified |
"""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realm_cli import realm as core
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.checkpoints import extract_step
from realm_cli.hosts import Host, Hosts
from realm_cli.ledger import Ledger

if TYPE_CHECKING:
    from realm_cli.generation import Generator
    from realm_cli.oracleclient import Answer, OracleClient

__all__ = [
    "Oracle", "Realm", "extract_step", "get_host", "get_ledger", "get_service_url", "is_trainer_local", "record_checkpoint",
]  # fmt: skip

_PLUGIN_NAMES = {
    "TrainerEngine": "realm_arena.engine",
    "StorageRegistry": "realm_vault.registering",
    "StrongholdType": "realm_vault.registering",
    "Guild": "realm_guild.api",
    "Sentinels": "realm_sentinels.api",
    "VaultDiscovery": "realm_vault.api",
    "VaultKeeper": "realm_vault.api",
    "RemoteLedgerClient": "realm_vault.clients",
    "VaultKeeperClient": "realm_vault.clients",
    "get_ledger_client": "realm_vault.clients",
    "ask_vault_first": "realm_vault.api",
    "get_skill": "realm_guild.api",
    "get_trainer": "realm_guild.api",
    "list_skills": "realm_guild.api",
    "pull_from_zone": "realm_vault.api",
    "push_to_zone": "realm_vault.api",
}


def __getattr__(name: str) -> Any:
    if name in _PLUGIN_NAMES:
        return getattr(import_module(_PLUGIN_NAMES[name]), name)
    raise AttributeError(f"realm_cli.api has no name '{name}'")


class _Pool:
    """Where looks at the realm come from."""

    def __init__(self, realm: core.Realm) -> None:
        self._realm = realm

    def gaze(self) -> Any:
        """A `realm_cli.watchtower.Snapshot` of this moment."""
        from realm_cli import watchtower
        from realm_cli.manager import Manager

        return watchtower.gaze(self._realm, Manager.of(self._realm))


class _Watchtower:
    """The read-only view of everything."""

    def __init__(self, realm: core.Realm) -> None:
        self.pool = _Pool(realm)


class Oracle:
    """Exact checkpoints that answer: over the Oracle's server, or opened in this process."""

    def __init__(self, realm: core.Realm) -> None:
        self._realm = realm

    def client(self, host: str | None = None) -> OracleClient:
        """The server of a machine in `hosts.yaml`, else the one here: `.info`, `.load`, `.unload`, `.chat`, `.chat_stream`.

        Raises `NotFoundError` when none runs.
        """
        from realm_cli.oracleclient import find_oracle

        return find_oracle(self._realm, host)

    def chat(self, message: str, step: int, *, host: str | None = None, hero: str | None = None) -> Answer:
        """The reply of one exact checkpoint, which has to be loaded there."""
        from realm_cli.generation import Message

        return self.client(host).chat([Message("user", message)], step, hero=hero)

    def open(self, step: int, *, hero: str | None = None) -> Generator:
        """The checkpoint in this process, without a server; `close` it afterwards."""
        from realm_cli.generation import open_generator
        from realm_cli.manager import Manager

        return open_generator(self._realm, Manager.of(self._realm), hero or self._realm.config.hero, step)


class Realm(core.Realm):
    """A realm with its parts at hand."""

    def __init__(self, root: Path | str | None = None) -> None:
        super().__init__(core.Realm.find(root).root)

    @cached_property
    def watchtower(self) -> _Watchtower:
        """The read-only view of everything."""
        return _Watchtower(self)

    @cached_property
    def arena(self) -> Any:
        """Battles: a `TrainerEngine`."""
        return __getattr__("TrainerEngine")(self)

    @cached_property
    def guild(self) -> Any:
        """Skills and levels: a `Guild`."""
        return __getattr__("Guild")(self)

    @cached_property
    def oracle(self) -> Oracle:
        """Inference on exact checkpoints."""
        return Oracle(self)

    @cached_property
    def sentinels(self) -> Any:
        """Health: `.inspector.full_patrol()` has `.is_all_clear` and `.findings`."""
        return __getattr__("Sentinels")(self)

    @cached_property
    def vault(self) -> Any:
        """What lies where: a `VaultKeeper`."""
        return __getattr__("VaultKeeper")(self)


def get_ledger(realm: core.Realm | None = None, hero: str | None = None) -> Ledger:
    """The ledger of the active hero, or of another."""
    return Ledger(realm or core.Realm.find(), hero)


def record_checkpoint(entry: LedgerRecord, realm: core.Realm | None = None) -> None:
    """Write one checkpoint's record. Its only caller in Realm is the battle."""
    Ledger(realm or core.Realm.find(), entry.hero).record(entry)


def get_host(host: str, realm: core.Realm | None = None) -> Host:
    """One machine of `configs/hosts.yaml`."""
    return Hosts.of(realm or core.Realm.find()).get(host)


def get_service_url(service: str, realm: core.Realm | None = None) -> str:
    """Where a service listens: the trainer's, or that of the only other host that has it."""
    return Hosts.of(realm or core.Realm.find()).service_url(service)


def is_trainer_local(realm: core.Realm | None = None) -> bool:
    """Whether this machine is the one that trains."""
    return Hosts.of(realm or core.Realm.find()).is_trainer_local()
