"""Zones: what they say when something is wrong, and that nothing is written into the wrong place."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helpers import PATIENCE, Ran, SmallDisk, environment, realm_line
from realm_cli.errors import RealmError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.zones import zones_file
from realm_vault.places import MARK, Places
from realm_vault_boxes import HERO, Box, content, make_checkpoint, write_zones

Vault = Callable[..., Ran]


def test_zones_are_listed_with_how_they_are(realm: Realm, box: Box, vault: Vault) -> None:
    make_checkpoint(realm, 1)
    assert vault("push", "--zone", "far").err == ""

    rows = {row["zone"]: row for row in vault("zones", "--check", "--json").json}

    assert list(rows) == ["local", "far", "usb"]
    assert {row["state"] for row in rows.values()} == {"ok"}
    assert rows["far"]["free"] > 0
    assert (rows["far"]["host"], rows["far"]["assets"]) == ("box", 1)
    box.stop()
    rows = {row["zone"]: row for row in vault("zones", "--check", "--json").json}
    assert (rows["far"]["state"], rows["local"]["state"]) == ("away", "ok")
    assert "away" in rows["far"]["why"]


def test_an_unknown_host_key_is_refused_with_the_line_that_accepts_it(realm: Realm, box: Box, vault: Vault) -> None:
    make_checkpoint(realm, 1)
    box.known.write_text("")

    done = vault("push", "--zone", "far")

    assert done.code == 3
    assert "the host key of 127.0.0.1 is not known" in done.err
    assert f"ssh -p {box.port} " in done.err
    assert list(box.root.iterdir()) == []


def test_a_changed_host_key_is_refused(realm: Realm, box: Box, vault: Vault) -> None:
    make_checkpoint(realm, 1)
    box.known.write_text(f"[127.0.0.1]:{box.port} {(box.folder / 'user.pub').read_text()}")

    done = vault("push", "--zone", "far")

    assert done.code == 3
    assert f"ssh-keygen -R '[127.0.0.1]:{box.port}'" in done.err


def test_a_user_who_is_not_let_in_is_told_how(realm: Realm, box: Box, vault: Vault) -> None:
    make_checkpoint(realm, 1)
    (box.folder / "authorized").write_text("")

    done = vault("push", "--zone", "far")

    assert done.code == 3
    assert "ssh-copy-id" in done.err


def test_a_share_that_is_not_mounted_is_away_and_nothing_is_written_into_its_folder(realm: Realm, vault: Vault) -> None:
    usb = realm.root.parent / "usb"
    make_checkpoint(realm, 1)
    assert vault("push", "--zone", "usb").err == ""
    make_checkpoint(realm, 2)
    shutil.rmtree(usb)
    usb.mkdir()

    done = vault("push", "--zone", "usb", "--json")

    assert [row["state"] for row in done.json] == ["queued"]
    assert "mark" in done.err
    assert list(usb.iterdir()) == []


def test_many_who_come_first_give_a_zone_one_mark(realm: Realm, vault: Vault) -> None:
    manager = Manager.of(realm)
    together = threading.Barrier(8)

    def come(_: int) -> bytes:
        together.wait(PATIENCE)
        Places(realm, manager).zone("usb")
        return (realm.root.parent / "usb" / MARK).read_bytes()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(come, range(8)))) == 1
    Places(realm, manager).zone("usb")


@pytest.mark.parametrize(
    ("tar", "problem"),
    [("exec TAR -cf - -T /dev/null", "does not give its mark"), ("exit 2", "its tar sent no archive")],
)
def test_a_mark_that_cannot_be_read_is_not_replaced(
    realm: Realm, vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tar: str, problem: str
) -> None:
    manager = Manager.of(realm)
    Places(realm, manager).zone("usb")
    mark = realm.root.parent / "usb" / MARK
    before = mark.read_bytes()
    shutil.rmtree(realm.status / "vault" / "zones")  # as another realm that does not know it
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tar").write_text(f"#!/bin/sh\n{tar.replace('TAR', shutil.which('tar') or '')}\n")
    (tmp_path / "bin" / "tar").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    with pytest.raises(RealmError, match=problem):
        Places(realm, manager).zone("usb")

    assert mark.read_bytes() == before


def test_a_full_disk_there_is_said_and_the_next_try_succeeds(
    realm: Realm, box: Box, vault: Vault, small_disk: SmallDisk
) -> None:
    folder = make_checkpoint(realm, 1, size=3_000_000, files=4)
    write_zones(realm, box, small={"type": "local", "root": str(small_disk.inside)})

    def push(asset: str) -> subprocess.CompletedProcess[str]:
        line = small_disk.entered(realm_line("vault", "push", asset, "--zone", "small", realm=realm))
        return subprocess.run(line, env=environment(), capture_output=True, text=True, check=False)

    assert push("config_realm").returncode == 0
    small_disk.fill()
    done = push("checkpoint_1")
    assert done.returncode == 1
    assert "left" in done.stderr
    assert not (small_disk.folder / "models").exists()
    small_disk.free()
    assert push("checkpoint_1").returncode == 0
    assert content(small_disk.folder / "models" / HERO / folder.name) == content(folder)


def test_a_disk_that_is_mounted_read_only_is_said(realm: Realm, box: Box, vault: Vault, small_disk: SmallDisk) -> None:
    make_checkpoint(realm, 1)
    write_zones(realm, box, small={"type": "local", "root": str(small_disk.inside)})
    subprocess.run(small_disk.entered(["mount", "-o", "remount,ro", str(small_disk.inside)]), check=True)
    line = small_disk.entered(realm_line("vault", "push", "--zone", "small", realm=realm))

    done = subprocess.run(line, env=environment(), capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "Read-only file system" in done.stderr
    assert "give the zone's user write access to its root" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("zones:\n  far: {type: ssh, rot: /x}\n", "zones.yaml:2: unknown key"),
        ("zones:\n  far: {type: shh, root: /x}\n", "did you mean 'ssh'?"),
        ("zones:\n  far: {type: ssh, root: /x}\n", "has no host"),
        ("zones:\n  far: {type: ssh, root: /x, host: bix}\n", "did you mean 'box'?"),
        ("zones:\n  local: {type: local, root: /x}\n", "is the realm itself"),
        ("zones:\n  '../x': {type: local, root: /x}\n", "cannot be a zone's name"),
        ("zones:\n  usb: {type: local, root: /x, keep: {checkpoints: {last: 3}}}\n", "did you mean 'checkpoint'?"),
    ],
)
def test_a_mistake_in_the_configuration_is_named(realm: Realm, box: Box, vault: Vault, text: str, said: str) -> None:
    write_zones(realm, box)
    zones_file(realm).write_text(text)

    done = vault("zones", "--check")

    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("zone", ["far", "local"])
def test_a_damaged_copy_is_set_aside_and_a_good_one_takes_its_place(
    realm: Realm, box: Box, vault: Vault, zone: str
) -> None:
    folder = make_checkpoint(realm, 6)
    assert vault("push", "--zone", "far").err == ""
    good = content(folder)
    root = box.root if zone == "far" else realm.root
    copy = root / "models" / HERO / folder.name
    (copy / "part 1.safetensors").write_bytes(os.urandom(50_000))
    assert vault("verify", "--zone", "usb").code == 0

    done = vault("verify", "--zone", zone, "--json")

    damaged = done.json["damaged"][0]
    assert (done.code, damaged["wrong"], damaged["mended"]) == (1, ["part 1.safetensors"], True)
    assert content(copy) == good
    assert len(list((root / ".vault" / "quarantine").iterdir())) == 1
    assert [one["zone"] for one in vault("locate", "checkpoint_6", "--json").json["locations"]] == ["local", "far"]
    assert vault("verify").code == 0


def test_the_only_copy_when_damaged_is_set_aside_and_said(realm: Realm, vault: Vault) -> None:
    folder = make_checkpoint(realm, 6)
    (folder / "part 1.safetensors").write_bytes(os.urandom(50_000))

    done = vault("verify")

    assert done.code == 1
    assert "no good copy took its place" in done.err
    assert not folder.exists()
    assert len(list((realm.root / ".vault" / "quarantine").iterdir())) == 1


def test_what_a_person_edits_is_no_damage_and_what_the_realm_works_with_stays(realm: Realm, vault: Vault) -> None:
    assert vault("verify").code == 0
    realm.config_file.write_text(realm.config_file.read_text() + "# mine\n")
    (realm.data / "new.jsonl").write_text("{}\n")
    folder = make_checkpoint(realm, 1)
    assert vault("scan").code == 0
    shutil.rmtree(folder)

    assert vault("verify").code == 0

    facts = realm.config_file.stat()
    realm.config_file.write_text(realm.config_file.read_text().replace("# mine", "# rott"))
    os.utime(realm.config_file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    done = vault("verify", "config_realm")
    assert (done.code, "it stays, as the realm works with it" in done.err) == (1, True)
    assert realm.config_file.is_file()


def test_verifying_in_slices_covers_all_and_a_budget_is_gone_on_with(realm: Realm, vault: Vault) -> None:
    for step in range(1, 9):
        make_checkpoint(realm, step, size=100)
    everything = vault("verify", "--json").json["verified"]
    parts = [vault("verify", "--slice", f"{part}/3", "--json").json["verified"] for part in (1, 2, 3)]
    assert sum(parts) == everything

    shutil.rmtree(realm.status / "vault")
    for _ in range(20):
        assert vault("verify", "--max-bytes", 1000).code == 0
    cells = [row["local"] for row in vault("whereis", "--kind", "checkpoint", "--json").json]
    assert cells == ["ok"] * 8
    assert vault("verify", "--slice", "4/3").code == 2


def test_a_name_that_no_json_can_hold_is_named_and_passed_over(realm: Realm, vault: Vault) -> None:
    (realm.data / os.fsdecode(b"bad\xff.jsonl")).write_text("{}\n")
    (realm.data / "good.jsonl").write_text("{}\n")

    done = vault("scan", "--zone", "local")

    assert done.code == 0
    assert "its name is not UTF-8" in done.err
    assert [row["id"] for row in vault("list", "--kind", "data", "--json").json] == ["data_good"]


def test_a_scan_finds_what_is_incomplete_and_reads_nothing_twice(realm: Realm, box: Box, vault: Vault) -> None:
    folder = make_checkpoint(realm, 1)
    half = make_checkpoint(realm, 2)
    (half / "part 0.safetensors").unlink()
    (realm.data / "rows.jsonl").write_text("{}\n")

    first = vault("scan", "--zone", "local", "--json")
    second = vault("scan", "--zone", "local", "--json")

    assert "part 0.safetensors is missing" in first.err
    assert first.json[0]["hashed"] > 0
    assert second.json[0]["hashed"] == 0
    assert {row["id"] for row in vault("list", "--kind", "checkpoint", "--json").json} == {f"checkpoint_{HERO}_1"}
    (realm.status / "vault" / "catalog.json").write_text('{"kind": "vault_cat')
    assert vault("locate", "checkpoint_1").code == 0
    assert folder.is_dir()


def test_a_wrong_clock_is_told_and_harms_nothing(realm: Realm, box: Box, vault: Vault) -> None:
    box.skew(-7200)
    make_checkpoint(realm, 1)
    make_checkpoint(realm, 2)
    assert vault("push", "--zone", "far", "checkpoint_1").err == ""
    for path in box.root.rglob("*"):  # as that clock would have dated them
        facts = path.stat()
        os.utime(path, (facts.st_atime - 7200, facts.st_mtime - 7200))
    told = vault("zones", "--check")
    assert "its clock is 2h 00m behind" in told.err, told.err
    assert vault("scan").code == 0
    assert vault("push", "--zone", "far", "checkpoint_1", "--json").json[0]["state"] == "there"
    assert vault("verify", "--zone", "far").code == 0
    assert vault("rm", "checkpoint_1", "--zone", "far").code == 0
    assert vault("restore", "checkpoint_1", "--zone", "far").code == 0
    assert vault("verify", "checkpoint_1", "--zone", "far").code == 0
