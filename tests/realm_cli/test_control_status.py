from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from helpers import Run
from realm_cli import control, status, store
from realm_cli.process import this_process
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark, TrainingStatus, now


def training(process: ProcessMark, **facts: object) -> TrainingStatus:
    base = TrainingStatus(state="training", hero="dio-mini", process=process, heartbeat=now())
    return msgspec.structs.replace(base, **facts)


def dead() -> ProcessMark:
    return ProcessMark(this_process().pid, "another:1", this_process().host)


def test_a_flag_is_raised_read_and_lowered(realm: Realm) -> None:
    assert control.read(realm, "pause") is None
    raised = control.raise_flag(realm, "pause", "games night", release=True)
    assert control.is_up(realm, "pause")
    assert control.read(realm, "pause") == raised
    assert control.lower(realm, "pause")
    assert not control.lower(realm, "pause")


@pytest.mark.parametrize(
    ("content", "reason"), [("", ""), ("be right back\n", "be right back"), ("{", "{"), ("[1]", "[1]")]
)
def test_what_a_person_wrote_into_a_flag_counts(realm: Realm, content: str, reason: str) -> None:
    control.path_of(realm, "stop").write_text(content)
    flag = control.read(realm, "stop")
    assert flag is not None
    assert (flag.reason, bool(flag.when)) == (reason, True)


def test_a_battle_that_ended_without_saying_so_is_dead(realm: Realm, run: Run) -> None:
    status.write(realm, training(dead(), step=123_456, smoothed_loss=0.5))
    assert status.battle_process(realm) is None
    battle = run("status", "--json").json["battle"]
    assert (battle["state"], battle["pid"]) == ("dead", None)
    assert "ended without saying so while training at step 123456" in battle["reason"]


def test_a_battle_that_runs_is_found(realm: Realm) -> None:
    status.write(realm, training(this_process()))
    assert status.battle_process(realm) == this_process()


@pytest.mark.parametrize("content", ["", "{", '{"kind": "training", "version": 1}', "[]"])
def test_a_damaged_status_is_set_aside_and_the_rest_is_shown(realm: Realm, run: Run, content: str) -> None:
    realm.training_status.write_text(content)
    ran = run("status", "--json")
    assert (ran.code, ran.json["battle"]["state"]) == (0, "stopped")
    assert "is damaged" in ran.err
    assert len(list(realm.status.glob("training.json.corrupt-*"))) == 1
    assert run("status").err == ""


def test_the_battle_has_the_same_keys_before_and_after_its_first_status(realm: Realm, run: Run) -> None:
    before = run("status", "--json").json
    status.write(realm, training(this_process()))
    after = run("status", "--json").json
    assert set(before["battle"]) == set(after["battle"])
    assert set(before["hero"]) >= {"name", "step", "level", "xp", "gold", "atk", "def", "acc"}


def test_the_status_fits_80_columns_at_its_widest(realm: Realm, run: Run) -> None:
    long = "a-very-long-name-of-a-quest-file-that-somebody-gave-with-many-words-in-it.jsonl"
    status.write(realm, training(dead(), step=123_456_789, quest="0123456789ab", quest_name=long, samples_total=10**9))
    for number in range(120):
        (realm.inbox / f"{number}.jsonl").touch()
    assert max(map(len, run("status").out.splitlines())) <= 80
    assert max(map(len, run("quest", "list").out.splitlines()), default=0) <= 80


def test_a_realm_that_cannot_be_written_still_shows_its_status(realm: Realm) -> None:
    line = f"mount --bind -o ro {realm.root} {realm.root} && mount -o remount,bind,ro {realm.root}"
    probe = subprocess.run(["unshare", "-Urm", "sh", "-c", line], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("this machine lets nobody mount a folder read-only")
    command = f"{line} && exec {sys.executable} -m realm_cli --realm {realm.root} status --json"
    store.append_line(realm.journal, {})
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
