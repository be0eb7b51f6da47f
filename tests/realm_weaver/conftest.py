from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import Run
from realm_cli.realm import Realm
from realm_weaver_services import Woven


@pytest.fixture
def woven(realm: Realm, run: Run, tmp_path: Path) -> Iterator[Woven]:
    """A realm whose services are the test's own; its weaver ends with the test."""
    folder = tmp_path / "services"
    folder.mkdir()
    made = Woven(realm, run, folder)
    yield made
    made.end()
