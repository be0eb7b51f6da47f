"""Files that no trainer should see, by the command line and by the inbox: one message each, nothing lost, no traceback."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from helpers import Run, rows, write_rows
from realm_cli import datafiles, intake, journal
from realm_cli.intake import Outcome
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import InspectionRecord
from realm_cli.store import read_record

GOOD = b'{"text": "hello"}\n'
CHAT = b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'
TOO_LONG = f"longer than {datafiles.LINE_LIMIT // 2**20} MiB; a quest has one JSON row a line"
LONG = b'{"text": "' + b"x" * datafiles.LINE_LIMIT + b'"}\n'
PACKED = gzip.compress(GOOD * 1000, mtime=0)
SQUEEZED = zstandard.compress(b"".join(b'{"text": "%d"}\n' % n for n in range(5000)))

HOSTILE: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.jsonl", b"", "the file holds no sample"),
    "blank lines alone": ("a.jsonl", b"\n\n \n", "the file holds no sample"),
    "torn in its last line": ("a.jsonl", GOOD + b'{"text": "hel', "line 2: the file seems cut off"),
    "torn within a character": ("a.jsonl", GOOD + '{"text": "é"}'.encode()[:11], "line 2: "),
    "binary": ("a.jsonl", bytes(range(256)) * 8, "line 1: "),
    "zeros": ("a.jsonl", bytes(4096), "line 1: "),
    "zeros behind good lines": ("a.jsonl", GOOD * 2 + bytes(100), "line 3: "),
    "one endless line": ("a.jsonl", LONG, f"line 1: {TOO_LONG}"),
    "an endless line behind a good one": ("a.jsonl", GOOD + LONG, f"line 2: {TOO_LONG}"),
    "no JSON": ("a.jsonl", b"hello\nworld\n", "line 1: "),
    "one JSON array": ("a.jsonl", b"[" + CHAT.strip() + b"]\n", "line 1: "),
    "JSON over several lines": ("a.jsonl", json.dumps({"text": "a"}, indent=1).encode(), "line 1: "),
    "a row that is text": ("a.jsonl", GOOD + b'"hello"\n', "line 2: "),
    "a row that is null": ("a.jsonl", GOOD + b"null\n", "line 2: "),
    "an unknown shape": ("a.jsonl", b'{"instruction": "a", "output": "b"}\n', "line 1: "),
    "null content": ("a.jsonl", CHAT.replace(b'"b"', b"null"), "line 1: "),
    "content that is a number": ("a.jsonl", CHAT.replace(b'"b"', b"5"), "line 1: "),
    "no assistant": ("a.jsonl", CHAT.replace(b"assistant", b"user"), "line 1: "),
    "no messages": ("a.jsonl", b'{"messages": []}\n', "line 1: "),
    "text that is null": ("a.jsonl", b'{"text": null}\n', "line 1: "),
    "a completion alone": ("a.jsonl", b'{"completion": "b"}\n', "line 1: "),
    "nesting without end": ("a.jsonl", b'{"text": ' + b"[" * 100_000 + b"\n", "line 1: "),
    "nesting in an extra key": ("a.jsonl", b'{"text": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "line 1: "),
    "Latin-1": ("a.jsonl", '{"text": "Köln"}\n'.encode("latin-1"), "line 1: "),
    "UTF-16": ("a.jsonl", '{"text": "a"}\n'.encode("utf-16"), "line 1: "),
    "half a surrogate pair": ("a.jsonl", b'{"text": "\\ud800"}\n', "line 1: "),
    "not a number": ("a.jsonl", b'{"text": "a", "x": NaN}\n', "line 1: "),
    "cut gz": ("a.jsonl.gz", PACKED[:-9], "damaged gz compression"),
    "gz with a wrong checksum": ("a.jsonl.gz", PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:], "damaged gz compression"),
    "gz of nothing": ("a.jsonl.gz", gzip.compress(b""), "the file holds no sample"),
    "no gz inside": ("a.jsonl.gz", GOOD, "damaged gz compression"),
    "gz and then something else": ("a.jsonl.gz", PACKED + b"more", "damaged gz compression"),
    "an empty gz": ("a.jsonl.gz", b"", "the file holds no sample"),
    "cut zst": ("a.jsonl.zst", SQUEEZED[:-100], "damaged zst compression"),
    "zst with a wrong byte": ("a.jsonl.zst", SQUEEZED[:40] + b"\xff" * 40 + SQUEEZED[80:], "damaged zst compression"),
    "no zst inside": ("a.jsonl.zst", GOOD, "damaged zst compression"),
    "an empty zst": ("a.jsonl.zst", b"", "the file holds no sample"),
    "gz that claims to be plain": ("a.jsonl", PACKED, "line 1: "),
}  # fmt: skip


def take_in(realm: Realm, tmp_path: Path, way: str, name: str, content: bytes) -> Outcome:
    """The one file, by either way, with a good one beside it that must come through."""
    folder = tmp_path if way == "add" else realm.inbox
    bad, good = folder / name, write_rows(folder / "good.jsonl", rows(1))
    bad.write_bytes(content)
    manager = Manager.of(realm)
    outcomes = intake.add(realm, manager, [bad, good]) if way == "add" else intake.take_inbox(realm, manager, settle=0)
    assert {outcome.path: outcome.problem for outcome in outcomes}[good] == ""
    return next(outcome for outcome in outcomes if outcome.path == bad)


@pytest.mark.parametrize("way", ["add", "inbox"])
@pytest.mark.parametrize("case", HOSTILE)
def test_a_bad_file_is_rejected_with_a_report_and_kept(realm: Realm, tmp_path: Path, way: str, case: str) -> None:
    name, content, problem = HOSTILE[case]
    outcome = take_in(realm, tmp_path, way, name, content)
    assert outcome.problem.startswith(f"inspection: {problem}")
    assert "\n" not in outcome.problem
    assert len(outcome.problem) < 300
    record = outcome.record
    assert record is not None
    assert (record.outcome, record.reason) == ("failed", outcome.problem)
    board = Board(realm)
    (file,) = board.files("failed")
    assert file.path.read_bytes() == content
    assert board.counts()["normal"] == 1
    assert [(line.quest, line.outcome) for line in journal.read(realm.journal)] == [(record.id, "failed")]
    report = read_record(realm.reports / f"{record.id}.json", InspectionRecord)
    assert report.errors
    assert (tmp_path / name).exists() == (way == "add")
    assert not list(realm.intake.iterdir())
    assert [path for path in realm.inbox.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("case", ["torn in its last line", "cut gz", "binary", "empty", "Latin-1"])
def test_the_command_says_it_in_two_lines(realm: Realm, run: Run, tmp_path: Path, case: str) -> None:
    name, content, problem = HOSTILE[case]
    (tmp_path / name).write_bytes(content)
    done = run("quest", "add", tmp_path / name)
    assert (done.code, done.out) == (1, "")
    error, hint = done.err.splitlines()
    assert error.startswith(f"error: {tmp_path / name}: inspection: {problem}")
    assert hint.startswith("hint: the report: realm quest show ")
    quest = hint.rpartition(" ")[2]
    assert "inspection (" in run("quest", "show", quest).out
    validated = run("quest", "validate", tmp_path / name)
    assert validated.code == 1
    assert "rejected" in validated.out
    assert "Traceback" not in validated.err


GOOD_CONTENT = {
    "CRLF": b'{"text": "a"}\r\n{"text": "b"}\r\n',
    "blank lines between": b'\n{"text": "a"}\n\n{"text": "b"}\n\n',
    "no final line end": b'{"text": "a"}\n{"text": "b"}',
    "extra keys": b'{"text": "a", "id": [1, {"x": null}]}\n{"text": "b", "prob": 0.1}\n',
    "escapes and emoji": '{"text": "\\u00e9 \\ud83d\\ude00 ①"}\n{"text": "😀"}\n'.encode(),
}


@pytest.mark.parametrize("case", GOOD_CONTENT)
@pytest.mark.parametrize("suffix", datafiles.SUFFIXES)
def test_what_is_only_unusual_is_queued(realm: Realm, tmp_path: Path, case: str, suffix: str) -> None:
    content = GOOD_CONTENT[case]
    packers: dict[str, Callable[[bytes], bytes]] = {".jsonl.gz": gzip.compress, ".jsonl.zst": zstandard.compress}
    pack = packers.get(suffix, bytes)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(pack(content))
    (outcome,) = intake.add(realm, Manager.of(realm), [path])
    assert outcome.problem == ""
    assert outcome.record is not None
    assert outcome.record.samples == 2


def test_packed_parts_behind_each_other_are_read_to_the_end(realm: Realm, tmp_path: Path) -> None:
    for suffix, pack in ((".gz", gzip.compress), (".zst", zstandard.compress)):
        path = tmp_path / f"a.jsonl{suffix}"
        path.write_bytes(pack(GOOD) + pack(GOOD[:5]) + pack(GOOD[5:] + suffix.encode().join((b'{"text": "', b'"}\n'))))
        (outcome,) = intake.add(realm, Manager.of(realm), [path])
        assert outcome.record is not None
        assert outcome.record.samples == 3


# -- names ---------------------------------------------------------------------------------------------------------

NAMES = [
    b"with spaces and 'quotes\".jsonl", "später-①-😀.jsonl".encode(), b"two\nlines.jsonl", b"-rf.jsonl", b"--again.jsonl",
    b"\x1b[31mred.jsonl", b"not\xff\xfeutf8.jsonl", b"a" * 240 + b".jsonl", "é".encode() * 120 + b".jsonl", b"$(id);`id`.jsonl",
    b"x..jsonl.jsonl", b"UPPER.JSONL", b"%s%d%n.jsonl", b"a.jsonl.jsonl", b"00000007.abcdefabcdef.board.jsonl", b"tab\tname.jsonl",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_name_comes_through_and_is_harmless_afterwards(realm: Realm, tmp_path: Path, name: bytes) -> None:
    manager, board = Manager.of(realm), Board(realm)
    given = tmp_path / os.fsdecode(name)
    dropped = realm.inbox / "sub" / os.fsdecode(name)
    write_rows(given, rows(2))
    write_rows(dropped, rows(2, 10))
    (added,) = intake.add(realm, manager, [given])
    (taken,) = intake.take_inbox(realm, manager, settle=0)
    for outcome in (added, taken):
        assert (outcome.problem, outcome.record and outcome.record.samples) == ("", 2)
    assert given.exists()
    assert not dropped.exists()
    for record in board.records():
        assert len(record.name.encode()) <= 130
        assert record.name.endswith(".jsonl")
        assert record.name.isprintable()
        assert not set(record.name) & set("/ \n'\"$`;\\\x1b")
        json.dumps(record.to_dict(), ensure_ascii=False).encode()
    assert [file.id for file in iter(board.claim, None)] == [added.record.id, taken.record.id]  # type: ignore[union-attr]


def test_a_name_of_a_copy_under_way_is_refused_with_that_reason(realm: Realm, tmp_path: Path) -> None:
    (outcome,) = intake.add(realm, Manager.of(realm), [write_rows(tmp_path / ".a.jsonl", rows(1))])
    assert outcome.record is None
    assert outcome.problem == "its name says that it is hidden or still being copied"


def test_names_that_are_hard_on_a_command_line(realm: Realm, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    names = [os.fsdecode(name) for name in NAMES]
    for number, name in enumerate(names):
        write_rows(folder / name, rows(1, number))
    done = run("quest", "add", "-q", "--", *names, cwd=folder)
    assert (done.code, done.err) == (0, "")
    assert len(set(done.out.split())) == len(names)
    again = run("quest", "add", "--", *names, cwd=folder)
    assert again.code == 3
    assert again.err.count("error: ") == len(names)
    assert "Traceback" not in again.err
    listed = run("quest", "list")
    assert (listed.code, listed.err) == (0, "")
    assert len(listed.out.splitlines()) == len(names) + 2
    assert len(run("quest", "list", "--json").json) == len(names)
