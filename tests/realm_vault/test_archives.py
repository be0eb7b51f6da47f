"""The archivist: archives of configs, ledger and curriculum, the way back, what precedes anything risky."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import BattleProcess, Ran
from realm_cli import champions, pins
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm
from realm_vault_boxes import HERO, make_checkpoint

Run = Callable[..., Ran]


def made(run: Run, *args: str) -> str:
    name: str = run("archive", "make", "--json", *args).json["name"]
    return name


def names(run: Run) -> list[str]:
    return [row["name"] for row in run("archive", "list", "--json").json]


def test_what_is_lost_comes_back_after_a_plan(realm: Realm, run: Run) -> None:
    make_checkpoint(realm, 1)
    pins.pin(realm, f"checkpoint_{HERO}_1", "mine", "me")
    before = {path: path.read_bytes() for path in [*realm.configs.rglob("*.yaml"), *realm.ledger.rglob("*.json")]}
    name = made(run)
    shutil.rmtree(realm.ledger / HERO)
    (realm.status / "pins.json").unlink()
    settings = realm.config_file.read_text()
    realm.config_file.write_text(settings + "# mine\n")

    planned = run("archive", "restore", name, "--json").json
    assert {(row["part"], row["deed"]) for row in planned} == {
        ("configs", "replace"), ("ledger", "add"), ("curriculum", "add"),
    }  # fmt: skip
    assert not (realm.ledger / HERO).exists()  # a plan changes nothing
    assert run("archive", "restore", name, "--apply").code == 0
    assert {path: path.read_bytes() for path in before} == before
    assert Ledger(realm).steps() == [1]
    assert f"checkpoint_{HERO}_1" in pins.read(realm)
    assert f"before-going-back-to-{name[:8]}" in names(run)[0]  # the state of just before can come back as well
    assert run("archive", "restore", name, "--json").json == []


def test_one_part_comes_back_alone(realm: Realm, run: Run) -> None:
    make_checkpoint(realm, 1)
    name = made(run)
    shutil.rmtree(realm.ledger / HERO)
    realm.config_file.write_text(realm.config_file.read_text() + "# mine\n")
    assert run("archive", "restore", name, "--part", "ledger", "--apply").code == 0
    assert Ledger(realm).steps() == [1]
    assert "# mine" in realm.config_file.read_text()


def test_nothing_new_makes_no_archive(realm: Realm, run: Run) -> None:
    first = made(run)
    assert made(run, "--reason", "again") == first
    realm.config_file.write_text(realm.config_file.read_text() + "\n")
    assert made(run, "--reason", "again") != first


def test_a_damaged_archive_changes_nothing(realm: Realm, run: Run) -> None:
    make_checkpoint(realm, 1)
    name = made(run)
    (realm.ledger / HERO / "1.json").unlink()
    state = realm.backups / name / "state.tar.zst"
    whole = state.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"not an archive"):
        state.write_bytes(broken)
        refused = run("archive", "restore", name, "--apply")
        assert refused.code == 1, refused
        assert "Traceback" not in refused.err
        assert not (realm.ledger / HERO / "1.json").exists()
    paper = realm.backups / name / "archive.json"
    record = json.loads(paper.read_text())
    record["files"] = {"../evil.json": next(iter(record["files"].values()))}
    paper.write_text(json.dumps(record))
    assert "leads out" in run("archive", "restore", name, "--apply").err
    record["files"] = {"queue/evil.json": record["files"]["../evil.json"]}
    paper.write_text(json.dumps(record))
    assert "none of the files that are archived" in run("archive", "restore", name, "--apply").err


@pytest.mark.parametrize("name", ["nope", "../configs", "archive-20260101T000000Z-none"])
def test_an_unknown_archive_is_told(run: Run, name: str) -> None:
    refused = run("archive", "restore", name)
    assert refused.code == 4
    assert "realm archive list" in refused.err


def test_a_running_battle_keeps_its_state(realm: Realm, run: Run, battle: Callable[..., BattleProcess]) -> None:
    name = made(run)
    battle().until("idle")
    realm.config_file.write_text(realm.config_file.read_text() + "\n")
    refused = run("archive", "restore", name, "--apply")
    assert refused.code == 3, refused
    assert "battle is running" in refused.err


def test_what_is_risky_is_archived_before(realm: Realm, run: Run, tmp_path: Path) -> None:
    make_checkpoint(realm, 1)
    make_checkpoint(realm, 2)
    assert run("champion", "promote", "1", "--override", "a test").code == 0
    assert "before-promoting-step-1" in names(run)[0]
    assert champions.read(realm, HERO)
    (realm.configs / "zones.yaml").write_text("keep: {checkpoint: {last: 1}}\n")
    assert run("vault", "prune", "--apply").code == 0
    assert "before-pruning" in names(run)[0]


def test_the_oldest_archives_go(realm: Realm, run: Run) -> None:
    for number in range(60):
        realm.config_file.write_text(realm.config_file.read_text() + f"# {number}\n")
        made(run) if number == 0 else _make_here(realm)
    newest = names(run)[0]
    realm.config_file.write_text(realm.config_file.read_text() + "# another\n")
    tended = run("vault", "tend")
    assert newest in names(run)
    assert (tended.code, tended.err) == (0, "")
    assert len(names(run)) == 51  # 50, and the daily one of this round


def _make_here(realm: Realm) -> None:
    from realm_vault import archives

    archives.make(realm, "asked for")
