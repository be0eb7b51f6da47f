"""Deleting data files of ended quests: what stays, what is refused, what is told, in what order a kill finds it."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from helpers import PATIENCE, Run, environment, realm_line, rows, write_rows
from realm_cli import disposal, intake, journal
from realm_cli.errors import NotFoundError, RefusedError
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.store import read_lines


def add(realm: Realm, path: Path, start: int = 0) -> str:
    """Queue a quest; its id."""
    (record,) = intake.add_files(realm, Manager.of(realm), [write_rows(path, rows(2, start))])
    return record.id


def cancelled(realm: Realm, path: Path, start: int = 0) -> str:
    """A quest that ended; its id."""
    quest = add(realm, path, start)
    Board(realm).cancel(quest, "for the test")
    return quest


def deletions(realm: Realm) -> list[dict[str, object]]:
    """The facts of all `quest_deleted` events."""
    return [line["facts"] for line in read_lines(realm.events) if line["name"] == "quest_deleted"]


def test_record_report_preview_and_journal_stay_when_the_file_goes(realm: Realm, run: Run, tmp_path: Path) -> None:
    quest = cancelled(realm, tmp_path / "a.jsonl")
    path = Board(realm).ended(quest).path
    kept = [realm.quest_records, realm.reports, realm.previews]
    before = {folder: (folder / f"{quest}.json").read_bytes() for folder in kept}
    story = realm.journal.read_bytes()

    done = run("quest", "delete", quest)

    assert (done.code, done.out) == (0, f"the data file of {quest} (a.jsonl) is deleted; its record stays\n")
    assert not path.exists()
    assert {folder: (folder / f"{quest}.json").read_bytes() for folder in kept} == before
    assert realm.journal.read_bytes() == story
    assert deletions(realm) == [{"quest": quest, "file": "a.jsonl"}]
    assert run("quest", "show", quest, "--json").json["path"] is None


def test_a_dry_run_names_the_file_and_deletes_nothing(realm: Realm, run: Run, tmp_path: Path) -> None:
    quest = cancelled(realm, tmp_path / "a.jsonl")
    path = Board(realm).ended(quest).path

    assert run("quest", "delete", quest, "--dry-run").out == f"{path} would be deleted\n"
    assert path.exists()
    assert deletions(realm) == []
    assert run("quest", "delete", quest, "-q").out == ""


def test_a_queued_quest_and_the_one_in_battle_are_refused(realm: Realm, run: Run, tmp_path: Path) -> None:
    quest = add(realm, tmp_path / "a.jsonl")
    queued = run("quest", "delete", quest)
    claimed = Board(realm).claim()
    assert claimed is not None
    fighting = run("quest", "delete", quest, "--dry-run")

    assert (queued.code, fighting.code) == (3, 3)
    assert f"hint: cancel it first: realm quest cancel {quest}" in queued.err
    assert "it is in battle" in fighting.err
    assert "realm battle skip" in fighting.err
    assert claimed.path.exists()


@pytest.mark.parametrize("quest", ["0" * 12, "../../configs/realm", "", "@@"])
def test_what_is_no_quest_is_not_found(realm: Realm, run: Run, quest: str) -> None:
    assert run("quest", "delete", quest).code == 4


def test_deleting_twice_says_that_it_is_gone(realm: Realm, tmp_path: Path) -> None:
    manager, quest = Manager.of(realm), cancelled(realm, tmp_path / "a.jsonl")
    disposal.delete(realm, manager, quest)

    with pytest.raises(NotFoundError, match="is gone already"):
        disposal.delete(realm, manager, quest)
    with pytest.raises(NotFoundError, match="the data file of quest .* is gone"):
        intake.retry(realm, manager, quest)
    assert len(deletions(realm)) == 1


def test_of_sixteen_who_delete_at_once_one_succeeds(realm: Realm, tmp_path: Path) -> None:
    manager, quest = Manager.of(realm), cancelled(realm, tmp_path / "a.jsonl")

    def attempt(_: int) -> bool:
        try:
            disposal.delete(realm, manager, quest)
        except (NotFoundError, RefusedError):
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(attempt, range(16))) == 1
    assert len(deletions(realm)) == 1


def test_of_a_delete_and_a_retry_at_once_one_wins_and_the_board_is_whole(realm: Realm, tmp_path: Path) -> None:
    quest = cancelled(realm, tmp_path / "a.jsonl")
    both = [
        subprocess.Popen(
            realm_line("quest", verb, quest, realm=realm), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment(),
        )
        for verb in ("delete", "retry")
    ]  # fmt: skip
    said = [process.communicate(timeout=PATIENCE) for process in both]
    deleted, retried = (process.returncode == 0 for process in both)

    assert all("Traceback" not in err for _, err in said)
    assert deleted != retried
    file = Board(realm).find(quest)
    assert (file is not None and file.state == "normal") if retried else file is None


def test_a_file_that_a_person_moved_is_closed_in_record_and_journal_before_it_goes(
    realm: Realm, tmp_path: Path
) -> None:
    quest = add(realm, tmp_path / "a.jsonl")
    file = Board(realm).queued(quest, "move")
    file.path.rename(realm.failed / file.path.name)

    record = disposal.delete(realm, Manager.of(realm), quest)

    assert (record.outcome, record.reason) == ("cancelled", "its file was moved by hand, then deleted")
    assert [(line.quest, line.outcome) for line in journal.read(realm.journal)] == [(quest, "cancelled")]


def test_an_end_that_a_kill_kept_from_the_journal_is_written_there_once(realm: Realm, tmp_path: Path) -> None:
    quest = cancelled(realm, tmp_path / "a.jsonl")
    line = realm.journal.read_text()
    realm.journal.write_text("")

    disposal.delete(realm, Manager.of(realm), quest)

    assert json.loads(realm.journal.read_text()) == json.loads(line)


def test_a_completed_quest_is_counted_after_its_file_is_deleted(realm: Realm, tmp_path: Path) -> None:
    board, quest = Board(realm), add(realm, tmp_path / "a.jsonl")
    file = board.claim()
    assert file is not None
    board.end(file, "completed", "", hero="dio-mini", step=7)
    # Many ends lie between: the journal's tail does not show this one any more.
    lines = [
        msgspec.structs.replace(entry, quest=f"{n:012x}") for n in range(500) for entry in journal.read(realm.journal)
    ]
    for entry in lines:
        journal.append(realm.journal, entry)

    disposal.delete(realm, Manager.of(realm), quest)

    assert journal.count_completed(realm.journal) == 501
    assert sum(entry.quest == quest for entry in journal.read(realm.journal)) == 1


def test_a_rejected_file_that_was_deleted_may_be_added_again(realm: Realm, tmp_path: Path) -> None:
    manager, file = Manager.of(realm), tmp_path / "a.jsonl"
    file.write_text("this is no row\n")
    (first,) = intake.add(realm, manager, [file])
    assert first.record is not None
    assert first.problem

    disposal.delete(realm, manager, first.record.id)
    (second,) = intake.add(realm, manager, [file])

    assert second.record is not None
    assert not second.duplicate


def test_a_damaged_record_is_rebuilt_before_its_file_goes(realm: Realm, tmp_path: Path) -> None:
    quest = cancelled(realm, tmp_path / "a.jsonl")
    Board(realm).record_path(quest).write_text("{ torn")

    record = disposal.delete(realm, Manager.of(realm), quest)

    assert (record.id, record.outcome) == (quest, "cancelled")
