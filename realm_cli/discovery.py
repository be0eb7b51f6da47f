"""Which plugins are installed: the entry points of a group, as `importlib.metadata` gives them, at a tenth of its price.

Importing that module alone costs half as much as all else that a short command needs, so folders of distributions are
read here. Where distributions lie in archives or come from finders of their own, it is asked after all.
"""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution

_FOLDER = re.compile(r"(?P<name>[^-]+)(-(?P<version>[^-]*)(-.*)?)?\.(dist|egg)-info")
_VALUE = re.compile(r"(?P<module>[\w.]+)\s*(:\s*(?P<attribute>[\w.]+)\s*)?(\[.*\]\s*)?")


class EntryPoint(msgspec.Struct, frozen=True):
    """One thing that a distribution offers."""

    name: str
    value: str
    """`module` or `module:attribute`."""
    folder: str
    """Where the distribution describes itself."""

    def load(self) -> Any:
        """The object; raises whatever its import raises."""
        match = _VALUE.fullmatch(self.value)
        if match is None:
            raise ImportError(f"'{self.value}' names no module")
        found: Any = import_module(match["module"])
        for attribute in filter(None, (match["attribute"] or "").split(".")):
            found = getattr(found, attribute)
        return found

    def distribution(self) -> Distribution:
        """Name and version of who offers it."""
        from importlib.metadata import Distribution

        return Distribution.at(self.folder)


def entry_points(group: str) -> list[EntryPoint]:
    """All entry points of a group, in the order of the path."""
    if _is_plain():
        return [
            EntryPoint(name, value, folder) for _, _, folder in _distributions() for name, value in _read(folder, group)
        ]  # fmt: skip
    from importlib import metadata

    return [
        EntryPoint(entry.name, entry.value, str(getattr(entry.dist, "_path", "")))
        for entry in metadata.entry_points(group=group)
    ]


def version_of(distribution: str) -> str:
    """The version of an installed distribution, empty where it is not installed."""
    if _is_plain():
        normal = _normal(distribution)
        return next((version for name, version, _ in _distributions() if name == normal), "")
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _is_plain() -> bool:
    """Whether all distributions lie in folders that the path names."""
    others = [each for each in sys.meta_path if hasattr(each, "find_distributions")]
    if any(getattr(each, "__name__", "") != "PathFinder" for each in others):
        return False
    return not any(os.path.isfile(place) or place.rstrip("/").endswith(".egg") for place in sys.path)


def _distributions() -> Iterator[tuple[str, str, str]]:
    """(normalized name, version, folder) of each distribution; of several with one name the first on the path."""
    known: set[str] = set()
    for place in sys.path:
        try:
            names = os.listdir(place or ".")
        except OSError:
            continue
        for name in names:
            match = _FOLDER.fullmatch(name)
            if match is not None:
                normal = _normal(match["name"])
                if normal not in known:
                    known.add(normal)
                    yield normal, match["version"] or "", os.path.join(place, name)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _read(folder: str, group: str) -> Iterator[tuple[str, str]]:
    """(name, value) of a distribution's entry points in that group."""
    try:
        with open(os.path.join(folder, "entry_points.txt"), encoding="utf-8") as file:
            lines = [line.strip() for line in file]
    except OSError:
        return  # it offers none
    inside = False
    for line in lines:
        if line.startswith("["):
            inside = line == f"[{group}]"
        elif inside and line and not line.startswith("#"):
            name, sign, value = line.partition("=")
            if sign:
                yield name.strip(), value.strip()
