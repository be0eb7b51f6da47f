"""The tests' own tasks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from realm_cli.realm import Realm
from realm_taskmaster_desk import Desk, desk_of


@pytest.fixture
def desk(realm: Realm, tmp_path: Path) -> Iterator[Desk]:
    """A realm with tasks of the tests' own; task masters that still run at the end are killed."""
    made = desk_of(realm, tmp_path / "site")
    yield made
    for master in made.masters:
        master.kill()
