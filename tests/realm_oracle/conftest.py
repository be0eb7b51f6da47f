"""What tests of the Oracle's server share."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from realm_cli.generation import Generator, open_generator
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_oracle_boxes import HERO, OracleProcess
from realm_oracle_realms import trained_realm


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Realm:
    """A realm with checkpoints. Not to be changed."""
    return trained_realm(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def alone(trained: Realm) -> Iterator[Generator]:
    """Step 4, opened in this process."""
    threads = torch.get_num_threads()
    yield open_generator(trained, Manager.of(trained), HERO, 4)
    torch.set_num_threads(threads)


@pytest.fixture
def mine(trained: Realm, tmp_path: Path) -> Realm:
    """A copy of the trained realm, to be damaged; nothing runs in it."""
    realm = Realm(shutil.copytree(trained.root, tmp_path / "copy", symlinks=True))
    for folder in ("services", "leases"):
        shutil.rmtree(realm.status / folder, ignore_errors=True)
    realm.events.unlink()
    return realm


@pytest.fixture
def serving(mine: Realm) -> Iterator[OracleProcess]:
    """A server in that copy."""
    process = OracleProcess(mine)
    yield process
    process.end(signal.SIGKILL)
