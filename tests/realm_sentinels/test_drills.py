"""Every drill is really done, and fails where nothing recovers. The real realm is never touched."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pytest

from helpers import Run, SmallDisk
from realm_cli.realm import Realm
from realm_sentinels.drills import registry


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Throw-away realms of this test, and nobody else's, lie here."""
    folder = tmp_path / "drills"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def fingerprint(realm: Realm) -> dict[str, str]:
    """All files of a realm."""
    files = [path for path in realm.root.rglob("*") if path.is_file()]
    return {str(path.relative_to(realm.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def drill(run: Run, realm: Realm, places: Path, name: str) -> None:
    """Do it: all steps are well, and nothing is left."""
    before = fingerprint(realm)
    done = run("drill", name, "--json")
    assert done.code == 0, done.out + done.err
    outcome = done.json
    assert (outcome["drill"], outcome["recovered"], outcome["reason"]) == (name, True, "")
    assert [step["what"] for step in outcome["steps"] if not step["ok"] or not step["evidence"]] == []
    assert len(outcome["steps"]) >= len(outcome["plan"])
    assert list(places.glob("realm-drill-*")) == []
    assert fingerprint(realm) == before


def test_the_drills_are_listed_and_an_unknown_one_is_named(run: Run) -> None:
    assert [row["name"] for row in run("drill", "--json").json] == [
        "kill-battle", "full-disk", "hung-battle", "dead-oracle", "cut-transfer",
    ]  # fmt: skip
    wrong = run("drill", "kil-battle")
    assert (wrong.code, "did you mean 'kill-battle'?" in wrong.err) == (4, True)
    for name in registry.TITLES:
        assert len(registry.plan_of(name)) >= 3


def test_a_cut_transfer_recovers(run: Run, realm: Realm, places: Path) -> None:
    drill(run, realm, places, "cut-transfer")


def test_a_drill_shows_its_plan_then_each_step_with_evidence_in_80_columns(run: Run, places: Path) -> None:
    done = run("drill", "cut-transfer", "--keep")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].startswith("plan 1  found a small realm")
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("ok      every file is the same (") for line in lines)
    assert lines[-1].startswith("cut-transfer: recovered, in ")
    (kept,) = places.glob("realm-drill-*")
    assert done.err.startswith(f"the throw-away realm is in {kept}")
    assert (kept / "realm" / "configs" / "realm.yaml").is_file()
    assert not (kept / "realm" / "configs" / "hosts.yaml").exists()


def test_a_killed_battle_recovers(run: Run, realm: Realm, places: Path) -> None:
    drill(run, realm, places, "kill-battle")


def test_a_full_disk_recovers(run: Run, realm: Realm, places: Path, small_disk: SmallDisk) -> None:
    assert small_disk.is_there  # else it is skipped, as is the drill's own disk
    drill(run, realm, places, "full-disk")


def test_a_hung_battle_recovers(run: Run, realm: Realm, places: Path) -> None:
    drill(run, realm, places, "hung-battle")


def test_a_drill_fails_where_the_guardian_may_not_start_battles_again(run: Run, realm: Realm, places: Path) -> None:
    text = realm.config_file.read_text()
    realm.config_file.write_text(text.replace("restart: true", "restart: false"))
    done = run("drill", "hung-battle")
    assert done.code == 1
    assert "FAILED  it is started again and goes on" in done.out
    assert done.err == (
        "error: hung-battle: not recovered: the battle was not started again: guardian.restart is false\n"
    )
    assert list(places.glob("realm-drill-*")) == []


def test_a_dead_oracle_recovers(run: Run, realm: Realm, places: Path) -> None:
    drill(run, realm, places, "dead-oracle")


@pytest.mark.drill
@pytest.mark.parametrize("turn", range(5))
@pytest.mark.parametrize("name", list(registry.TITLES))
def test_every_drill_recovers_again_and_again(run: Run, realm: Realm, places: Path, name: str, turn: int) -> None:
    drill(run, realm, places, name)
