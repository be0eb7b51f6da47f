"""A realm whose hero has learned its first hundred steps, trained once for all tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers import BattleProcess
from realm_cli.founding import found
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skillbook import open_skill
from realm_guild.forge import forge


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Realm:
    """The realm itself; tests get copies of it."""
    made, _ = found(tmp_path_factory.mktemp("sparring") / "realm")
    text = made.config_file.read_text()
    for old, new in (("threads: null", "threads: 1"), ("settle_seconds: 2", "settle_seconds: 0"),
                     ("reserve_mb: 500", "reserve_mb: 1")):  # fmt: skip
        text = text.replace(old, new)
    made.config_file.write_text(text)
    realm = Realm(made.root)
    manager = Manager.of(realm)
    forge(realm, manager, open_skill(realm, manager, "bin").skill, 1, 1600, 1)
    battle = BattleProcess(realm, "--until-empty")
    assert battle.wait() == 0, battle.output()
    return realm


@pytest.fixture
def realm(trained: Realm, tmp_path: Path) -> Realm:
    """A copy of the trained realm."""
    shutil.copytree(trained.root, tmp_path / "realm", symlinks=True)
    return Realm(tmp_path / "realm")
