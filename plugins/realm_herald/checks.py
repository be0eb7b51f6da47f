"""What the heralds know of their own health: a wrong configuration, messages that do not arrive."""

from __future__ import annotations

from realm_cli import store
from realm_cli.checks import Check, Finding
from realm_cli.errors import RealmError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import seconds_since
from realm_cli.terminal import human_seconds
from realm_herald import settings
from realm_herald.records import HeraldRecord, record_path

LONG_SECONDS = 3600.0
"""A message that did not arrive for so long is a matter for a person."""


def look(realm: Realm, manager: Manager) -> list[Finding]:
    """Mistakes in `configs/heralds.yaml`; heralds that are not heard."""
    try:
        heralds = settings.load(realm).heralds
    except RealmError as error:
        return [
            Finding(
                check="heralds", grade="error", message="configs/heralds.yaml has a mistake", evidence=error.message,
                remedy=error.hint,
            )
        ]  # fmt: skip
    return [found for name, herald in heralds.items() if herald.enabled and (found := _unheard(realm, name))]


def _unheard(realm: Realm, name: str) -> Finding | None:
    record = store.read_or_set_aside(record_path(realm, name), HeraldRecord)
    if record is None or record.sending is None or not record.tries:
        return None
    waited = seconds_since(record.sending.made_at)
    if waited < LONG_SECONDS:
        return None
    return Finding(
        check="heralds", grade="warning", message=f"herald {name} is not heard: a message waits for {human_seconds(waited)}",
        evidence=f"{record.tries} tries; {record.reason}", remedy=f"realm herald test {name}",
    )  # fmt: skip


HERALDS = Check("heralds", "the heralds are heard", look)
