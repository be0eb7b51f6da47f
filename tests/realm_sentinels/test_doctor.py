"""The doctor sees what is wrong, says how it knows, and mends what may be mended."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import yaml

from helpers import Run
from realm_cli import journal, services, store
from realm_cli.api import Realm as Face
from realm_cli.checks import last_findings
from realm_cli.manager import Manager
from realm_cli.process import this_process
from realm_cli.realm import Realm
from realm_cli.records import JournalRecord, LeaseRecord, ProcessMark, ServiceRecord, now
from realm_cli.service_records import WantedRecord
from realm_cli_plugins import Site
from realm_sentinels import doctor, tasks
from realm_sentinels_doctor import gone, look, mend, one, write_training
from realm_vault_boxes import HERO

# -- the command ---------------------------------------------------------------------------------------------------


def test_a_healthy_realm_is_told_in_80_columns_and_written_down(realm: Realm, run: Run) -> None:
    done = run("doctor")
    assert done.code == 0, done.out
    assert done.out.startswith("ok       battle, checkpoint, clock, config, disk,")
    assert max(map(len, done.out.splitlines())) <= 80
    written = last_findings(realm)
    assert written is not None
    assert {finding.grade for finding in written.findings} == {"ok"}
    shown = run("doctor", "--json").json
    assert set(shown) >= {"kind", "at", "findings", "mended"}
    assert {finding["check"] for finding in shown["findings"]} == set(doctor.names(Manager.of(realm)))
    assert run("doctor", "-q").out == ""


def test_what_is_wrong_is_told_with_evidence_and_remedy_and_mended(realm: Realm, run: Run) -> None:
    write_training(realm, "training", gone())
    sick = run("doctor")
    assert sick.code == 1
    assert sick.out.startswith("error    battle      the last battle died: it ended without saying so")
    assert "status/training.json: training at step 12" in sick.out
    assert " do          " in sick.out
    assert " --fix       write down in status/training.json that it ended" in sick.out
    assert max(map(len, sick.out.splitlines())) <= 80
    mended = run("doctor", "--fix")
    assert mended.code == 0
    assert mended.err.startswith("mended: battle: status/training.json says now")
    assert mended.out.startswith("warning  battle      the last battle died")
    assert run("status", "--json").json["battle"]["state"] == "failed"


def test_one_check_is_made_alone_and_an_unknown_one_named(realm: Realm, run: Run) -> None:
    assert [finding["check"] for finding in run("doctor", "--check", "disk", "--json").json["findings"]] == ["disk"]
    assert last_findings(realm) is None
    wrong = run("doctor", "--check", "dsk")
    assert (wrong.code, "did you mean 'disk'?" in wrong.err) == (4, True)


def test_a_check_that_fails_is_a_finding_and_keeps_no_other_from_being_made(realm: Realm, tmp_path: Path) -> None:
    site = Site(tmp_path / "site", realm)
    hooks = """
        @hookimpl
        def realm_checks():
            return [Part("stars", "stars_check:STARS", "Stars."), Part("moon", "stars_check:MOON", "The moon.")]
    """
    module = """
        from realm_cli.checks import Check
        STARS = Check("stars", "the stars shine", lambda realm, manager: 1 / 0)
    """
    site.install("sky", hooks, stars_check=module)
    done = site.run("doctor", "--json")
    found = {finding["check"]: finding for finding in done.json["findings"]}
    assert (found["stars"]["grade"], found["stars"]["evidence"]) == ("unknown", "ZeroDivisionError: division by zero")
    assert found["moon"]["grade"] == "unknown"
    assert found["disk"]["grade"] == "ok"
    assert "realm_checks moon is broken" in {finding["message"] for finding in done.json["findings"]}


def test_the_python_face_and_the_task_examine_as_well(realm: Realm) -> None:
    patrol = Face(realm.root).sentinels.inspector.full_patrol()
    assert patrol.is_all_clear, [finding for finding in patrol.findings if finding.grade != "ok"]
    assert tasks.HEALTH_CHECK.run(realm, Manager.of(realm)) == "all is well"
    write_training(realm, "training", gone())
    assert tasks.HEALTH_CHECK.run(realm, Manager.of(realm)).startswith("1 error; battle: the last battle died")
    assert not Face(realm.root).sentinels.inspector.full_patrol().is_all_clear


# -- processes -----------------------------------------------------------------------------------------------------


def test_a_battle_that_says_nothing_is_an_error_and_one_that_waits_a_warning(realm: Realm) -> None:
    write_training(realm, "training", this_process(), heartbeat="2026-01-01T00:00:00.000+00:00")
    assert (one(realm, "battle").grade, one(realm, "battle").message[:32]) == (
        "error",
        "the battle has said nothing for ",
    )
    write_training(realm, "waiting", this_process(), reason="too little disk")
    assert (one(realm, "battle").grade, one(realm, "battle").evidence) == ("warning", "too little disk")
    write_training(realm, "training", this_process())
    assert one(realm, "battle").grade == "ok"


def test_how_the_last_battle_died_is_told_from_its_own_stacks_alone(realm: Realm) -> None:
    write_training(realm, "failed", gone(), reason="ImportError: no torch")
    assert "a package is missing" in one(realm, "battle").message
    write_training(realm, "training", gone())
    stacks = realm.logs / "battle.stacks"
    stacks.write_text(
        'Fatal Python error: Segmentation fault\n\nCurrent thread:\n  File "trainer.py", line 7 in step\n'
    )
    os.utime(stacks, (time.time() + 60, time.time() + 60))
    assert one(realm, "battle").message == "the last battle died: native code crashed at trainer.py:7"
    os.utime(stacks, (1, 1))  # an earlier battle's
    assert "nobody knows its exit status" in one(realm, "battle").message


def test_the_status_of_a_battle_on_another_machine_is_left_alone(realm: Realm) -> None:
    write_training(realm, "training", ProcessMark(pid=1, started="x:1", host="elsewhere"))
    assert (one(realm, "battle").grade, one(realm, "battle").message) == ("ok", "the last battle ran on elsewhere")


def test_services_that_are_gone_are_forgotten_and_living_ones_stay(realm: Realm) -> None:
    services.announce(realm, "alive")
    record = ServiceRecord(name="tavern", url="http://127.0.0.1:1", process=gone(), started_at=now())
    store.write_record(services.path_of(realm, "tavern"), record)
    finding = one(realm, "services")
    assert (finding.grade, finding.message) == ("warning", "tavern says that it runs, but its process is gone")
    assert mend(realm, "services") == ["forgotten: tavern"]
    assert not services.path_of(realm, "tavern").exists()
    assert services.running(realm, "alive") is not None
    assert one(realm, "services").grade == "ok"


def test_services_that_should_run_without_a_weaver_are_an_error(realm: Realm) -> None:
    folder = services.weaver_folder(realm)
    folder.mkdir(parents=True)
    store.write_record(folder / "wanted.json", WantedRecord(services=["tavern"], request="1", at=now()))
    finding = one(realm, "services")
    assert (finding.grade, finding.remedy) == ("error", "realm weaver mend")


def test_leases_and_half_written_files_of_the_dead_go_and_those_of_the_living_stay(realm: Realm) -> None:
    leases = realm.status / "leases"
    leases.mkdir()
    for name, process in (("old", gone()), ("new", this_process())):
        record = LeaseRecord(asset=f"checkpoint_{HERO}_1", why="test", process=process, since=now())
        store.write_record(leases / f"{name}.json", record)
    old, fresh = realm.status / ".board.json.99-1.tmp", realm.status / ".board.json.99-2.tmp"
    for path in (old, fresh):
        path.write_text("{")
    os.utime(old, (1, 1))
    assert len(look(realm, "leftovers")) == 2
    assert mend(realm, "leftovers") == ["1 deleted", "1 deleted"]
    assert [path.name for path in leases.iterdir()] == ["new.json"]
    assert (old.exists(), fresh.exists()) == (False, True)


def test_a_port_that_somebody_else_took_is_told_with_its_holder(realm: Realm) -> None:
    with socket.create_server(("127.0.0.1", 0)) as wire:
        port = wire.getsockname()[1]
        realm.config_file.write_text(realm.config_file.read_text().replace("tavern:\n", "tavern:\n", 1))
        config = yaml.safe_load(realm.config_file.read_text())
        config["tavern"]["port"] = port
        realm.config_file.write_text(yaml.safe_dump(config))
        (finding,) = [found for found in look(realm, "ports") if "tavern" in found.message]
        assert finding.message == f"port {port} of tavern is taken"
        assert f"pid {os.getpid()}" in finding.evidence
    assert not [found for found in look(realm, "ports") if "tavern" in found.message]


# -- the machine ---------------------------------------------------------------------------------------------------


def test_a_disk_without_room_for_the_next_checkpoint_is_an_error(realm: Realm) -> None:
    assert one(realm, "disk").grade == "ok"
    text = realm.config_file.read_text()
    realm.config_file.write_text(text.replace("reserve_mb: 1\n", "reserve_mb: 900000000\n"))
    finding = one(realm, "disk")
    assert (finding.grade, finding.message) == ("error", "the next checkpoint finds no room: the battle waits")


def test_what_was_written_in_the_future_tells_a_wrong_clock(realm: Realm) -> None:
    journal.append(realm.journal, JournalRecord(entry="x", time=now()))
    assert one(realm, "clock").grade == "ok"
    later = time.time() + 7200
    os.utime(realm.journal, (later, later))
    finding = one(realm, "clock")
    assert finding.grade == "error"
    assert finding.evidence.startswith("status/journal.jsonl was changed in ")


def test_a_machine_that_must_have_a_gpu_and_has_none_is_an_error(realm: Realm) -> None:
    realm.config_file.write_text(realm.config_file.read_text().replace("device: auto", "device: cuda"))
    finding = look(realm, "gpu")[0]
    expected = ("error", "no GPU") if finding.message.startswith("no GPU") else ("ok", "GPU 0 ")
    assert (finding.grade, finding.message[:6]) == expected


# -- settings ------------------------------------------------------------------------------------------------------


def test_every_mistake_in_the_settings_is_an_error_and_the_rest_is_looked_at(realm: Realm, run: Run) -> None:
    realm.config_file.write_text(realm.config_file.read_text().replace("save_steps:", "save_step:"))
    (realm.configs / "services.yaml").write_text("services: {tavern: {prot: 8}}\n")
    done = run("doctor", "--json")
    assert done.code == 1
    found = done.json["findings"]
    messages = [finding["message"] for finding in found if finding["check"] == "config"]
    assert len(messages) == 2
    assert "training.save_step: unknown key; did you mean 'save_steps'?" in messages[0]
    assert "did you mean 'port'?" in messages[1]
    assert {finding["check"] for finding in found if finding["grade"] == "ok"} >= {
        "token",
        "memory",
        "python",
        "journal",
    }


def test_a_token_that_others_may_read_is_hidden_again(realm: Realm) -> None:
    from realm_cli import websafety

    token = websafety.read_token(realm)
    websafety.token_path(realm).chmod(0o644)
    finding = one(realm, "token")
    assert (finding.grade, finding.evidence[-10:]) == ("error", " mode 0644")
    mend(realm, "token")
    assert websafety.read_token(realm) == token
    assert one(realm, "token").grade == "ok"


def test_a_package_of_another_version_is_an_error(realm: Realm, tmp_path: Path) -> None:
    site = Site(tmp_path / "site", realm)
    site.folder.mkdir()
    info = site.folder / "msgspec-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: msgspec\nVersion: 0.1\n")
    done = site.run("doctor", "--check", "python", "--json")
    assert done.code == 1
    assert done.json["findings"][0]["evidence"] == "msgspec 0.1 is installed, >=0.20 is needed"
    assert one(realm, "python").grade == "ok"
