"""Services that somebody else started: how the weaver learns of them, so that it never starts a second one."""

from __future__ import annotations

import msgspec

from realm_cli import belonging, services
from realm_cli.process import is_running
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark
from realm_weaver.plan import Spec


def holder(realm: Realm, spec: Spec) -> tuple[ProcessMark, str] | None:
    """(process, address) of a service that runs already: as it announced itself, or as its heartbeat file names it."""
    found = services.running(realm, spec.name)
    if found is not None:
        return found.process, found.url
    if spec.heartbeat is None:
        return None
    try:
        said = msgspec.json.decode(spec.heartbeat.read_bytes(), type=_Heartbeat)
    except (OSError, msgspec.MsgspecError, ValueError):
        return None  # an empty file says nothing of its writer
    mark = said.process if belonging.is_here(realm, said.place) else None
    return (mark, "") if mark is not None and is_running(mark) else None


class _Heartbeat(msgspec.Struct):
    """What a heartbeat file may say of its writer."""

    process: ProcessMark | None = None
    place: str = ""
