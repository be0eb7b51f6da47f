"""A copied realm: the processes that its files name work for the original, and are none of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from helpers import Run, rows, write_rows
from realm_cli import belonging, inbox, intake, leases, services, status, store, task_records
from realm_cli.checks import Finding
from realm_cli.kinship import Kinship
from realm_cli.manager import Manager
from realm_cli.process import is_running, mark_of
from realm_cli.realm import Realm
from realm_cli.records import LeaseRecord, ProcessMark, ServiceRecord, TrainingStatus, now
from realm_cli.task_records import TaskMasterRecord
from realm_cli.watchtower import gaze
from realm_guild import requests
from realm_sentinels.checks import processes as process_checks
from realm_weaver import foreign
from realm_weaver.plan import plan


@dataclass
class Pair:
    """A realm in which a process does everything, and its copy."""

    original: Realm
    copy: Realm
    process: ProcessMark


@pytest.fixture
def pair(realm: Realm, tmp_path: Path) -> Iterator[Pair]:
    # Its parent ends at once, so that it does not descend from the tests.
    said = subprocess.run(
        ["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"], capture_output=True, text=True, check=True
    )
    mark = mark_of(int(said.stdout))
    try:
        files = {
            realm.training_status: TrainingStatus(
                state="training", hero="dio-mini", step=7, process=mark, started_at=now(), heartbeat=now()
            ),
            services.path_of(realm, "tavern"): ServiceRecord(
                name="tavern", url="http://127.0.0.1:1", process=mark, started_at=now()
            ),
            realm.status / "leases/checkpoint_dio-mini_1@1-1.json": LeaseRecord(
                asset="checkpoint_dio-mini_1", why="test", process=mark, since=now()
            ),
            task_records.master_file(realm): TaskMasterRecord(process=mark, looked_at=now(), next_look=now()),
        }
        for path, record in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            belonging.write(realm, path, record)
        shutil.copytree(realm.root, tmp_path / "copy", symlinks=True)
        yield Pair(realm, Realm(tmp_path / "copy"), mark)
    finally:
        os.kill(mark.pid, signal.SIGKILL)


def holder(realm: Realm) -> object:
    return foreign.holder(realm, plan(realm, Manager.of(realm))["battle"])


def finding(realm: Realm) -> Finding:
    (found,) = process_checks.look_at_battle(realm, Manager.of(realm))
    return found


def test_a_moved_realm_keeps_its_processes(pair: Pair, tmp_path: Path) -> None:
    moved = Realm(pair.original.root.rename(tmp_path / "moved"))
    assert status.battle_process(moved) == pair.process
    assert services.running(moved, "tavern") is not None
    assert leases.held_now(moved) == {"checkpoint_dio-mini_1": "test"}


def test_a_realm_whose_file_system_numbers_its_folders_anew_keeps_its_processes(pair: Pair) -> None:
    path = pair.original.training_status
    device, inode, name = belonging.place_of(pair.original).split(":")
    path.write_text(path.read_text().replace(f"{device}:{inode}:{name}", f"{device}:1{inode}:{name}"))
    assert status.battle_process(pair.original) == pair.process


def test_a_copy_has_no_battle_and_says_whose_it_was(pair: Pair, run: Run) -> None:
    assert status.battle_process(pair.original) == pair.process
    assert status.battle_process(pair.copy) is None
    battle = run("status", "--json", realm=pair.copy).json["battle"]
    assert (battle["state"], battle["pid"]) == ("dead", None)
    assert battle["reason"] == (
        "it ran in the realm that this one was copied from while training at step 7; the next start goes on exactly"
    )
    assert run("battle", "stop", realm=pair.copy).code == 4
    assert run("battle", "pause", realm=pair.copy).out.startswith("no battle runs; the next one starts paused")
    assert (finding(pair.original).grade, finding(pair.copy).message) == (
        "ok",
        "no battle has run here: the last one was the original's, of which this realm is a copy",
    )
    assert is_running(pair.process)


def test_a_copy_has_no_services_tasks_leases_and_kin_of_the_original(pair: Pair) -> None:
    def seen(realm: Realm) -> tuple[object, ...]:
        return (
            services.running(realm, "tavern") is not None,
            [one.name for one in gaze(realm, Manager.of(realm)).around.services],
            task_records.master(realm) is not None,
            Kinship(realm).is_ours(pair.process.pid),
            holder(realm) is not None,
            bool(leases.held_now(realm)),
        )

    assert seen(pair.original) == (True, ["tavern"], True, True, True, True)
    assert seen(pair.copy) == (False, [], False, False, False, False)


def test_what_was_being_taken_in_when_a_realm_was_copied_is_taken_in_there_as_well(
    realm: Realm, tmp_path: Path
) -> None:
    write_rows(inbox.place(realm, "move-high", "mine.jsonl"), rows(1))
    shutil.copytree(realm.root, tmp_path / "copy", symlinks=True)
    copy = Realm(tmp_path / "copy")
    assert inbox.leftovers(realm) == ([], [])
    assert [found.name for found in inbox.leftovers(copy)[0]] == ["mine.jsonl"]
    assert [one.record.name for one in intake.take_inbox(copy, Manager.of(copy)) if one.record] == ["mine.jsonl"]


def test_an_eval_that_was_being_made_when_a_realm_was_copied_waits_again_there(realm: Realm, tmp_path: Path) -> None:
    path = requests.ask(realm, "dio-mini", 5, "bin", 1, "training")
    with requests.claimed(realm, path):
        shutil.copytree(realm.root, tmp_path / "copy", symlinks=True)
        assert requests.pending(realm) == []
        assert [request.step for _, request in requests.pending(Realm(tmp_path / "copy"))] == [5]


def test_a_record_without_a_place_is_this_realm_s(pair: Pair) -> None:
    store.write_record(
        services.path_of(pair.copy, "old"), ServiceRecord(name="old", process=pair.process, started_at=now())
    )
    assert services.running(pair.copy, "old") is not None
