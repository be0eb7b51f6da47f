"""A folder of this machine."""

from __future__ import annotations

from pathlib import Path

from realm_cli.carriers import Here
from realm_cli.realm import Realm
from realm_cli.zones import Zone, ZoneConfig
from realm_zones.folder import FolderZone


def open_zone(realm: Realm, name: str, config: ZoneConfig) -> Zone:
    """A relative root lies in the realm."""
    return FolderZone(name, str(realm.root / Path(config.root).expanduser()), Here())
