"""Checkpoints go over a real ssh and come back whole, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import Ran, realm_line, wait_for
from realm_cli import champions, checkpoints, leases
from realm_cli.founding import found
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm
from realm_cli.skill_records import ChampionRecord
from realm_vault_boxes import HERO, Box, content, make_checkpoint, write_zones

Vault = Callable[..., Ran]


def far(box: Box, folder: Path) -> Path:
    """Where a checkpoint of the realm lies in the box."""
    return box.root / "models" / HERO / folder.name


def visible(box: Box) -> list[str]:
    """The checkpoint folders that somebody in the box would find."""
    return sorted(path.name for path in box.root.glob("models/*/*"))


def test_a_push_without_names_sends_the_latest_and_the_champion(realm: Realm, box: Box, vault: Vault) -> None:
    folders = {step: make_checkpoint(realm, step) for step in (10, 20, 30)}
    champion = ChampionRecord(
        hero=HERO,
        step=10,
        checkpoint=folders[10].name,
        weights_sha256="0" * 64,
        by="test",
        promoted_at="2026-01-01T00:00:00+00:00",
    )
    champions.write(realm, champion)

    done = vault("push", "--zone", "far", "--json")

    assert done.code == 0, done.err
    assert {row["asset"]: row["state"] for row in done.json} == {
        f"checkpoint_{HERO}_30": "done", f"checkpoint_{HERO}_10": "done",
    }  # fmt: skip
    assert visible(box) == sorted([folders[10].name, folders[30].name])
    assert content(far(box, folders[30])) == content(folders[30])
    checkpoints.verify(checkpoints.open_checkpoint(far(box, folders[30])))
    again = vault("push", "--zone", "far", "--json")
    assert [row["state"] for row in again.json] == ["there", "there"]


def test_what_is_lost_here_is_fetched_back_with_its_ledger_entry(realm: Realm, box: Box, vault: Vault) -> None:
    folder = make_checkpoint(realm, 1000)
    make_checkpoint(realm, 10000)
    before = content(folder)
    assert vault("push", "checkpoint_1000", "--zone", "far").err == ""
    shutil.rmtree(folder)
    (realm.ledger / HERO / "1000.json").unlink()
    assert vault("scan", "--zone", "local").code == 0

    done = vault("fetch", "checkpoint_1000", "--json")

    assert done.code == 0, done.err
    assert (done.json[0]["zone"], done.json[0]["verified"]) == ("far", True)
    assert content(folder) == before
    assert Ledger(realm).get(1000).canonical_name == folder.name
    where = vault("locate", "checkpoint_1000", "--json").json
    assert (where["found"], where["best"]["zone"]) == (True, "local")
    assert [copy["zone"] for copy in where["locations"]] == ["local", "far"]


def test_a_fetch_to_a_folder_leaves_the_realm_alone(realm: Realm, vault: Vault, tmp_path: Path) -> None:
    folder = make_checkpoint(realm, 5)
    assert vault("push", "checkpoint_5", "--zone", "far").err == ""
    target = tmp_path / "elsewhere" / "copy of it"

    assert vault("fetch", "checkpoint_5", "--to", target).code == 0

    assert content(target) == content(folder)
    busy = vault("fetch", "checkpoint_5", "--to", realm.models)
    assert (busy.code, "is there already" in busy.err) == (3, True)


def test_another_realm_pulls_from_the_same_zone(realm: Realm, box: Box, vault: Vault, tmp_path: Path) -> None:
    folder = make_checkpoint(realm, 7)
    assert vault("push", "checkpoint_7", "--zone", "far").err == ""
    other, _ = found(tmp_path / "other")
    write_zones(other, box)

    done = vault("pull", "checkpoint_7", "--zone", "far", realm=other)

    assert done.code == 0, done.err
    assert content(other.hero_folder(HERO) / folder.name) == content(folder)
    assert Ledger(other, HERO).steps() == [7]


def test_a_damaged_part_of_an_earlier_attempt_is_replaced(realm: Realm, box: Box, vault: Vault) -> None:
    folder = make_checkpoint(realm, 3)
    digest = next(iter(vault("list", "--kind", "checkpoint", "--json").json))["digest"]
    part = box.root / ".vault" / "incoming" / f"checkpoint_{HERO}_3-{digest[:16]}"
    part.mkdir(parents=True)
    (part / "part 0.safetensors").write_bytes(b"x" * 50_000)
    (part / "part 1.safetensors").write_bytes(b"y" * 10)

    assert vault("push", "checkpoint_3", "--zone", "far").err == ""

    assert content(far(box, folder)) == content(folder)
    assert list((box.root / ".vault" / "incoming").iterdir()) == []


def test_a_zone_that_is_away_gets_it_when_it_is_back(realm: Realm, box: Box, vault: Vault) -> None:
    folder = make_checkpoint(realm, 4)
    box.stop()

    waits = vault("push", "checkpoint_4", "--zone", "far", "--json")
    assert vault("push", "checkpoint_4", "--zone", "far").code == 0

    assert (waits.code, waits.json[0]["state"]) == (0, "queued")
    assert "away" in waits.err
    queued = [row for row in vault("transfers", "--json").json if row["state"] == "queued"]
    assert [(row["asset"], row["attempts"]) for row in queued] == [(f"checkpoint_{HERO}_4", 2)]
    box.start()
    assert vault("transfers", "--send").err == ""
    assert content(far(box, folder)) == content(folder)
    assert [row["state"] for row in vault("transfers", "--json").json] == ["done"]


@pytest.mark.parametrize("victim", ["keeper", "rsync", "sshd"])
def test_a_cut_at_any_moment_leaves_no_half_and_the_next_try_goes_on(
    realm: Realm, box: Box, vault: Vault, victim: str
) -> None:
    folder = make_checkpoint(realm, 8, size=4_000_000)
    line = realm_line("vault", "push", "checkpoint_8", "--zone", "far", "--limit-kb", 2000, realm=realm)
    keeper = subprocess.Popen(line, env=box.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    incoming = box.root / ".vault" / "incoming"

    wait_for(lambda: any(path.stat().st_size > 500_000 for path in incoming.glob("*/*.safetensors")), "a part")
    if victim == "keeper":
        keeper.send_signal(signal.SIGKILL)
    elif victim == "sshd":
        box.stop()
    else:
        subprocess.run(["pkill", "-KILL", "-f", f"rsync.*{box.root.parent}"], check=True)
    keeper.wait()

    assert visible(box) == []
    assert "far" not in str(vault("locate", "checkpoint_8", "--json").json["locations"])
    if victim == "sshd":
        box.start()
    parts = sum(path.stat().st_size for path in incoming.glob("*/*"))
    wait_for(lambda: vault("push", "checkpoint_8", "--zone", "far").code == 0, "the second try")
    assert parts > 500_000
    assert content(far(box, folder)) == content(folder)
    assert leases.held_now(realm) == {}


def test_two_pushes_of_one_checkpoint_at_once_do_not_disturb_each_other(realm: Realm, box: Box, vault: Vault) -> None:
    folder = make_checkpoint(realm, 9, size=1_000_000)
    assert vault("scan", "--zone", "local").code == 0
    codes: list[int] = []
    pushes = [
        threading.Thread(target=lambda: codes.append(vault("push", "checkpoint_9", "--zone", "far").code)) for _ in "ab"
    ]
    for push in pushes:
        push.start()
    for push in pushes:
        push.join()

    assert set(codes) <= {0, 5}
    assert 0 in codes
    assert content(far(box, folder)) == content(folder)


def test_names_that_would_harm_a_shell_are_only_names(realm: Realm, box: Box, vault: Vault, tmp_path: Path) -> None:
    names = ["a b", "-rf", 'it\'s "quoted"', "$(touch harmed)", "new\nline", "ünï ✓", "semi;colon", "back\\slash"]
    for name in names:
        (realm.data / f"{name}.jsonl").write_text(f"{name!r}\n")
    assert vault("scan").code == 0
    assets = [row["id"] for row in vault("list", "--kind", "data", "--json").json]
    assert len(assets) == len(names)

    done = vault("push", *assets, "--zone", "far")

    assert done.code == 0, done.err
    assert {path.name for path in (box.root / "data").iterdir()} == {f"{name}.jsonl" for name in names}
    assert content(box.root / "data") == {f"{name}.jsonl": f"{name!r}\n".encode() for name in names}
    assert list(tmp_path.rglob("harmed")) == []
    rows = vault("scan", "--zone", "far", "--json").json
    assert (rows[0]["assets"], rows[0]["wrong"]) == (len(names), 0)


@pytest.mark.parametrize(
    "name", ["checkpoint_1/../../etc", "../models", "checkpoint_", "checkpoint_1\n", "", "model_..", "x"]
)
def test_what_is_no_id_is_refused(vault: Vault, name: str) -> None:
    for line in (("locate", name), ("fetch", name), ("push", name, "--zone", "far"), ("verify", name)):
        done = vault(*line)
        assert done.code == 2, done.err
        assert "Traceback" not in done.err


def test_ids_are_exact(realm: Realm, vault: Vault) -> None:
    make_checkpoint(realm, 10000)

    assert vault("locate", "checkpoint_1000").code == 4
    assert vault("push", "checkpoint_1000", "--zone", "far").code == 4
    assert vault("locate", "checkpoint_10000").code == 0


def test_events_are_told_as_lines(realm: Realm, box: Box, vault: Vault) -> None:
    folder = make_checkpoint(realm, 1, size=400_000)
    told = [
        json.loads(line)
        for line in vault("push", "--zone", "far", "checkpoint_1", "--limit-kb", "400", "--events").out.splitlines()
    ]
    assert (told[0]["event"], told[-1]["event"], told[-1]["success"]) == ("begun", "ended", True)
    progress = [one["bytes"] for one in told if one["event"] == "progress"]
    assert progress == sorted(progress)
    assert progress
    assert progress[-1] <= sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    part = next(box.root.rglob("part 0.safetensors"))
    part.write_bytes(b"x" * part.stat().st_size)
    told = [json.loads(line) for line in vault("verify", "--zone", "far", "--events").out.splitlines()]
    assert [(one["event"], one.get("ok"), one.get("mended")) for one in told] == [
        ("verified", False, True),
        ("done", None, None),
    ]
    failed = [json.loads(line) for line in vault("fetch", "checkpoint_99", "--events").out.splitlines()]
    assert [one["event"] for one in failed] == ["begun", "failed"]


# -- several small ones together ---------------------------------------------------------------------------------


def test_small_checkpoints_travel_together(realm: Realm, box: Box, vault: Vault) -> None:
    folders = [make_checkpoint(realm, step, size=500, files=20) for step in range(1, 7)]
    ids = [f"checkpoint_{step}" for step in range(1, 7)]
    assert vault("push", "--zone", "far", "checkpoint_3").err == ""
    done = vault("push", "--zone", "far", *ids, "--json").json
    assert [one["state"] for one in done] == ["done", "done", "there", "done", "done", "done"]
    for folder in folders:
        assert content(box.root / folder.relative_to(realm.root)) == content(folder)
    assert vault("scan", "--zone", "far", "--json").json[0] | {"seconds": 0} == {
        "zone": "far", "assets": 6, "wrong": 0, "hashed": 0, "seconds": 0,
    }  # fmt: skip
    assert vault("verify", "--zone", "far").code == 0
    assert {one["state"] for one in vault("transfers", "--json").json} == {"done"}
    assert len(list((box.root / ".vault" / "assets").iterdir())) == 6


def test_what_was_damaged_on_the_way_goes_again(realm: Realm, box: Box, vault: Vault) -> None:
    folders = [make_checkpoint(realm, step, size=500, files=3) for step in (1, 2)]
    part = box.root / ".vault/incoming/together" / folders[0].relative_to(realm.root) / "part 0.safetensors"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 500)  # as long as the right one, so rsync takes it for whole
    done = vault("push", "--zone", "far", "checkpoint_1", "checkpoint_2", "--json").json
    assert [one["state"] for one in done] == ["done", "done"]
    for folder in folders:
        assert content(box.root / folder.relative_to(realm.root)) == content(folder)


def test_a_killed_push_of_several_is_finished_by_the_next(realm: Realm, box: Box, vault: Vault) -> None:
    folders = [make_checkpoint(realm, step, size=300_000, files=2) for step in (1, 2, 3)]
    ids = ["checkpoint_1", "checkpoint_2", "checkpoint_3"]
    keeper = subprocess.Popen(
        realm_line("vault", "push", "--zone", "far", *ids, "--limit-kb", "500", realm=realm),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=box.environment(),
        start_new_session=True,
    )  # fmt: skip
    incoming = box.root / ".vault" / "incoming"
    wait_for(lambda: list(incoming.rglob("*.safetensors")), "the first bytes")
    os.killpg(keeper.pid, signal.SIGKILL)
    keeper.wait()
    assert not list(box.root.glob(f"models/{HERO}/*"))
    assert len(vault("tend", "--json").json) >= 3
    for folder in folders:
        assert content(box.root / folder.relative_to(realm.root)) == content(folder)
