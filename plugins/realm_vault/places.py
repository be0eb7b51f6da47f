"""The zones of a realm, opened when they are needed, each known by a mark so that another folder is never taken for it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from realm_cli import store
from realm_cli.errors import AwayError, NotFoundError, RefusedError, nearest
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.zones import LOCAL, Zone, ZoneConfig, configured, open_zone, policy
from realm_vault.catalog import folder_of
from realm_vault.records import ZoneMark

MARK = ".vault/zone.json"


class Places:
    """Zones by name."""

    def __init__(self, realm: Realm, manager: Manager) -> None:
        self.realm = realm
        self._manager = manager
        self._open: dict[str, Zone] = {}
        self._opening = threading.Lock()

    def names(self) -> list[str]:
        """All zones, the realm itself first."""
        return [LOCAL, *configured(self.realm)]

    def check(self, name: str) -> None:
        """Raise `NotFoundError` for a zone that is not configured."""
        if name not in self.names():
            raise NotFoundError(f"there is no zone '{name[:100]}'", nearest(name, self.names()))

    def config(self, name: str) -> ZoneConfig:
        """How a zone is configured."""
        found = policy(self.realm)
        return (
            ZoneConfig(type=LOCAL, root=str(self.realm.root), keep=found.keep) if name == LOCAL else found.zones[name]
        )

    def zone(self, name: str) -> Zone:
        """The zone, reached and recognised. Raises `AwayError` when it does not answer."""
        with self._opening:
            if name not in self._open:
                found = open_zone(self.realm, self._manager, name)
                if name != LOCAL:
                    self._recognise(name, found)
                self._open[name] = found
            return self._open[name]

    def seen(self, name: str) -> str:
        """When a zone answered last; empty when never."""
        known = store.read_or_set_aside(self._memory(name), ZoneMark)
        return known.seen_at if known else ""

    def _memory(self, name: str) -> Path:
        return folder_of(self.realm) / "zones" / f"{name}.json"

    def folder(self, root: str) -> Zone:
        """Any folder of this machine, as a zone."""
        kind = self._manager.load_part("realm_zone_types", LOCAL, "zone type")
        found: Zone = kind(self.realm, LOCAL, ZoneConfig(type=LOCAL, root=root))
        return found

    def close(self) -> None:
        """Drop all connections."""
        while self._open:
            self._open.popitem()[1].close()

    def _recognise(self, name: str, zone: Zone) -> None:
        """A share that is not mounted is an empty folder: writing into it would fill the wrong disk."""
        path = self._memory(name)
        mark = _mark(name, zone) or self._marked(name, zone)
        known = store.read_or_set_aside(path, ZoneMark)
        if known is not None and known.id != mark.id:
            raise RefusedError(
                f"zone {name} is another folder than before (its mark differs)", f"if that is right, delete {path}"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        store.write_record(path, msgspec.structs.replace(mark, seen_at=now()), durable=known is None)

    def _marked(self, name: str, zone: Zone) -> ZoneMark:
        """Give a new zone its mark. Two processes that come first at a time give it one."""
        path = self._memory(name)
        with store.locked(path.with_name(f".{name}.lock")):
            found = _mark(name, zone)
            if found is not None:
                return found
            if store.read_or_set_aside(path, ZoneMark) is not None:
                raise AwayError(
                    f"zone {name} has lost its mark {MARK}", f"is it mounted? if it was emptied, delete {path}"
                )
            mark = ZoneMark(id=uuid.uuid4().hex, made_at=now())
            zone.write(MARK, store.to_json(mark.to_dict()))
            return mark


def _mark(name: str, zone: Zone) -> ZoneMark | None:
    """The mark of a zone; None where there is none. Raises `AwayError` for one that is there and cannot be read."""
    text = zone.read([MARK]).get(MARK)
    if text is not None:
        return ZoneMark.from_dict(store.parse_json(text, f"{name}:{MARK}"), f"{name}:{MARK}")
    if zone.files([MARK]):
        raise AwayError(f"zone {name} does not give its mark {MARK}", "can the zone's user read it there?")
    return None


@contextmanager
def opened(realm: Realm, manager: Manager) -> Iterator[Places]:
    """The zones for the time of a block."""
    places = Places(realm, manager)
    try:
        yield places
    finally:
        places.close()
