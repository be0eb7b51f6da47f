"""The vault for scripts: the names of the original, over the keeper."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from realm_cli.errors import AwayError, NotFoundError, UsageError, nearest
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.zones import KINDS, LOCAL
from realm_vault.catalog import Located
from realm_vault.keeper import Keeper, Moved
from realm_vault.places import Places, opened
from realm_vault.records import Asset


@dataclass(frozen=True)
class FoundLocation:
    """One copy; `path` is absolute for copies of this machine, else from the zone's root."""

    zone: str
    path: str
    verified_at: str


@dataclass(frozen=True)
class Found:
    """Where an asset is."""

    id: str
    found: bool
    best_location: FoundLocation | None
    locations: list[FoundLocation]


class VaultKeeper:
    """The vault of a realm: the nearest one, unless another is given."""

    def __init__(self, realm: Realm | None = None) -> None:
        self._realm = realm or Realm.find()
        self._manager = Manager.of(self._realm)

    def _keeper(self) -> Keeper:
        """For what needs no connection."""
        return Keeper(self._realm, self._manager, Places(self._realm, self._manager))

    def locate(self, asset_id: str) -> Found:
        """Where an asset is, the nearest copy first. Raises `UsageError` for what is no id."""
        return self._found(self._keeper().locate(asset_id))

    def _found(self, located: Located) -> Found:
        places = [
            FoundLocation(zone, str(self._realm.root / copy.path) if zone == LOCAL else copy.path, copy.verified_at)
            for zone, copy in located.copies
        ]
        return Found(located.id, bool(places), places[0] if places else None, places)

    def fetch(self, asset_id: str, dest: Path | str | None = None) -> Moved:
        """Bring an asset here, verified, or raise `RealmError`."""
        with opened(self._realm, self._manager) as places:
            return Keeper(self._realm, self._manager, places).fetch(asset_id, Path(dest) if dest else None)

    def register(self, asset_id: str) -> Found:
        """Look at the realm anew and return the asset. Raises `NotFoundError` when it is not there."""
        keeper = self._keeper()
        keeper.scan()
        return self._found(keeper.get(asset_id))

    def scan(self) -> dict[str, Asset]:
        """Look at the realm anew; returns its assets by id."""
        return self._keeper().scan().assets

    def search(self, type: str | None = None) -> dict[str, Asset]:  # noqa: A002 - the original's name
        """Assets by id, of one kind or of all."""
        if type is not None and type not in KINDS:
            raise UsageError(f"'{type}' is no kind of asset", nearest(type, KINDS))
        known = self._keeper().catalog.read().assets
        return {name: one for name, one in known.items() if type in (None, one.kind)}


class VaultDiscovery:
    """Finds the assets of a realm."""

    def __init__(self, realm: Realm | None = None) -> None:
        self._vault = VaultKeeper(realm)

    def scan_all(self) -> dict[str, Asset]:
        """Register all local assets; returns them by id."""
        return self._vault.scan()


def ask_vault_first(asset_id: str, fallback: Path | str | None = None) -> Path:
    """A local path of an asset, fetched and verified if need be. `fallback` is taken only when no zone has it, or none answers."""
    vault = VaultKeeper()
    try:
        return Path(vault.fetch(asset_id).path)
    except (NotFoundError, AwayError):
        if fallback is None:
            raise
        return Path(fallback)


def push_to_zone(path_or_id: Path | str, zone: str) -> Moved:
    """Send an asset, named by its id or by its path in the realm."""
    realm = Realm.find()
    manager = Manager.of(realm)
    with opened(realm, manager) as places:
        keeper = Keeper(realm, manager, places)
        return keeper.push(_id_of(realm, keeper, path_or_id), zone)


def pull_from_zone(path_or_id: Path | str, zone: str) -> Moved:
    """Bring an asset here from one zone."""
    realm = Realm.find()
    manager = Manager.of(realm)
    with opened(realm, manager) as places:
        places.check(zone)
        keeper = Keeper(realm, manager, places)
        keeper.scan(zone)
        return keeper.fetch(_id_of(realm, keeper, path_or_id), zone=zone)


def _id_of(realm: Realm, keeper: Keeper, path_or_id: Path | str) -> str:
    if isinstance(path_or_id, str) and "/" not in path_or_id:
        return path_or_id
    path = Path(path_or_id).absolute()
    keeper.scan()
    for name, one in keeper.catalog.read().assets.items():
        if realm.root / one.path == path:
            return name
    raise NotFoundError(f"{path} is no asset of the realm {realm.root}", "see: realm vault list")
