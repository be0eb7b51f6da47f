"""A drill as tests do it: on a realm that it must not touch, in a folder that it must leave empty."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import Run
from realm_cli.realm import Realm


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Throw-away realms of this test, and nobody else's, lie here."""
    folder = tmp_path / "drills"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def _fingerprint(realm: Realm) -> dict[str, str]:
    """All files of a realm."""
    files = [path for path in realm.root.rglob("*") if path.is_file()]
    return {str(path.relative_to(realm.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def drill(run: Run, realm: Realm, places: Path) -> Callable[[str], None]:
    """`drill(name)`: all its steps are well, the real realm is as before, nothing is left."""

    def do(name: str) -> None:
        before = _fingerprint(realm)
        done = run("drill", name, "--json")
        assert done.code == 0, done.out + done.err
        outcome = done.json
        assert (outcome["drill"], outcome["recovered"], outcome["reason"]) == (name, True, "")
        assert [step["what"] for step in outcome["steps"] if not step["ok"] or not step["evidence"]] == []
        assert len(outcome["steps"]) >= len(outcome["plan"])
        assert list(places.glob("realm-drill-*")) == []
        assert _fingerprint(realm) == before

    return do
