"""What this plugin offers."""

from __future__ import annotations

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part


@hookimpl
def realm_runners() -> list[Part]:
    """This machine."""
    return [Part("local", "realm_runners.local:open_local", "A process of this machine.")]
