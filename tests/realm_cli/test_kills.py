"""SIGKILL before every single change of the disk: nothing is lost, nothing is there twice, the next run repairs.

A script forks, lets the child do its work until its n-th change of the disk and kills it there, for every n; then it
repairs as the next run would, and looks.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from helpers import PATIENCE, environment, rows, write_rows
from realm_cli import intake
from realm_cli.manager import Manager
from realm_cli.realm import Realm

HARNESS = """
import json, os, shutil, signal, sys
from pathlib import Path
from realm_cli import inbox, intake, journal
from realm_cli.errors import RefusedError
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm

model, place, work, repair = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
CHANGES = {"os.rename", "os.remove", "os.link", "os.mkdir"}
left = None

def watch(event, args):
    global left
    writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
    if left is not None and (event in CHANGES or writes):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

def begun(root):
    global realm, manager, board
    realm = Realm(root)
    manager, board = Manager.of(realm), Board(realm)

sys.addaudithook(watch)
begun(model)
n = 0
while True:
    root = place / str(n)
    shutil.copytree(model, root, symlinks=True)
    child = os.fork()
    if not child:
        begun(root)
        left = n
        exec(work)
        os._exit(0)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    begun(root)
    exec(repair)
    files = {state: [file.id for file in board.files(state)] for state in board.counts()}
    print(json.dumps({
        "killed": killed,
        "files": files,
        "records": {record.id: [record.outcome, record.number] for record in board.records()},
        "numbers": [file.number for state in files for file in board.files(state)],
        "names": sorted(file.name for state in files for file in board.files(state)),
        "counter": board._last_number(),
        "intake": os.listdir(realm.intake),
        "inbox": [found.name for found in inbox.settled(realm, 0)],
        "ends": [[line.quest, line.outcome, line.time] for line in journal.read(realm.journal)],
    }))
    shutil.rmtree(root)
    if not killed:
        break
    n += 1
"""


def at_every_change(realm: Realm, tmp_path: Path, work: str, repair: str) -> list[dict[str, Any]]:
    """What is on disk after a kill at each change that `work` makes, and after `repair`; last the run without a kill."""
    # The model is not looked at here, and would have to be copied each time.
    base = tmp_path / "base"
    (realm.models / "base").rename(base)
    (realm.models / "base").symlink_to(base)
    memory = Path("/dev/shm")  # where there is nothing to wait for
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as place:
        done = subprocess.run(
            [sys.executable, "-c", HARNESS, str(realm.root), place, work, repair],
            capture_output=True, text=True, env=environment(), timeout=PATIENCE, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def assert_consistent(seen: dict[str, Any]) -> None:
    """Every data file has one record and every record one data file; numbers are unique and below the counter."""
    ids = [quest for state in seen["files"].values() for quest in state]
    assert sorted(ids) == sorted(seen["records"]), seen
    assert max(Counter(ids).values(), default=1) == 1, seen
    assert max(Counter(seen["numbers"]).values(), default=1) == 1, seen
    assert max(seen["numbers"], default=0) <= seen["counter"], seen
    assert seen["intake"] == [], seen


def queued(realm: Realm, tmp_path: Path, count: int) -> list[str]:
    files = [write_rows(tmp_path / f"{n}.jsonl", rows(2, n * 10)) for n in range(count)]
    return [record.id for record in intake.add_files(realm, Manager.of(realm), files, depth="quick")]


def test_quest_add(realm: Realm, tmp_path: Path) -> None:
    files = [write_rows(tmp_path / f"{name}.jsonl", rows(2, n * 10)) for n, name in enumerate("abc")]
    (tmp_path / "b.jsonl").write_text("{torn")
    work = f"intake.add(realm, manager, map(Path, {list(map(str, files))}), depth='quick')"
    # The next intake clears away, the person repeats the command.
    for seen in at_every_change(realm, tmp_path, work, f"intake.take_inbox(realm, manager); {work}"):
        assert_consistent(seen)
        assert seen["names"] == ["a.jsonl", "b.jsonl", "c.jsonl"]
        assert len(seen["files"]["normal"]) == 2
        assert len(seen["files"]["failed"]) == 1


def test_quest_add_that_nobody_repeats_leaves_nothing_half_done(realm: Realm, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "a.jsonl", rows(2))
    work = f"intake.add(realm, manager, [Path({str(file)!r})], depth='quick')"
    everything = at_every_change(realm, tmp_path, work, "intake.take_inbox(realm, manager)")
    for seen in everything:
        assert_consistent(seen)
        assert seen["names"] in ([], ["a.jsonl"])
    assert everything[0]["names"] == []
    assert everything[-1]["names"] == ["a.jsonl"]
    assert len(everything) > 8


def test_intake(realm: Realm, tmp_path: Path) -> None:
    for n, name in enumerate(("high/a", "sub/a", "b")):
        write_rows(realm.inbox / f"{name}.jsonl", rows(2, n * 10))
    write_rows(realm.queue / "low" / "stray.jsonl", rows(2, 50))
    (realm.inbox / "bad.jsonl").write_bytes(b"\x00\xff")
    everything = at_every_change(realm, tmp_path, *["intake.take_inbox(realm, manager)"] * 2)
    for seen in everything:
        assert_consistent(seen)
        assert seen["names"] == ["a.jsonl", "a.jsonl", "b.jsonl", "bad.jsonl", "stray.jsonl"]
        assert {state: len(ids) for state, ids in seen["files"].items() if ids} == {
            "high": 1, "normal": 2, "low": 1, "failed": 1,
        }  # fmt: skip
        assert seen["inbox"] == []
    assert len(everything) > 30


def test_cancel_retry_and_move(realm: Realm, tmp_path: Path) -> None:
    first, second, third = queued(realm, tmp_path, 3)
    work = (
        f"board.cancel('{first}', 'x'); board.retry('{first}'); board.change_priority('{second}', 'high');"
        f"board.cancel('{third}', 'y')"
    )
    for seen in at_every_change(realm, tmp_path, work, "board.mend()"):
        assert_consistent(seen)
        assert len(seen["records"]) == 3
        ended = {quest for quest, (outcome, _) in seen["records"].items() if outcome}
        assert ended == set(seen["files"]["failed"])
        assert ended <= {quest for quest, _, _ in seen["ends"]}
        # A retry that was cut off ends its quest once more: as cancelled, by `mend`.
        assert len(seen["ends"]) <= 2 + (first in ended)
        assert len({(quest, moment) for quest, _, moment in seen["ends"]}) == len(seen["ends"])


def test_claim_put_back_and_end(realm: Realm, tmp_path: Path) -> None:
    ids = queued(realm, tmp_path, 3)
    work = (
        "file = board.claim(); board.put_back(file);"
        "board.end(board.claim(), 'completed', '', hero='h', step=5); board.end(board.claim(), 'failed', 'bad', hero='h');"
        "board.trim_completed(0)"
    )
    for seen in at_every_change(realm, tmp_path, work, "board.mend('h')"):
        completed = [quest for quest, outcome, _ in seen["ends"] if outcome == "completed"]
        assert sorted(seen["records"]) == sorted(ids)
        assert completed in ([], ids[:1])
        assert seen["files"]["recently_completed"] in ([], completed)
        assert [seen["records"][quest][0] for quest in completed] == ["completed"] * len(completed)
        assert seen["files"]["failed"] == [quest for quest, outcome, _ in seen["ends"] if outcome == "failed"]
        assert seen["files"]["failed"] in ([], ids[1:2])
        assert len(seen["files"]["normal"]) + len(seen["files"]["processing"]) + len(seen["ends"]) == 3
