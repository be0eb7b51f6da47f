"""A folder of another machine."""

from __future__ import annotations

from realm_cli.carriers import Ssh
from realm_cli.errors import FormatError
from realm_cli.hosts import Hosts
from realm_cli.realm import Realm
from realm_cli.zones import Zone, ZoneConfig, zones_file
from realm_zones.folder import FolderZone


def open_zone(realm: Realm, name: str, config: ZoneConfig) -> Zone:
    """Its address stands in `configs/hosts.yaml`."""
    if not config.host:
        where = str(zones_file(realm))
        raise FormatError(where, f"zone {name} of type {config.type} has no host", "name one of configs/hosts.yaml")
    host = Hosts.of(realm).get(config.host)
    # Commands and rsync both begin in the user's home there.
    root = config.root.removeprefix("~/") or "."
    return FolderZone(name, root, Ssh(host.host, host.ssh_user, host.ssh_port))
