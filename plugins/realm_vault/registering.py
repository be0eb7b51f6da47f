"""Adding a zone to `configs/zones.yaml` from a script; comments and order stay."""

from __future__ import annotations

import json
import re
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import yaml

from realm_cli import backups, store
from realm_cli.errors import FormatError, RefusedError, UsageError
from realm_cli.hosts import Hosts
from realm_cli.realm import Realm
from realm_cli.zones import LOCAL, ZONE_ID, ZoneConfig, ZonesConfig, policy, zones_file


class StrongholdType(Enum):
    """The built-in zone types."""

    LOCAL = "local"
    SSH = "ssh"
    NAS = "nas"


class StorageRegistry:
    """The zones of the realm at `base`."""

    def __init__(self, base: Path | str) -> None:
        self._realm = Realm(Path(base).expanduser().absolute())

    def register_stronghold(
        self, name: str, stronghold_type: StrongholdType, host: str = "", root: str = ""
    ) -> ZoneConfig:
        """Add a zone, or find it as it is asked for. `root` is the host's `base_dir` unless it is given.

        Raises `RefusedError` when there is another zone of that name.
        """
        if not ZONE_ID.fullmatch(name) or name == LOCAL:
            raise UsageError(f"'{name[:100]}' cannot be a zone's name", "use letters, digits, '.', '_' and '-'")
        wanted = ZoneConfig(type=stronghold_type.value, host=host, root=root or self._base_of(host))
        with store.locked(self._realm.status / ".config.lock"):
            present = policy(self._realm).zones.get(name)
            if present is not None and (present.type, present.host, present.root) == (wanted.type, host, wanted.root):
                return present
            if present is not None:
                raise RefusedError(f"there is a zone '{name}' already, with other settings", "give it another name")
            self._write(name, wanted)
        return wanted

    def _base_of(self, host: str) -> str:
        if not host:
            raise UsageError("neither a root nor a host is given", "root= is the zone's folder")
        found = Hosts.of(self._realm).get(host).base_dir
        if not found:
            raise UsageError(f"host '{host}' has no base_dir in hosts.yaml", "give root= as well")
        return found

    def _write(self, name: str, wanted: ZoneConfig) -> None:
        path = zones_file(self._realm)
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        given = {
            key: value for key, value in (("type", wanted.type), ("host", wanted.host), ("root", wanted.root)) if value
        }
        after = _with_zone(text, name, given)
        if after is None or yaml.safe_load(after)["zones"].get(name) != given:
            raise FormatError(str(path), "the zones do not stand there line by line", "add the zone by hand")
        msgspec.convert(yaml.safe_load(after), ZonesConfig)
        if text:
            backups.snapshot(self._realm, [path], f"before zone {name}")
        store.write_atomic(path, after.encode(), durable=True)


def _with_zone(text: str, name: str, given: dict[str, Any]) -> str | None:
    """The file with one line more; None when `zones:` is not followed by lines."""
    line = f"{json.dumps(name)}: {json.dumps(given)}"
    if not (yaml.safe_load(text) or {}).get("zones"):
        kept = re.sub(r"(?m)^zones:\s*(\{\}|null|~)?\s*(#.*)?$\n?", "", text)
        return f"{kept.rstrip()}\nzones:\n  {line}\n".lstrip()
    match = re.search(r"(?m)^zones:[ \t]*(#.*)?\n((?:[ \t]*(?:#.*)?\n)*)([ \t]+)(?=\S)", text)
    return None if match is None else f"{text[: match.start(3)]}{match[3]}{line}\n{text[match.start(3) :]}"
