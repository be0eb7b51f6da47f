"""The watchtower's snapshot: what stands around the battle, read from what each wrote, cheap however long the history."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import msgspec
import pytest

from helpers import Run
from realm_cli import leases, services, store, task_records
from realm_cli.checks import Finding, FindingsRecord, findings_file
from realm_cli.gpus import Gpu
from realm_cli.manager import Manager
from realm_cli.process import mark_of, this_process
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark, ServiceRecord, now
from realm_cli.service_records import ServiceState, WeaverRecord
from realm_cli.snapshot_records import SkillView
from realm_cli.statusview import render
from realm_cli.surroundings import DoctorView, GpuView, ServiceView, TaskView, TransferView
from realm_cli.task_records import GpuStanding, TaskMasterRecord, TaskRun, TaskStanding
from realm_cli.watchtower import Snapshot, gaze
from realm_vault import transfers
from realm_vault.records import TransferRecord

GONE = ProcessMark(pid=2**22 - 1, started="x:1", host=os.uname().nodename)


@pytest.fixture
def manager(realm: Realm) -> Manager:
    return Manager.of(realm)


def write(path: Path, record: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_record(path, record)  # type: ignore[arg-type]


def weaver(realm: Realm, *states: ServiceState) -> None:
    write(services.weaver_folder(realm) / "weaver.json", WeaverRecord(process=this_process(), started_at=now()))
    for state in states:
        write(services.state_path(realm, state.name), state)


def test_a_fresh_realm_has_nothing_around_its_battle(realm: Realm, manager: Manager) -> None:
    around = gaze(realm, manager).around
    assert (around.services, around.tasks, around.gpus, around.doctor, around.transfers, around.oracle) == (
        [], [], [], None, [], [],
    )  # fmt: skip
    assert 0 < around.disk.free < around.disk.total


def test_services_are_told_as_the_weaver_keeps_them_and_as_they_announce_themselves(
    realm: Realm, manager: Manager
) -> None:
    me = this_process()
    weaver(
        realm,
        ServiceState(name="oracle", state="ready", url="http://x", since="t", process=me, restarts=2),
        ServiceState(name="vault", state="backing off", reason="it exits with 1", since="t", failures=3),
    )
    services.announce(realm, "tavern", "http://127.0.0.1:1")
    write(services.path_of(realm, "herald"), ServiceRecord(name="herald", process=GONE, started_at=now()))
    tavern = services.running(realm, "tavern")
    assert tavern is not None
    assert gaze(realm, manager).around.services == [
        ServiceView(name="oracle", state="ready", up=True, url="http://x", since="t", restarts=2),
        ServiceView(name="tavern", state="running", up=True, url="http://127.0.0.1:1", since=tavern.started_at),
        ServiceView(name="vault", state="backing off", up=False, reason="it exits with 1", since="t", failures=3),
    ]


def test_tasks_and_gpus_are_those_of_a_task_master_that_runs(realm: Realm, manager: Manager) -> None:
    card = Gpu(index=0, uuid="u", name="RTX 4090", memory_used=5, memory_total=10, utilisation=90, temperature=60)
    standing = [
        TaskStanding(id="health_check", priority=4, gpu="none", enabled=True, next="soon", reason="cools down"),
        TaskStanding(id="vault_scan", priority=3, gpu="none", enabled=True),
    ]
    gpus = [GpuStanding(card=card, state="busy", average=81.5)]
    record = TaskMasterRecord(process=this_process(), looked_at=now(), next_look=now(), gpus=gpus, tasks=standing)
    write(task_records.master_file(realm), record)
    ended = TaskRun(id="r1", task="health_check", state="done", ended_at="then", said="all well")
    write(task_records.last_file(realm, "health_check"), ended)
    write(task_records.run_file(realm, "running", "r2"), TaskRun(id="r2", task="vault_scan", state="running"))
    around = gaze(realm, manager).around
    assert around.tasks == [
        TaskView(
            id="health_check", enabled=True, running=False, next="soon", reason="cools down", last_state="done",
            last_at="then", last_said="all well",
        ),
        TaskView(id="vault_scan", enabled=True, running=True, next=None, reason=""),
    ]  # fmt: skip
    assert around.gpus == [
        GpuView(
            index=0, name="RTX 4090", state="busy", memory_used=5, memory_total=10, utilisation=81.5, temperature=60
        )
    ]
    write(task_records.master_file(realm), TaskMasterRecord(process=GONE, looked_at="", next_look="", tasks=standing))
    assert gaze(realm, manager).around.tasks == []


def test_the_doctor_s_last_findings_are_counted_the_worst_first(realm: Realm, manager: Manager) -> None:
    findings = [
        Finding(check="a", grade="ok", message="fine"),
        Finding(check="b", grade="warning", message="rather full"),
        Finding(check="c", grade="error", message="broken"),
    ]
    write(findings_file(realm), FindingsRecord(at="then", findings=findings))
    assert gaze(realm, manager).around.doctor == DoctorView(
        at="then", grades={"ok": 1, "warning": 1, "error": 1}, troubles=["broken", "rather full"]
    )


def test_transfers_that_have_not_ended_are_told_and_a_changed_one_is_read_again(realm: Realm, manager: Manager) -> None:
    def transfer(name: str, state: str, ended: str = "") -> None:
        record = TransferRecord(
            id=name, asset=f"asset_{name}", digest="d", zone="nas", direction="push", state=state, asked_at=name,
            reason="it is away", ended_at=ended,
        )  # fmt: skip
        transfers.write(realm, record)

    transfer("1", "queued")
    transfer("2", "done", "then")
    waiting = TransferView(asset="asset_1", zone="nas", state="queued", reason="it is away")
    assert gaze(realm, manager).around.transfers == [waiting]
    transfer("1", "done", "then")
    assert gaze(realm, manager).around.transfers == []


def test_what_the_oracle_has_loaded_is_told_by_its_leases(realm: Realm, manager: Manager) -> None:
    loaded, pushed = "checkpoint_dio-mini_100", "checkpoint_dio-mini_200"
    with leases.held(realm, loaded, leases.ORACLE), leases.held(realm, pushed, "a push"):
        assert gaze(realm, manager).around.oracle == [loaded]
        with leases.held(realm, loaded, "a push"):
            assert gaze(realm, manager).around.oracle == [loaded]
        assert gaze(realm, manager).around.oracle == [loaded]


def test_counts_of_the_board_follow_every_move(realm: Realm, manager: Manager) -> None:
    high, low = realm.queue / "high", realm.queue / "low"
    names = [f"{number:08d}.{number:012x}.a.jsonl" for number in range(3)]
    for name in names:
        (high / name).write_text("")
    old = time.time() - 100
    for folder in (high, low):
        os.utime(folder, (old, old))  # from now on both may be remembered
    seen = []
    for name in names:
        seen.append((gaze(realm, manager).board.high, gaze(realm, manager).board.low))
        os.rename(high / name, low / name)
    seen.append((gaze(realm, manager).board.high, gaze(realm, manager).board.low))
    assert seen == [(3, 0), (2, 1), (1, 2), (0, 3)]


@pytest.fixture
def busy(realm: Realm) -> Realm:
    """A realm in which everything is wrong at once."""
    names = ("oracle", "vault", "tavern", "herald", "taskmaster")
    weaver(
        realm,
        *(ServiceState(name=name, state="backing off", reason="it exits with 1 " * 5, since=now()) for name in names),
    )
    write(
        findings_file(realm), FindingsRecord(at=now(), findings=[Finding(check="a", grade="error", message="x" * 90)])
    )
    return realm


def test_the_screen_stays_eighty_columns_and_one_screen(busy: Realm, manager: Manager) -> None:
    lines = render(gaze(busy, manager)).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 40


def test_the_json_is_the_snapshot(busy: Realm, run: Run) -> None:
    shown = run("status", "--json").json
    assert {"hero", "battle", "board", "skills", "champion", "services", "tasks", "gpus", "disk", "doctor"} <= set(
        shown
    )
    assert shown["doctor"]["grades"] == {"error": 1}
    assert [one["name"] for one in shown["services"]] == ["herald", "oracle", "taskmaster", "tavern", "vault"]


def test_what_programs_read_by_name_stands_in_the_json_under_its_stable_key(realm: Realm, manager: Manager) -> None:
    snapshot = gaze(realm, manager)
    shown = json.loads(msgspec.json.encode(snapshot.as_json()))
    assert set(shown["hero"]) >= {"name", "step", "level", "xp", "gold", "atk", "def", "acc"}
    assert set(shown["battle"]) >= {
        "state", "reason", "quest", "step", "loss", "tokens_per_s", "eta_s", "heartbeat_age_s",
    }  # fmt: skip
    assert list(shown["board"]) == ["inbox", "high", "normal", "low", "processing", "failed", "completed"]
    assert set(shown["skills"]["bin"]) >= {"level", "accuracy", "interval", "evals", "closed"}
    hero, battle, skill = snapshot.hero, snapshot.battle, snapshot.skills["bin"]
    assert (hero.name, hero.step, hero.defence) == ("dio-mini", 0, None)
    assert (battle.state, snapshot.battle_state, battle.quest) == ("stopped", "stopped", None)
    assert (snapshot.board.queued, skill.level, skill.closed, skill.mastered) == (0, 1, True, [])
    assert msgspec.convert(shown["skills"]["bin"], SkillView) == skill


def test_the_mark_of_a_process_that_ended_is_not_taken_for_life(realm: Realm, manager: Manager) -> None:
    write(services.path_of(realm, "tavern"), ServiceRecord(name="tavern", process=mark_of(2**22 - 1), started_at=now()))
    snapshot: Snapshot = gaze(realm, manager)
    assert snapshot.around.services == []
