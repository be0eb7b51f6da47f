"""Files under kills, crowds and refusing disks."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers import environment, wait_for
from realm_cli import store
from realm_cli.errors import FormatError, LockedError, StorageError
from realm_cli.records import BoardRecord

WRITER = """
import sys
from pathlib import Path
from realm_cli.store import write_atomic
path, number = Path(sys.argv[1]), 0
while True:
    number += 1
    write_atomic(path, str(number % 10).encode() * 200_000)
"""
APPENDER = """
import sys
from pathlib import Path
from realm_cli.store import append_line, append_lines
path, who = Path(sys.argv[1]), int(sys.argv[2])
for number in range(100):
    append_line(path, {"who": who, "number": number, "text": "x" * (number * 37 % 5000)})
    append_lines(path, [b'{"batch":%d}' % who] * 3)
"""
HOLDER = """
import sys
from pathlib import Path
from realm_cli.store import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def python(script: str, *args: object) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", script, *map(str, args)]
    return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())


def test_a_kill_leaves_the_old_or_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for turn in range(12):
        path.write_bytes(b"a" * 200_000)
        process = python(WRITER, path)
        wait_for(lambda: path.read_bytes()[:1] != b"a", "the first write")
        for _ in range(turn * 20):
            content = path.read_bytes()
            assert (len(content), len(set(content))) == (200_000, 1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        content = path.read_bytes()
        assert (len(content), len(set(content))) == (200_000, 1)


def test_eight_processes_append_and_no_line_is_torn_or_lost(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    processes = [python(APPENDER, path, who) for who in range(8)]
    assert [process.wait(60) for process in processes] == [0] * 8
    for process in processes:
        process.communicate()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for who in range(8):
        assert [line["number"] for line in lines if line.get("who") == who] == list(range(100))
    batches = [line.get("batch") for line in lines if "batch" in line]
    assert len(batches) == 8 * 300


def test_a_torn_last_line_spoils_only_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"n": 1}\n{"n": 2, "te')
    store.append_line(path, {"n": 3})
    logging.getLogger("realm").propagate = True
    assert [line["n"] for line in store.read_lines(path)] == [1, 3]
    assert f"{path}:2: passed over a damaged line" in caplog.text
    assert [line["n"] for line in store.read_tail(path, 1000)] == [1, 3]


def test_the_tail_of_a_log_leaves_out_a_cut_first_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert store.read_tail(path, 100) == []
    for number in range(50):
        store.append_line(path, {"n": number})
    assert [line["n"] for line in store.read_tail(path, 25)] == [48, 49]
    assert len(store.read_tail(path, 100_000)) == 50


def test_a_lock_is_seen_by_other_processes_and_ends_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "folder" / ".lock"
    process = python(HOLDER, path)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(LockedError, match="is held by the battle"), store.locked(path, wait=False, owner="the battle"):
        pass
    process.kill()
    process.communicate()
    with store.locked(path, wait=False):
        pass
    with store.locked(path):
        pass


def test_moving_what_another_took_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("content")
    assert store.move(tmp_path / "a", tmp_path / "b")
    assert not store.move(tmp_path / "a", tmp_path / "c")
    assert (tmp_path / "b").read_text() == "content"


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"\xff", b'{"kind": "quest", "version": 1}', b'{"kind": "board"}']
)
def test_a_damaged_record_is_set_aside_and_rebuilt(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("realm").propagate = True
    path = tmp_path / "board.json"
    path.write_bytes(damage)
    assert store.read_or_rebuild(path, BoardRecord, lambda: BoardRecord(last_number=7)).last_number == 7
    assert store.read_record(path, BoardRecord).last_number == 7
    aside = list(tmp_path.glob("board.json.corrupt-*"))
    assert [file.read_bytes() for file in aside] == [damage]
    assert f"{path} is damaged" in caplog.text
    assert aside[0].name in caplog.text


def test_an_absent_record_is_rebuilt_in_silence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("realm").propagate = True
    record = store.read_or_rebuild(tmp_path / "b.json", BoardRecord, lambda: BoardRecord(last_number=1))
    assert (record.last_number, caplog.text) == (1, "")


def test_a_record_of_a_newer_realm_is_neither_damaged_nor_rebuilt(tmp_path: Path) -> None:
    path = tmp_path / "board.json"
    path.write_text('{"kind": "board", "version": 99, "last_number": 3}')
    with pytest.raises(FormatError, match="newer Realm") as caught:
        store.read_or_rebuild(path, BoardRecord, lambda: BoardRecord(last_number=1))
    assert caught.value.hint == "update Realm on this machine"
    assert os.listdir(tmp_path) == ["board.json"]


@contextmanager
def small_files() -> Iterator[None]:
    """No file may grow beyond 1000 bytes: what a full disk does, without filling one. It holds for the tests' own output
    as well, so it is for the single call that is to be refused."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_refused_write_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "file"
    store.write_atomic(path, b"old")
    with pytest.raises(StorageError, match=f"cannot write {path}: ") as caught, small_files():
        store.write_atomic(path, b"x" * 5000)
    assert caught.value.path == path
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_an_append_that_does_not_fit_whole_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    store.append_line(path, {"text": "x" * 800})
    before = path.read_bytes()
    with pytest.raises(StorageError, match=f"cannot append to {path}: "), small_files():
        store.append_line(path, {"text": "x" * 800})
    assert path.read_bytes() == before


@pytest.mark.parametrize("path", [Path("/proc/self/none/x"), Path("/dev/null/x"), Path("/tmp/" + "n" * 300)])
def test_every_refusal_of_the_disk_names_the_file(path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write /"):
        store.write_atomic(path, b"")
    with pytest.raises(StorageError, match="cannot append to /"):
        store.append_line(path, {})
    if path.parent == Path("/dev/null"):
        with pytest.raises(StorageError, match="cannot read /"):
            store.read_bytes(path)


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (28, "free space on the disk that holds /realm"),
        (122, "free space on the disk that holds /realm"),
        (30, "mount it writable"),
        (13, "give your user write access to /realm"),
        (5, "check the path and the disk"),
    ],
)
def test_the_hint_says_what_to_do(number: int, hint: str) -> None:
    error = StorageError("write", Path("/realm/file"), OSError(number, os.strerror(number)))
    assert error.message == f"cannot write /realm/file: {os.strerror(number)}"
    assert hint in error.hint
    assert (error.errno, error.exit_code) == (number, 1)
