"""Disk and GPUs of this machine."""

from __future__ import annotations

import shutil
import time
from typing import Any

import msgspec

from realm_cli.gpus import LocalGpus
from realm_cli.realm import Realm

SECONDS = 10.0
"""How long a reading stands."""


class Gauges:
    """Readings, at most one every few seconds."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._at = 0.0
        self._last: dict[str, Any] = {}
        self._gpus = LocalGpus()

    def read(self) -> dict[str, Any]:
        """`disk` (bytes free and total) and `gpus`."""
        if not self._last or time.monotonic() - self._at > SECONDS:
            usage = shutil.disk_usage(self._realm.root)
            gpus = msgspec.to_builtins(self._gpus.read().gpus)
            self._last = {"disk": {"free": usage.free, "total": usage.total}, "gpus": gpus}
            self._at = time.monotonic()
        return self._last
