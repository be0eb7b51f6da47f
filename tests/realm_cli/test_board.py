"""The quest board: order, many processes at once, duplicates, what people do with quests, records that are damaged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import PATIENCE, Run, environment, realm_line, rows, write_rows
from realm_cli import intake, journal
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import PreviewRecord
from realm_cli.store import read_record

CLAIMER = """
import sys
from realm_cli.quests import Board
from realm_cli.realm import Realm
sys.stdin.readline()
board = Board(Realm(sys.argv[1]))
while (file := board.claim()) is not None:
    print(file.id)
"""


def add(
    realm: Realm, path: Path, start: int = 0, *, count: int = 2, priority: str = "normal", again: bool = False
) -> str:
    """Queue a quest without a process of its own; its id."""
    file = write_rows(path, rows(count, start))
    (record,) = intake.add_files(realm, Manager.of(realm), [file], priority=priority, again=again)
    return record.id


def tree(realm: Realm) -> dict[str, bytes]:
    """Every file of the realm with its content."""
    return {str(path.relative_to(realm.root)): path.read_bytes() for path in realm.root.rglob("*") if path.is_file()}


# -- many at once --------------------------------------------------------------------------------------------------


def test_sixteen_processes_add_at_once_and_one_shared_file_is_accepted_once(realm: Realm, tmp_path: Path) -> None:
    shared = write_rows(tmp_path / "shared.jsonl", rows(3, 900))
    files = [shared if n % 4 == 0 else write_rows(tmp_path / f"{n}.jsonl", rows(2, n * 10)) for n in range(16)]
    adding = [
        subprocess.Popen(
            realm_line("quest", "add", "-q", file, realm=realm),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for file in files
    ]
    ids, refusals = [], []
    for file, process in zip(files, adding, strict=True):
        out, err = process.communicate(timeout=PATIENCE)
        assert "Traceback" not in err
        if file != shared:
            assert process.returncode == 0, err
        if process.returncode == 0:
            ids.append(out.strip())
        else:
            refusals.append((process.returncode, err))
    assert len(ids) == len(set(ids)) == 13
    assert [code for code, _ in refusals] == [3, 3, 3]
    assert all("the same content is already quest" in err for _, err in refusals)
    board = Board(realm)
    assert {file.id for file in board.files("normal")} == set(ids)
    assert sorted(record.number for record in board.records()) == sorted(
        {file.number for file in board.files("normal")}
    )
    assert len({record.number for record in board.records()}) == 13
    assert not list(realm.intake.iterdir())


def test_four_processes_claim_at_once_and_none_is_lost_or_taken_twice(realm: Realm, tmp_path: Path) -> None:
    files = [write_rows(tmp_path / f"{n}.jsonl", rows(1, n)) for n in range(200)]
    records = intake.add_files(realm, Manager.of(realm), files, depth="quick")
    line = [sys.executable, "-c", CLAIMER, str(realm.root)]
    claimers = [
        subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())
        for _ in range(4)
    ]
    for process in claimers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    claimed = [process.communicate(timeout=PATIENCE)[0].split() for process in claimers]
    assert [process.returncode for process in claimers] == [0] * 4
    order = {record.id: record.number for record in records}
    assert sorted(quest for part in claimed for quest in part) == sorted(order)
    assert all([order[quest] for quest in part] == sorted(order[quest] for quest in part) for part in claimed)
    assert Board(realm).counts()["processing"] == 200


# -- order ---------------------------------------------------------------------------------------------------------


def test_high_comes_before_normal_before_low_and_first_in_first_out_within(realm: Realm, tmp_path: Path) -> None:
    priorities = ["low", "normal", "high", "low", "normal", "high"]
    ids = [add(realm, tmp_path / f"{n}.jsonl", n * 10, priority=priority) for n, priority in enumerate(priorities)]
    board = Board(realm)
    claimed = [file.id for file in iter(board.claim, None)]
    assert claimed == [ids[2], ids[5], ids[1], ids[4], ids[0], ids[3]]


def test_a_file_moved_by_hand_between_queue_folders_changes_its_priority(
    realm: Realm, run: Run, tmp_path: Path
) -> None:
    first, second = add(realm, tmp_path / "a.jsonl"), add(realm, tmp_path / "b.jsonl", 10)
    board = Board(realm)
    file = board.find(second)
    assert file is not None
    file.path.rename(realm.queue / "high" / file.path.name)
    listed = run("quest", "list", "--json").json
    assert [(row["id"], row["priority"]) for row in listed] == [(second, "high"), (first, "normal")]
    assert run("quest", "show", second, "--json").json["priority"] == "high"
    claimed = board.claim()
    assert claimed is not None
    assert claimed.id == second
    board.put_back(claimed)
    assert [file.id for file in board.files("high")] == [second]


# -- duplicates ----------------------------------------------------------------------------------------------------


def test_a_duplicate_is_refused_with_a_hint_and_again_gives_it_an_id_of_its_own(
    realm: Realm, run: Run, tmp_path: Path
) -> None:
    file = write_rows(tmp_path / "a.jsonl", rows(3))
    first = run("quest", "add", "-q", file).out.strip()
    refused = run("quest", "add", file)
    assert refused.code == 3
    assert refused.err.splitlines() == [
        f"error: {file}: the same content is already quest {first} (a.jsonl, not ended)",
        "hint: queue it once more with --again",
    ]
    again = run("quest", "add", "-q", "--again", file, file)
    assert again.out.split() == [f"{first}-2", f"{first}-3"]
    for quest in (f"{first}-2", f"{first}-3"):
        preview = read_record(realm.previews / f"{quest}.json", PreviewRecord)
        assert preview.quest == quest
        assert preview.samples
        assert (realm.reports / f"{quest}.json").is_file()
        shown = run("quest", "show", quest)
        assert "⟦" in shown.out
    assert Board(realm).counts()["normal"] == 3


def test_the_same_rows_packed_otherwise_are_the_same_quest(run: Run, tmp_path: Path) -> None:
    import gzip

    import zstandard

    plain = write_rows(tmp_path / "a.jsonl", rows(3))
    gz, zst = tmp_path / "b.jsonl.gz", tmp_path / "c.jsonl.zst"
    gz.write_bytes(gzip.compress(plain.read_bytes()))
    zst.write_bytes(zstandard.compress(plain.read_bytes()))
    assert run("quest", "add", zst).code == 0
    both = run("quest", "add", plain, gz)
    assert both.code == 3
    assert both.err.count("the same content is already quest") == 2


# -- people's verbs ------------------------------------------------------------------------------------------------


def test_the_verbs_print_what_scripts_read(realm: Realm, run: Run, tmp_path: Path) -> None:
    files = [write_rows(tmp_path / f"{n}.jsonl", rows(2, 10 * n)) for n in range(2)]
    added = run("quest", "add", "--json", files[0])
    (row,) = added.json
    assert set(row) >= {"id", "name", "state", "priority", "samples", "sha256", "outcome", "reason"}
    assert (row["name"], row["state"], row["samples"], row["outcome"]) == ("0.jsonl", "queued", 2, None)
    assert added.err == ""
    told = run("quest", "add", files[1])
    assert "2 of 2 in normal" in told.out
    assert "realm battle start" in told.out
    newest = run("quest", "show", "@", "--json").json
    assert newest["name"] == "1.jsonl"
    assert newest["report"]["errors"] == 0
    assert newest["preview"]["samples"]
    listed = run("quest", "list", "--json").json
    assert [set(entry) >= set(row) for entry in listed] == [True, True]
    assert run("quest", "move", row["id"], "low", "--json").json[0]["priority"] == "low"
    assert run("quest", "list", "--state", "queued", "--json").json[1]["id"] == row["id"]


def test_cancel_retry_and_move_of_the_newest(realm: Realm, run: Run, tmp_path: Path) -> None:
    first, newest = add(realm, tmp_path / "a.jsonl"), add(realm, tmp_path / "b.jsonl", 10)
    assert run("quest", "move", "@", "high").code == 0
    assert run("quest", "cancel", "@", "--reason", "no more").code == 0
    board = Board(realm)
    record = board.record(newest)
    assert (record.outcome, record.reason) == ("cancelled", "no more")
    assert [(line.quest, line.outcome) for line in journal.read(realm.journal)] == [(newest, "cancelled")]
    refused = run("quest", "cancel", newest)
    assert refused.code == 3
    assert "ended as cancelled" in refused.err
    assert run("quest", "retry", "@", "-q").out.strip() == newest
    file = board.find(newest)
    assert file is not None
    assert file.state == "high"
    assert board.record(newest).outcome == ""
    assert run("quest", "retry", first).code == 3
    assert {path.stem for path in realm.quest_records.glob("*.json")} == {first, newest}


@pytest.mark.parametrize("verb", [("cancel",), ("move", "low"), ("retry",)])
def test_a_quest_in_battle_is_left_alone(realm: Realm, run: Run, tmp_path: Path, verb: tuple[str, ...]) -> None:
    quest = add(realm, tmp_path / "a.jsonl")
    assert Board(realm).claim() is not None
    done = run("quest", verb[0], quest, *verb[1:])
    assert done.code == 3
    assert done.err.startswith("error: ")
    assert Board(realm).counts()["processing"] == 1


def test_an_unknown_quest_is_not_found(realm: Realm, run: Run) -> None:
    for words in (["show", "abcdefabcdef"], ["cancel", "nonsense"], ["retry", "../../x"], ["move", "@", "low"]):
        done = run("quest", *words)
        assert done.code == 4, words
        assert done.err.startswith("error: ")
        assert "hint: " in done.err
        assert "Traceback" not in done.err


def test_a_dry_run_says_what_would_happen_and_changes_nothing(realm: Realm, run: Run, tmp_path: Path) -> None:
    queued, ended = add(realm, tmp_path / "a.jsonl"), add(realm, tmp_path / "b.jsonl", 10)
    Board(realm).cancel(ended, "for now")
    write_rows(realm.inbox / "high" / "c.jsonl", rows(2, 20))
    before = tree(realm)
    lines = {
        ("cancel", queued): "would be cancelled",
        ("move", queued, "high"): "from normal to high",
        ("retry", ended): "would be queued again in normal",
        ("intake",): "high/c.jsonl",
    }
    for words, expected in lines.items():
        done = run("quest", *words, "--dry-run")
        assert done.code == 0, done.err
        assert expected in done.out
        assert tree(realm) == before
    assert run("quest", "cancel", ended, "--dry-run").code == 3
    assert run("quest", "retry", queued, "--dry-run").code == 3
    assert run("quest", "move", queued, "normal", "--dry-run").code == 3
    assert run("quest", "cancel", "abcdefabcdef", "--dry-run").code == 4
    assert tree(realm) == before


# -- damaged and lost records --------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[]", b'{"kind": "quest", "version": 1}'])
def test_a_damaged_record_is_set_aside_reported_and_rebuilt(
    realm: Realm, run: Run, tmp_path: Path, content: bytes
) -> None:
    quest = add(realm, tmp_path / "a.jsonl")
    good = Board(realm).record(quest)
    (realm.quest_records / f"{quest}.json").write_bytes(content)
    done = run("quest", "list", "--json")
    assert done.code == 0
    (row,) = done.json
    assert (row["id"], row["state"], row["samples"], row["sha256"]) == (quest, "queued", 2, good.sha256)
    assert "is damaged" in done.err
    assert "Traceback" not in done.err
    (aside,) = realm.quest_records.glob("*.corrupt-*")
    assert aside.read_bytes() == content
    assert Board(realm).record(quest).number == good.number


def test_a_lost_record_and_a_lost_counter_are_rebuilt(realm: Realm, run: Run, tmp_path: Path) -> None:
    quests = [add(realm, tmp_path / f"{n}.jsonl", 10 * n) for n in range(3)]
    (realm.quest_records / f"{quests[2]}.json").unlink()
    realm.board_counter.write_text("{torn")
    fourth = write_rows(tmp_path / "3.jsonl", rows(1, 50))
    done = run("quest", "add", "-q", fourth)
    assert done.code == 0
    assert "board.json" in done.err
    board = Board(realm)
    assert board.record(done.out.strip()).number == 4
    assert board.record(quests[2]).number == 3
    assert json.loads(realm.board_counter.read_text())["last_number"] == 4


def test_a_record_of_a_newer_realm_is_refused_and_stays(realm: Realm, run: Run, tmp_path: Path) -> None:
    quest = add(realm, tmp_path / "a.jsonl")
    path = realm.quest_records / f"{quest}.json"
    newer = path.read_text().replace('"version": 1', '"version": 99')
    path.write_text(newer)
    for words in (["show", quest], ["list"], ["cancel", quest], ["add", str(tmp_path / "a.jsonl")]):
        done = run("quest", *words)
        assert done.code == 1, words
        assert "written by a newer Realm" in done.err
        assert "update Realm" in done.err
        assert "Traceback" not in done.err
    assert path.read_text() == newer
