"""Which tasks the installed library has, without importing it: that takes seconds."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from realm_cli.discovery import version_of
from realm_gym import facts

FAMILY = "gym"
"""What stands before the dot in the ids of these skills."""
_NAMED = re.compile(r'^DATASET_NAME = "([a-z0-9_]+)"$|^register_dataset\(\s*"([a-z0-9_]+)"', re.MULTILINE)


@functools.cache
def library_version() -> str:
    """The installed version of reasoning-gym; empty where it is not installed."""
    return version_of("reasoning-gym")


@functools.cache
def names() -> tuple[str, ...]:
    """All tasks, sorted; none where the library is not installed."""
    installed = library_version()
    if not installed:
        return ()
    shipped = facts.shipped()
    return tuple(sorted(shipped.tasks)) if shipped.library == installed else names_in(_folder())


def names_in(folder: Path) -> tuple[str, ...]:
    """The tasks that the sources in a folder register, sorted."""
    found = set()
    for file in folder.rglob("*.py"):
        found |= {one or other for one, other in _NAMED.findall(file.read_text("utf-8"))}
    return tuple(sorted(found))


def _folder() -> Path:
    from importlib.util import find_spec

    spec = find_spec("reasoning_gym")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent
