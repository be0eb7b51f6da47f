"""A disk that is full or read-only: one clear message, exit 1, nothing lost, and afterwards all goes on.

The realm lies on a small tmpfs in a mount namespace of its own, as root may write where permissions forbid it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers import PATIENCE, environment, realm_line, rows, write_rows
from realm_cli.realm import Realm

OnDisk = Callable[..., list[Any]]

HEAD = """
import json, os, subprocess, sys
from pathlib import Path
from realm_cli import control, inbox, intake, journal, status
from realm_cli.errors import RealmError, StorageError
from realm_cli.manager import Manager
from realm_cli.process import this_process
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import TrainingStatus, now

root, files = Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]
realm = Realm(root)
manager, board = Manager.of(realm), Board(realm)

def fill(spare=0):
    '''Leave `spare` bytes, rounded up to pages.'''
    with open(root / "filler", "ab", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            pass
    size = os.path.getsize(root / "filler")
    os.truncate(root / "filler", max(0, size - spare))

def free():
    os.remove(root / "filler")

def run(*words):
    done = subprocess.run([*LINE, *map(str, words)], capture_output=True, text=True)
    say([done.returncode, done.stdout, done.stderr])

def say(what):
    print(json.dumps(what), flush=True)

def look():
    '''Where every quest file is, and that the records agree.'''
    files = {state: sorted(file.name for file in board.files(state)) for state in board.counts()}
    held = {file.id for state in files for file in board.files(state)}
    assert {record.id for record in board.records()} == held
    assert not os.listdir(realm.intake), os.listdir(realm.intake)
    assert not [path for path in realm.status.rglob("*") if ".tmp" in path.name or ".corrupt" in path.name]
    return {state: names for state, names in files.items() if names}
"""


@pytest.fixture
def on_disk(realm: Realm, tmp_path: Path) -> OnDisk:
    """`on_disk(script, *files)`: what the script says, run beside a copy of the realm on a small tmpfs."""
    may = subprocess.run(["unshare", "-m", "true"], capture_output=True, text=True)
    if may.returncode:
        assert os.environ.get("CI") != "true", f"CI must be able to make mount namespaces: {may.stderr}"
        pytest.skip(f"no mount namespace can be made here: {may.stderr.strip()}")
    base = tmp_path / "base"
    (realm.models / "base").rename(base)
    (realm.models / "base").symlink_to(base)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=1m tmpfs {disk} && cp -a {realm.root} {disk}/realm && exec "$@"'

    def run(script: str, *files: Path) -> list[Any]:
        line = f"LINE = {realm_line(realm=disk / 'realm')!r}\n"
        python = [sys.executable, "-c", line + HEAD + script, disk / "realm", *files]
        done = subprocess.run(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", mount, "sh", *map(str, python)],
            capture_output=True, text=True, env=environment(), timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def assert_one_message(ran: list[Any], reason: str) -> None:
    code, out, err = ran
    assert code == 1
    assert out == ""
    assert "Traceback" not in err
    lines = err.splitlines()
    assert len(lines) == 2, err
    assert lines[0].startswith("error: cannot ")
    assert lines[0].endswith(f": {reason}")
    assert lines[1].startswith("hint: ")


def test_adding_to_a_full_disk_leaves_nothing_half_done(on_disk: OnDisk, tmp_path: Path) -> None:
    files = [write_rows(tmp_path / f"{name}.jsonl", rows(40, n * 100)) for n, name in enumerate("ab")]
    script = """
fill()
run("quest", "add", *files)
free()
say(look())
run("quest", "add", "-q", *files)
say(look())
"""
    full, nothing, done, both = on_disk(script, *files)
    assert_one_message(full, "No space left on device")
    assert "free space on the disk" in full[2]
    assert nothing == {}
    assert done[0] == 0
    assert both == {"normal": ["a.jsonl", "b.jsonl"]}


def test_adding_at_every_amount_of_room(on_disk: OnDisk, tmp_path: Path) -> None:
    """The disk gets full in the copy, the tokens, the record, the counter, the journal, the report or the event."""
    good, bad = write_rows(tmp_path / "good.jsonl", rows(5)), tmp_path / "bad.jsonl"
    bad.write_text("{torn")
    script = """
for spare in range(0, 40 * 4096, 4096):
    for file in files:
        fill(spare)
        try:
            (outcome,) = intake.add(realm, manager, [file])
            told = outcome.problem
        except StorageError as error:
            told = error.message
        except RealmError as error:
            say(["unclear", error.message])
        free()
        for quest in board.files("normal") + board.files("failed"):
            os.remove(quest.path)
            board.record_path(quest.id).unlink()
        say([spare, told, look()])
(outcome,) = intake.add(realm, manager, files[:1])
say(look())
"""
    *tries, last = on_disk(script, good, bad)
    assert all(told == "" or told.startswith("inspection: ") or "No space left" in told for _, told, _ in tries)
    assert tries[-2][1] == ""
    assert tries[-1][1].startswith("inspection: line 1: ")
    assert all(seen == {} for _, _, seen in tries)
    assert last == {"normal": ["good.jsonl"]}


def test_the_inbox_keeps_what_a_full_disk_cannot_take(on_disk: OnDisk, realm: Realm) -> None:
    for number, name in enumerate(("a", "high/b", "low/c")):
        write_rows(realm.inbox / f"{name}.jsonl", rows(5, number * 10))
    write_rows(realm.queue / "normal" / "stray.jsonl", rows(5, 90))
    script = """
fill()
run("quest", "intake")
say([len(inbox.settled(realm, 0)), len(inbox.strays(realm, 0))])
free()
run("quest", "intake", "-q")
say(look())
"""
    full, waiting, done, seen = on_disk(script)
    assert_one_message(full, "No space left on device")
    assert waiting == [3, 1]
    assert done[0] == 0
    assert seen == {"high": ["b.jsonl"], "normal": ["a.jsonl", "stray.jsonl"], "low": ["c.jsonl"]}


def test_claims_ends_and_commands_on_a_full_disk(on_disk: OnDisk, tmp_path: Path) -> None:
    files = [write_rows(tmp_path / f"{n}.jsonl", rows(2, n * 10)) for n in range(4)]
    script = """
ids = [record.id for record in intake.add_files(realm, manager, files)]
status.write(realm, TrainingStatus(state="training", step=7, process=this_process(), heartbeat=now()))
fill()
claimed = board.claim()  # a rename needs no room
say(claimed.id == ids[0])
for action in (
    lambda: board.update(ids[0], attempts=1),
    lambda: board.end(claimed, "completed", "", hero="h", step=7),
    lambda: board.cancel(ids[1], "no room"),
    lambda: status.write(realm, TrainingStatus(state="saving", step=8, process=this_process(), heartbeat=now())),
    lambda: control.raise_flag(realm, "pause", "lunch"),
):
    try:
        action()
        say("went through")
    except StorageError as error:
        say(error.message)
say(status.read(realm).step)
run("quest", "cancel", ids[2])
run("status")
free()
board.end(claimed, "completed", "", hero="h", step=7)
board.mend()
say(look())
say([[line.quest in ids, line.outcome] for line in journal.read(realm.journal)])
"""
    claimed, *refused, step, cancel, shown, seen, ends = on_disk(script, *files)
    assert claimed
    assert len(refused) == 5
    assert all(message.endswith(": No space left on device") for message in refused)
    assert step == 7
    assert_one_message(cancel, "No space left on device")
    assert (shown[0], shown[2]) == (0, "")
    assert seen == {"recently_completed": ["0.jsonl"], "failed": ["1.jsonl", "2.jsonl"], "normal": ["3.jsonl"]}
    assert ends == [[True, "completed"], [True, "cancelled"], [True, "cancelled"]]


def test_on_a_read_only_disk_looking_works_and_changing_says_why(on_disk: OnDisk, realm: Realm, tmp_path: Path) -> None:
    write_rows(realm.inbox / "waiting.jsonl", rows(2, 50))
    files = [write_rows(tmp_path / f"{n}.jsonl", rows(2, n * 10)) for n in range(2)]
    script = """
[record] = intake.add_files(realm, manager, files[:1])
subprocess.run(["mount", "-o", "remount,ro", str(root.parent)], check=True)
for words in (["status"], ["quest", "list"], ["quest", "show", "@"], ["ledger", "list"], ["plugins", "list"], ["config", "check"]):
    run(*words)
say("changes")
for words in (
    ["quest", "add", files[1]], ["quest", "intake"], ["quest", "cancel", record.id], ["quest", "move", record.id, "high"],
    ["battle", "pause"], ["plugins", "disable", "bin"], ["config", "set", "training.save_steps", "7"],
):
    run(*words)
subprocess.run(["mount", "-o", "remount,rw", str(root.parent)], check=True)
run("quest", "intake", "-q")
say(look())
"""
    said = on_disk(script, *files)
    border = said.index("changes")
    assert [(ran[0], ran[2]) for ran in said[:border]] == [(0, "")] * 6
    *changes, intake, seen = said[border + 1 :]
    for ran in changes:
        assert_one_message(ran, "Read-only file system")
        assert "mount it writable" in ran[2]
    assert intake[0] == 0
    assert seen == {"normal": ["0.jsonl", "waiting.jsonl"]}


def test_damaged_state_on_a_read_only_disk_is_reported_in_one_message(on_disk: OnDisk, realm: Realm) -> None:
    realm.training_status.write_text("{torn")
    script = """
subprocess.run(["mount", "-o", "remount,ro", str(root.parent)], check=True)
run("status")
"""
    ((code, out, err),) = on_disk(script)
    assert (code, out) == (1, "")
    assert "Traceback" not in err
    assert "training.json is damaged (not valid JSON" in err
    assert "Read-only file system" in err
