"""Copies are deleted only where enough others are there, and come back from the trash."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from helpers import Ran
from realm_cli import champions, checkpoints, leases
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.skill_records import ChampionRecord
from realm_cli.zones import zones_file
from realm_vault_boxes import HERO, Box, content, make_checkpoint, write_zones

Vault = Callable[..., Ran]


def crown(realm: Realm, folder: Path) -> None:
    """Make a checkpoint the champion."""
    champions.write(
        realm,
        ChampionRecord(
            hero=HERO, step=checkpoints.extract_step(folder.name), checkpoint=folder.name, weights_sha256="0" * 64,
            promoted_at="2026-01-01T00:00:00+00:00", by="test",
        ),
    )  # fmt: skip


def holders(vault: Vault, asset: str) -> list[str]:
    """The zones that have a copy, as the catalog says."""
    return [copy["zone"] for copy in vault("locate", asset, "--json").json["locations"]]


def test_a_deleted_copy_comes_back_whole(realm: Realm, box: Box, vault: Vault) -> None:
    folder = make_checkpoint(realm, 1)
    make_checkpoint(realm, 2)
    before = content(folder)
    assert vault("push", "checkpoint_1", "--zone", "far").err == ""

    assert vault("rm", "checkpoint_1", "--zone", "far", "--dry-run").code == 0
    assert holders(vault, "checkpoint_1") == ["local", "far"]
    assert vault("rm", "checkpoint_1", "--zone", "far", "--reason", "too old").code == 0
    assert vault("rm", "checkpoint_1", "--zone", "local").code == 0

    assert not folder.exists()
    assert vault("locate", "checkpoint_1").code == 4
    assert Ledger(realm).steps() == [2]
    assert "dropped from zone local" in (Ledger(realm).tombstone(1) or folder).reason  # type: ignore[union-attr]
    assert vault("scan").code == 0
    assert vault("locate", "checkpoint_1").code == 4
    assert [row["reason"] for row in vault("restore", "--zone", "far", "--json").json] == ["too old"]
    assert vault("restore", "checkpoint_1").code == 0
    assert content(folder) == before
    assert Ledger(realm).steps() == [2, 1]
    assert vault("restore", "checkpoint_1", "--zone", "far").code == 0
    assert holders(vault, "checkpoint_1") == ["local", "far"]
    assert vault("scan").code == 0
    assert holders(vault, "checkpoint_1") == ["local", "far"]
    assert vault("restore", "checkpoint_1").code == 4


def test_what_is_needed_here_stays(realm: Realm, box: Box, vault: Vault) -> None:
    folders = [make_checkpoint(realm, step) for step in (1, 2, 3, 4)]
    crown(realm, folders[0])
    assert vault("pin", "checkpoint_2", "--why", "the demo").code == 0
    said = {}
    with leases.held(realm, f"checkpoint_{HERO}_3", "loaded by the oracle"):
        for step in (1, 2, 3, 4):
            done = vault("rm", f"checkpoint_{step}", "--zone", "local")
            assert done.code == 3
            said[step] = done.err
    assert "the champion" in said[1]
    assert "pinned (the demo)" in said[2]
    assert "loaded by the oracle" in said[3]
    assert "the latest" in said[4]
    assert vault("rm", "model_dio-mini", "--zone", "local").code == 3
    assert all(folder.is_dir() for folder in folders)
    assert vault("unpin", "checkpoint_2").code == 0
    assert vault("rm", "checkpoint_2", "--zone", "local").code == 0
    assert vault("unpin", "checkpoint_2").code == 4


def test_the_champion_needs_another_copy_that_is_hashed_at_that_moment(realm: Realm, box: Box, vault: Vault) -> None:
    folder = make_checkpoint(realm, 1)
    make_checkpoint(realm, 2)
    crown(realm, folder)
    assert vault("push", "checkpoint_1", "--zone", "far").err == ""
    assert vault("push", "checkpoint_1", "--zone", "usb").err == ""
    far = box.root / "models" / HERO / folder.name
    shutil.rmtree(folder)
    assert vault("scan", "--zone", "local").code == 0
    damaged = realm.root.parent / "usb" / "models" / HERO / folder.name / "part 0.safetensors"
    whole = damaged.read_bytes()
    damaged.write_bytes(os.urandom(len(whole)))

    refused = vault("rm", "checkpoint_1", "--zone", "far")

    assert refused.code == 3
    assert "copies.min asks for 1" in refused.err
    assert "part 0.safetensors has another SHA-256" in refused.err
    assert far.is_dir()
    damaged.write_bytes(whole)
    assert vault("rm", "checkpoint_1", "--zone", "far").code == 0
    last = vault("rm", "checkpoint_1", "--zone", "usb")
    assert (last.code, "no other zone has it" in last.err) == (3, True)


def test_a_copy_in_a_zone_that_is_away_does_not_count(realm: Realm, box: Box, vault: Vault) -> None:
    folder = make_checkpoint(realm, 1)
    make_checkpoint(realm, 2)
    crown(realm, folder)
    assert vault("push", "checkpoint_1", "--zone", "far").err == ""
    assert vault("push", "checkpoint_1", "--zone", "usb").err == ""
    shutil.rmtree(folder)
    assert vault("scan", "--zone", "local").code == 0
    box.stop()

    done = vault("rm", "checkpoint_1", "--zone", "usb")

    assert (done.code, "away" in done.err) == (3, True)


def test_two_deletions_at_once_cannot_both_take_the_last_copies(realm: Realm, box: Box, vault: Vault) -> None:
    folder = make_checkpoint(realm, 1)
    make_checkpoint(realm, 2)
    crown(realm, folder)
    for zone in ("far", "usb"):
        assert vault("push", "checkpoint_1", "--zone", zone).err == ""
    shutil.rmtree(folder)
    assert vault("scan", "--zone", "local").code == 0
    codes: list[int] = []

    def remove(zone: str) -> None:
        codes.append(vault("rm", "checkpoint_1", "--zone", zone).code)

    both = [threading.Thread(target=remove, args=(zone,)) for zone in ("far", "usb")]
    for one in both:
        one.start()
    for one in both:
        one.join()

    assert sorted(codes) == [0, 3]
    assert len(holders(vault, "checkpoint_1")) == 1


def test_a_prune_is_a_plan_until_it_is_applied(realm: Realm, box: Box, vault: Vault) -> None:
    for step in (100, 150, 200, 250, 300):
        make_checkpoint(realm, step)
    vault("push", *(f"checkpoint_{step}" for step in (100, 150, 200, 250, 300)), "--zone", "usb")
    keep = {"checkpoint": {"last": 1, "every": 100}}
    write_zones(realm, box)
    config = yaml.safe_load(zones_file(realm).read_text())
    config["zones"]["usb"]["keep"] = keep
    zones_file(realm).write_text(yaml.safe_dump(config))
    assert vault("pin", "checkpoint_150").code == 0

    plan = vault("prune", "--json")
    verdicts = {row["asset"].rpartition("_")[2]: (row["outcome"], row["reason"]) for row in plan.json}
    assert verdicts == {
        "300": ("keep", "one of the last 1"),
        "250": ("drop", "no rule keeps it"),
        "200": ("keep", "a multiple of 100 steps"),
        "150": ("keep", "it is pinned (no reason given)"),
        "100": ("keep", "a multiple of 100 steps"),
    }
    assert "nothing was deleted" in plan.err
    usb = realm.root.parent / "usb" / "models" / HERO
    assert len(list(usb.iterdir())) == 5
    assert vault("prune", "--apply").code == 0
    assert len(list(usb.iterdir())) == 4
    config["trash_days"] = 0
    zones_file(realm).write_text(yaml.safe_dump(config))
    assert f"checkpoint_{HERO}_250 was deleted for good" in vault("prune", "--apply").err
    assert vault("restore", "--zone", "usb", "--json").json == []


def test_the_best_and_the_youngest_and_the_first_gigabytes_stay(realm: Realm, box: Box, vault: Vault) -> None:
    for step in (1, 2, 3):  # the loss is 1 / step
        make_checkpoint(realm, step, size=400_000)
    vault("push", *(f"checkpoint_{step}" for step in (1, 2, 3)), "--zone", "usb")
    config = yaml.safe_load(zones_file(realm).read_text())
    for rules, kept in (
        ({"best": 1}, {"3"}),
        ({"days": 1}, {"1", "2", "3"}),
        ({"under_gb": 0.002}, {"3", "2"}),
        ({"last": 2, "best": 1}, {"3", "2"}),
        ({}, {"1", "2", "3"}),
    ):
        config["zones"]["usb"]["keep"] = {"checkpoint": rules}
        zones_file(realm).write_text(yaml.safe_dump(config))
        rows = vault("prune", "--json").json
        assert {row["asset"].rpartition("_")[2] for row in rows if not row["drop"]} == kept, rules


@pytest.mark.parametrize("path", ["../../outside", "/etc", "a/../../b"])
def test_a_trash_that_was_tampered_with_restores_nothing(realm: Realm, box: Box, vault: Vault, path: str) -> None:
    make_checkpoint(realm, 1)
    make_checkpoint(realm, 2)
    for line in (("push", "checkpoint_1", "--zone", "far"), ("rm", "checkpoint_1", "--zone", "far")):
        done = vault(*line)
        assert done.code == 0, done.err
    (paper,) = (box.root / ".vault" / "trash").glob("*/trash.json")
    paper.write_text(json.dumps({**json.loads(paper.read_text()), "path": path}))

    done = vault("restore", "checkpoint_1", "--zone", "far")

    assert done.code == 1
    assert "leads out of the asset" in done.err


# -- other realms ------------------------------------------------------------------------------------------------


def test_a_copy_that_another_realm_is_deleting_does_not_count(realm: Realm, box: Box, vault: Vault) -> None:
    make_checkpoint(realm, 1)
    make_checkpoint(realm, 2)
    name = f"checkpoint_{HERO}_1"
    for zone in ("far", "usb"):
        assert vault("push", "--zone", zone, name).err == ""
    zones = yaml.safe_load(zones_file(realm).read_text())
    zones_file(realm).write_text(yaml.safe_dump({**zones, "copies": {"min": {"checkpoint": 1}}}))
    assert vault("rm", name, "--zone", "local").code == 0
    claims = realm.root.parent / "usb" / ".vault" / "dropping"
    claims.mkdir()
    claim = {"kind": "vault_claim", "version": 1, "asset": name, "by": "ann@other", "at": now()}
    (claims / f"{name}~0123456789ab.json").write_text(json.dumps(claim))
    refused = vault("rm", name, "--zone", "far")
    assert refused.code == 3
    assert "ann@other is deleting it" in refused.err
    old = {**claim, "at": "2026-01-01T00:00:00.000+00:00"}  # of a process that was killed long ago
    (claims / f"{name}~0123456789ab.json").write_text(json.dumps(old))
    assert vault("rm", name, "--zone", "far").code == 0
    assert holders(vault, name) == ["usb"]


def test_two_realms_that_delete_at_once_leave_a_copy(realm: Realm, box: Box, vault: Vault, tmp_path: Path) -> None:
    make_checkpoint(realm, 1)
    make_checkpoint(realm, 2)
    name = f"checkpoint_{HERO}_1"
    zones = yaml.safe_load(zones_file(realm).read_text())
    zones_file(realm).write_text(yaml.safe_dump({**zones, "copies": {"min": {"checkpoint": 1}}}))
    for zone in ("far", "usb"):
        assert vault("push", "--zone", zone, name).err == ""
    assert vault("rm", name, "--zone", "local").code == 0
    other = Realm(tmp_path / "other")
    shutil.copytree(realm.root, other.root, symlinks=True)
    outcomes: dict[str, Ran] = {}

    def drop(zone: str, of: Realm) -> None:
        outcomes[zone] = vault("rm", name, "--zone", zone, realm=of)

    threads = [threading.Thread(target=drop, args=args) for args in (("far", realm), ("usb", other))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done.code for done in outcomes.values()) in ([0, 3], [3, 3]), outcomes
    assert vault("scan").code == 0
    assert holders(vault, name)
    for place in (box.root, realm.root.parent / "usb"):
        assert not list((place / ".vault" / "dropping").glob("*.json"))
