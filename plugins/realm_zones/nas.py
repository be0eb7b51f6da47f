"""A storage box: behind ssh when it has a host, else a share that is mounted here."""

from __future__ import annotations

from realm_cli.realm import Realm
from realm_cli.zones import Zone, ZoneConfig
from realm_zones import local, ssh


def open_zone(realm: Realm, name: str, config: ZoneConfig) -> Zone:
    """By what its configuration says."""
    return ssh.open_zone(realm, name, config) if config.host else local.open_zone(realm, name, config)
