"""Where the library is, and a cache of its own for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from realm_gym import facts, tasks


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache. Without the library, which `make test` installs, the test is skipped."""
    if not tasks.library_version():
        assert os.environ.get("CI") != "true", "reasoning-gym is not installed: scripts/extras.sh"
        pytest.skip("reasoning-gym is not installed: scripts/extras.sh")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def unchecked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[Path]:
    """A version of the library of which this Realm knows nothing; gives the file where checks are kept then."""
    shipped = tmp_path / "checked.json"
    shipped.write_text('{"kind": "gym", "version": 1, "library": "0.0.1", "check": 1, "tasks": {}}')
    monkeypatch.setattr(facts, "SHIPPED", shipped)
    facts.shipped.cache_clear()
    tasks.names.cache_clear()
    yield facts.path_of(tasks.library_version())
    facts.shipped.cache_clear()
    tasks.names.cache_clear()
