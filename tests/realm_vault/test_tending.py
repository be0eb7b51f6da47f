"""The vault's round: what waits is sent, the champion is copied, silence is noticed, a full disk is freed by the rules."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import yaml

from helpers import PATIENCE, Ran, realm_line, wait_for
from realm_cli import champions, checkpoints, services, store
from realm_cli.checkpoint_records import ManifestRecord
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.skill_records import ChampionRecord
from realm_vault_boxes import HERO, Box, make_checkpoint, write_zones

Vault = Callable[..., Ran]


def crown(realm: Realm, step: int) -> None:
    champions.write(
        realm,
        ChampionRecord(
            hero=HERO, step=step, checkpoint=f"checkpoint-{step}-20261124-1200", weights_sha256="0" * 64,
            promoted_at=now(), by="test",
        ),
    )  # fmt: skip


def zones(realm: Realm, **changes: object) -> None:
    """Change `zones.yaml`."""
    path = realm.configs / "zones.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))


def deeds(done: Ran) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in done.json:
        found.setdefault(row["task"], []).append(row["said"])
    return found


def test_what_waits_is_sent_when_the_zone_is_back(realm: Realm, box: Box, vault: Vault) -> None:
    make_checkpoint(realm, 1)
    box.stop()
    assert vault("push", "--zone", "far", "checkpoint_1").code == 0
    assert "waits" in deeds(vault("tend", "--json"))["transfers"][0]
    box.start()
    assert deeds(vault("tend", "--json"))["transfers"] == [f"checkpoint_{HERO}_1 to far: sent"]
    assert vault("transfers", "--json").json[0]["state"] == "done"
    assert "transfers" not in deeds(vault("tend", "--json"))


def test_a_transfer_whose_keeper_was_killed_is_taken_up(realm: Realm, box: Box, vault: Vault) -> None:
    make_checkpoint(realm, 1, size=3_000_000)
    keeper = subprocess.Popen(
        realm_line("vault", "push", "--zone", "far", "checkpoint_1", "--limit-kb", "200", realm=realm),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=box.environment(),
        start_new_session=True,
    )  # fmt: skip
    incoming = box.root / ".vault" / "incoming"
    wait_for(lambda: list(incoming.rglob("*.safetensors")), "the first bytes")
    os.killpg(keeper.pid, signal.SIGKILL)
    keeper.wait(timeout=PATIENCE)
    assert vault("transfers", "--json").json[0]["state"] == "running"
    assert deeds(vault("tend", "--json"))["transfers"] == [f"checkpoint_{HERO}_1 to far: sent"]
    states = [row["state"] for row in vault("transfers", "--json").json]
    assert states == ["done"]
    assert vault("verify", "--zone", "far").code == 0


def test_the_champion_is_copied_once_a_day_to_the_nearest_with_room(realm: Realm, box: Box, vault: Vault) -> None:
    make_checkpoint(realm, 1)
    crown(realm, 1)
    zones(realm, zones={
        "usb": {"type": "local", "root": str(realm.root.parent / "usb"), "max_gb_of": {"checkpoint": 0.00001}},
        "far": {"type": "ssh", "host": "box", "root": str(box.root)},
    })  # fmt: skip
    assert deeds(vault("tend", "--json"))["champion"] == [f"checkpoint_{HERO}_1 is copied to far"]
    assert "champion" not in deeds(vault("tend", "--json"))


def test_a_zone_that_nothing_new_reached_is_named(realm: Realm, box: Box, vault: Vault) -> None:
    old = make_checkpoint(realm, 1)
    manifest = store.read_record(old / checkpoints.MANIFEST, ManifestRecord)
    days_ago = (datetime.now(timezone.utc) - timedelta(days=5)).isoformat(timespec="milliseconds")
    checkpoints.write_manifest(old, manifest.name, days_ago)
    assert vault("push", "--zone", "far", "checkpoint_1").err == ""
    assert "copies" not in deeds(vault("tend", "--json"))  # there is nothing newer
    make_checkpoint(realm, 2)
    assert vault("scan").code == 0
    assert "nothing new reached far for 5" in vault("zones").err
    (realm.status / "vault" / "tended.json").unlink()
    done = vault("tend", "--json")
    assert done.code == 1
    assert deeds(done)["copies"][0].startswith("nothing new reached far for 5")
    assert '"copies_missing"' in realm.events.read_text()
    zones(realm, zones={"far": {"type": "ssh", "host": "box", "root": str(box.root), "alarm_days": 0}})
    assert "nothing new" not in vault("zones").err


def test_a_disk_that_gets_full_is_freed_by_the_rules(realm: Realm, box: Box, vault: Vault) -> None:
    for step in range(1, 7):
        make_checkpoint(realm, step)
    crown(realm, 2)
    assert vault("rm", "checkpoint_1", "--zone", "local").code == 0
    config = yaml.safe_load(realm.config_file.read_text())
    config["training"] = {**config.get("training", {}), "reserve_mb": 10**9, "keep_last": 2}  # no disk has that much
    realm.config_file.write_text(yaml.safe_dump(config))
    done = vault("tend", "--json")
    assert done.code == 1
    said = deeds(done)["disk"]
    assert any("can still be restored" in one for one in said)
    assert f"checkpoint_{HERO}_3: no rule keeps it" in said
    # the last two, the best loss (which is the last), the champion
    assert Ledger(realm).steps() == [6, 5, 2]
    assert vault("restore", "checkpoint_1").code == 0  # what a person deleted can still come back
    assert "are needed" in said[-1]
    assert '"disk_guarded"' in realm.events.read_text()


def test_enough_room_deletes_nothing(realm: Realm, box: Box, vault: Vault) -> None:
    for step in range(1, 7):
        make_checkpoint(realm, step)
    assert "disk" not in deeds(vault("tend", "--json"))
    assert len(Ledger(realm).steps()) == 6


def test_the_service_does_the_rounds(realm: Realm, box: Box) -> None:
    write_zones(realm, box)
    make_checkpoint(realm, 1)
    crown(realm, 1)
    serving = subprocess.Popen(
        realm_line("vault", "serve", "--port", "0", "--quiet", realm=realm), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=box.environment(),
    )  # fmt: skip
    try:
        wait_for(lambda: services.running(realm, "vault"), "the service")
        usb: Path = realm.root.parent / "usb"
        wait_for(lambda: list(usb.glob(f"models/{HERO}/checkpoint-1-*/manifest.json")), "the champion's copy")
        wait_for(lambda: (realm.status / "vault" / "tended.json").exists(), "the round's record")
        assert json.loads((realm.status / "vault" / "tended.json").read_text())["done"]["archive"]
    finally:
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(timeout=PATIENCE) == 0
