"""Fixtures of the vault: a box behind ssh, and `realm` lines that reach it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import preloaded
from helpers import PATIENCE, Ran, realm_line
from realm_cli.realm import Realm
from realm_vault_boxes import SSHD, Box, write_zones


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """A machine with an sshd, switched on."""
    missing = [program for program in (SSHD, "ssh", "ssh-keygen", "rsync") if shutil.which(program) is None]
    if missing:
        assert os.environ.get("CI") != "true", f"missing: {missing}; make system says how to get them"
        pytest.skip(f"missing here: {', '.join(missing)} (make system)")
    made = Box(tmp_path / "box")
    yield made
    made.close()


@pytest.fixture
def vault(realm: Realm, box: Box) -> Callable[..., Ran]:
    """`vault("push", "--zone", "far")`: one `realm vault` process in a realm with the zones far and usb."""
    write_zones(realm, box)

    def call(*args: object, realm: Realm = realm) -> Ran:
        line = realm_line("vault", *args, realm=realm)
        return Ran(*preloaded.run(line, "", env=box.environment(), cwd=None, seconds=PATIENCE))

    return call
