"""A part: a named thing that a plugin offers, imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import msgspec


class Part(msgspec.Struct, frozen=True):
    """`name` as users type it, `target` as `module:object`, `summary` in one line; a command without one is not listed."""

    name: str
    target: str
    summary: str = ""

    def load(self) -> Any:
        """The object behind the part; raises whatever its import raises."""
        module, _, attribute = self.target.partition(":")
        return getattr(import_module(module), attribute)
