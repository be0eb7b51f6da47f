"""What this plugin offers."""

from __future__ import annotations

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part


@hookimpl
def realm_zone_types() -> list[Part]:
    """Where assets can lie."""
    return [
        Part("local", "realm_zones.local:open_zone", "A folder of this machine, or a share that is mounted on it."),
        Part("ssh", "realm_zones.ssh:open_zone", "A folder of another machine, over ssh and rsync."),
        Part("nas", "realm_zones.nas:open_zone", "A storage box: behind ssh, or mounted; it may be asleep."),
    ]
