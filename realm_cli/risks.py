"""What cannot be undone by itself is announced first, so that whoever keeps archives can make one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realm_cli.manager import Manager
    from realm_cli.realm import Realm


def before(realm: Realm, manager: Manager, reason: str) -> None:
    """Tell every plugin that something risky is about to happen. What they raise keeps it from happening."""
    manager.hooks.hook.realm_before_risk(realm=realm, reason=reason)
