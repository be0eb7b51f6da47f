"""Disk and GPUs of this machine."""

from __future__ import annotations

import shutil
import time
from typing import Any

import pynvml

from realm_cli.realm import Realm

SECONDS = 10.0
"""How long a reading stands."""


class Gauges:
    """Readings, at most one every few seconds."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._at = 0.0
        self._last: dict[str, Any] = {}
        self._has_gpus = _start()

    def read(self) -> dict[str, Any]:
        """`disk` (bytes free and total) and `gpus`."""
        if not self._last or time.monotonic() - self._at > SECONDS:
            usage = shutil.disk_usage(self._realm.root)
            gpus = _gpus() if self._has_gpus else []
            self._last = {"disk": {"free": usage.free, "total": usage.total}, "gpus": gpus}
            self._at = time.monotonic()
        return self._last


def _start() -> bool:
    """Whether NVIDIA's driver answers."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return False
    return True


def _gpus() -> list[dict[str, Any]]:
    found = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            found.append(_gpu(index))
        except pynvml.NVMLError:
            continue  # a card that has fallen off the bus hides no other
    return found


def _gpu(index: int) -> dict[str, Any]:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    name = pynvml.nvmlDeviceGetName(handle)
    return {
        "index": index,
        "name": name.decode() if isinstance(name, bytes) else name,
        "memory_used": int(memory.used),
        "memory_total": int(memory.total),
        "utilisation": int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu),
        "temperature": int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)),
    }
