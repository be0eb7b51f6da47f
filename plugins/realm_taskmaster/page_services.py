"""The weaver's services as the page shows them. What the weaver knows is read from its records."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from realm_cli import service_config, services
from realm_cli.errors import NotFoundError, RealmError, nearest
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.service_records import ServiceState
from realm_cli.services import Service

ALIVE = ("ready", "starting", "stopping", "waiting", "backing off")


def overview(realm: Realm, manager: Manager) -> dict[str, Any]:
    """Every service, and whether a weaver watches over them."""
    seen, known = services.seen(realm), _known(realm, manager)
    weaver = services.weaver(realm)
    rows = [_row(realm, name, known.get(name), seen.get(name)) for name in sorted({*seen, *known})]
    return {
        "service_rows": rows,
        "weaver": {"pid": weaver.process.pid, "since": weaver.started_at, "problem": weaver.problem}
        if weaver
        else None,
    }


def detail(realm: Realm, manager: Manager, name: str, log_bytes: int) -> dict[str, Any]:
    """One service with its ends and the end of its log. Raises `NotFoundError`."""
    seen, known = services.seen(realm), _known(realm, manager)
    if name not in seen and name not in known:
        raise NotFoundError(f"there is no service '{name[:100]}'", nearest(name, {*seen, *known}))
    state = seen.get(name)
    return {
        "row": _row(realm, name, known.get(name), state),
        "endings": msgspec.to_builtins(list(reversed(state.history))) if state else [],
        "log": _tail(services.log_path(realm, name), log_bytes),
    }


def _known(realm: Realm, manager: Manager) -> dict[str, Service]:
    """What plugins offer and people have written down; what of it cannot be read is the weaver's to complain about."""
    found: dict[str, Service] = {}
    with suppress(RealmError):
        own = service_config.configured(realm).services
        found = {name: Service(name, tuple(one.command), one.title or name) for name, one in own.items() if one.command}
    for name in manager.parts("realm_services"):
        with suppress(RealmError):
            found[name] = manager.load_part("realm_services", name, "service")
    return found


def _row(realm: Realm, name: str, service: Service | None, state: ServiceState | None) -> dict[str, Any]:
    announced = services.running(realm, name)
    # One that the weaver does not keep may run all the same: somebody started it in a terminal.
    is_foreign = announced is not None and (state is None or state.process != announced.process)
    shown = "foreign" if is_foreign else state.state if state else "stopped"
    return {
        "name": name,
        "title": (state.title if state else "") or (service.title if service else "") or name,
        "state": shown,
        "reason": "somebody else started it" if is_foreign else state.reason if state else "",
        "since": announced.started_at if is_foreign and announced else state.since if state else "",
        "url": announced.url if announced else "",
        "pid": announced.process.pid if announced else None,
        "restarts": state.restarts if state else 0,
        "failures": state.failures if state else 0,
        "next_try_at": state.next_try_at if state else "",
        "needs": state.needs if state else list(service.needs) if service else [],
        "is_kept": state is not None and shown in ALIVE,
    }


def _tail(path: Path, size: int) -> str:
    """The end of a log from its first whole line on."""
    try:
        with open(path, "rb") as file:
            length = file.seek(0, 2)
            file.seek(max(0, length - size))
            data = file.read()
    except FileNotFoundError:
        return ""
    if length > size:
        data = data.partition(b"\n")[2]
    return data.decode("utf-8", "replace")
