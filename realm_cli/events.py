"""Events: something that happened and is already on disk, told to every listener."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from realm_cli import journal
from realm_cli.records import EventRecord, now

if TYPE_CHECKING:
    from realm_cli.manager import Manager
    from realm_cli.realm import Realm

log = logging.getLogger("realm.events")


def emit(realm: Realm, manager: Manager, name: str, /, **facts: Any) -> EventRecord:
    """Write the event, then tell the listeners in this process; one that fails is logged, the rest still hear."""
    event = EventRecord(name=name, time=now(), facts=facts)
    journal.append_event(realm.events, event)
    for implementation in manager.hooks.hook.realm_event.get_hookimpls():
        try:
            # As with pluggy itself, a listener names only the arguments that it wants.
            offered = {"realm": realm, "event": event}
            implementation.function(**{name: offered[name] for name in implementation.argnames})
        except Exception:  # the edge of a listener
            log.exception("listener '%s' failed on event '%s'", implementation.plugin_name, name)
    return event
