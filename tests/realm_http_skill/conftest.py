"""One server of BIN for all tests, and a tiny one for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from realm_cli.founding import found
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skillbook import GuildSkill, open_skill
from realm_http_skill import wire
from realm_http_skill_server import SkillServerProcess, TinyServer, tiny_server


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Realm:
    """The realm whose BIN is served."""
    made, _ = found(tmp_path_factory.mktemp("served") / "realm")
    return Realm(made.root)


@pytest.fixture(scope="module")
def served(home: Realm) -> Iterator[SkillServerProcess]:
    """Its server."""
    server = SkillServerProcess(home, "bin", "-q")
    yield server
    assert server.end() == 0


@pytest.fixture
def at_home(home: Realm) -> GuildSkill:
    """The same skill in this process."""
    return open_skill(home, Manager.of(home), "bin")


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[TinyServer]:
    with tiny_server(tmp_path) as server:
        yield server


@pytest.fixture(autouse=True)
def nobody_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for what another one found out."""
    monkeypatch.setattr(wire, "AWAY_SECONDS", 0.0)
    monkeypatch.setattr(wire, "AWAY_SHARE", 0.0)
    monkeypatch.setattr(wire, "PAUSE_SECONDS", 0.01)
    wire._away.clear()
