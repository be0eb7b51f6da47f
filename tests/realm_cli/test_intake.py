"""The inbox: what is taken, in which order, from where; what waits; what goes back."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from helpers import Run, rows, write_rows
from realm_cli import inbox, intake, journal
from realm_cli.errors import NotFoundError, RefusedError, StorageError
from realm_cli.hookspecs import hookimpl
from realm_cli.intake import Outcome
from realm_cli.manager import Manager
from realm_cli.parts import Part
from realm_cli.process import this_process
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import InspectionRecord
from realm_cli.store import read_record


def take(realm: Realm, settle: float = 0, manager: Manager | None = None) -> list[Outcome]:
    return intake.take_inbox(realm, manager or Manager.of(realm), settle=settle)


def names(realm: Realm, state: str = "normal") -> list[str]:
    return [file.name for file in Board(realm).files(state)]


def left_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def with_inspector(inspector: object) -> Manager:
    """The installed plugins and one more, which offers this inspector."""
    module = ModuleType("a_plugin_of_a_test")
    module.inspector = inspector  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module

    class Plugin:
        @hookimpl
        def realm_inspectors(self) -> list[Part]:
            return [Part("mine", f"{module.__name__}:inspector")]

    manager = Manager.load()
    manager.hooks.register(Plugin(), name="mine")
    return manager


# -- what is taken -------------------------------------------------------------------------------------------------


def test_sub_folders_are_flattened_and_name_the_priority(realm: Realm) -> None:
    places = ["a.jsonl", "sub/deep/a.jsonl", "high/a.jsonl", "high/sub/a.jsonl", "low/a.jsonl", "sub/high/a.jsonl"]
    for number, place in enumerate(places):
        write_rows(realm.inbox / place, rows(1, number))
    outcomes = take(realm)
    assert [outcome.problem for outcome in outcomes] == [""] * 6
    assert [outcome.record and outcome.record.source for outcome in outcomes] == [f"inbox/{place}" for place in places]
    assert (names(realm, "high"), names(realm), names(realm, "low")) == (["a.jsonl"] * 2, ["a.jsonl"] * 3, ["a.jsonl"])
    assert left_in(realm.inbox) == left_in(realm.intake) == []
    assert [file.number for state in ("high", "normal", "low") for file in Board(realm).files(state)] == [
        3,
        4,
        1,
        2,
        6,
        5,
    ]


PARTIAL = [
    ".a.jsonl", "a.jsonl.part", "a.jsonl.partial", "a.jsonl.tmp", "a.jsonl.filepart", "a.jsonl.crdownload", "a.jsonl~",
    ".a.jsonl.Xy12", ".hidden/a.jsonl",
]  # fmt: skip
FOREIGN = ["a.json", "a.txt", "jsonl", "a.jsonl.bz2", "a.jsonlx"]


@pytest.mark.parametrize("name", [*PARTIAL, *FOREIGN])
def test_copies_under_way_and_other_files_stay(realm: Realm, name: str) -> None:
    write_rows(realm.inbox / name, rows(1))
    assert take(realm) == []
    assert left_in(realm.inbox) == [name]
    assert inbox.waiting(realm) == 0


def test_a_file_waits_until_it_is_unchanged_for_the_settle_time(realm: Realm) -> None:
    file = write_rows(realm.inbox / "a.jsonl", rows(1))
    os.utime(file, (0, 0))  # a copied old date does not count
    assert take(realm, settle=3600) == []
    assert inbox.waiting(realm) == 1
    assert len(take(realm)) == 1


def test_files_laid_straight_into_the_queue_are_inspected_too(realm: Realm) -> None:
    write_rows(realm.queue / "low" / "mine.jsonl", rows(1))
    write_rows(realm.queue / "high" / "LOUD.JSONL", rows(1, 1))
    (realm.queue / "normal" / "bad.jsonl").write_text("{")
    take(realm)
    assert (names(realm, "low"), names(realm, "failed")) == (["mine.jsonl"], ["bad.jsonl"])
    assert names(realm, "high") == ["LOUD.jsonl"]


def test_a_link_brings_its_content_and_only_the_link_goes(realm: Realm, tmp_path: Path) -> None:
    target = write_rows(tmp_path / "elsewhere" / "real.jsonl", rows(2))
    (realm.inbox / "link.jsonl").symlink_to(target)
    (realm.inbox / "dangling.jsonl").symlink_to(tmp_path / "nowhere.jsonl")
    (realm.inbox / "folder.jsonl").symlink_to(target.parent)
    os.mkfifo(realm.inbox / "pipe.jsonl")
    (realm.inbox / "really-a-folder.jsonl").mkdir()
    (outcome,) = take(realm)
    assert outcome.record is not None
    (file,) = Board(realm).files("normal")
    assert not file.path.is_symlink()
    assert file.path.read_bytes() == target.read_bytes()
    left = {"dangling.jsonl", "folder.jsonl", "pipe.jsonl", "really-a-folder.jsonl"}
    assert {path.name for path in realm.inbox.iterdir()} == left | {"high", "low"}


def test_an_inbox_on_another_disk_is_copied_from(realm: Realm) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == realm.root.stat().st_dev:
        pytest.skip("there is no second file system at /dev/shm")
    other = memory / f"realm-test-inbox-{os.getpid()}"
    try:
        write_rows(other / "high" / "a.jsonl", rows(1))
        shutil.rmtree(realm.inbox)
        realm.inbox.symlink_to(other)
        take(realm)
        assert names(realm, "high") == ["a.jsonl"]
        assert left_in(other) == left_in(realm.intake) == []
    finally:
        shutil.rmtree(other)


def test_folders_that_git_or_a_cleaning_script_dropped_are_made_again(realm: Realm, run: Run, tmp_path: Path) -> None:
    for folder in (realm.queue, realm.inbox, realm.status, realm.control):
        shutil.rmtree(folder)
    done = run("quest", "add", write_rows(tmp_path / "a.jsonl", rows(1)))
    assert (done.code, done.err) == (0, "")
    assert all(folder.is_dir() for folder in realm.folders())


# -- duplicates ----------------------------------------------------------------------------------------------------


def test_a_duplicate_from_the_inbox_is_filed_as_failed_with_its_reason(realm: Realm, tmp_path: Path) -> None:
    (first,) = intake.add_files(realm, Manager.of(realm), [write_rows(tmp_path / "first.jsonl", rows(2))])
    write_rows(realm.inbox / "second.jsonl", rows(2))
    (outcome,) = take(realm)
    reason = f"duplicate: the same content is already quest {first.id} (first.jsonl, not ended)"
    assert outcome.record is not None
    assert (outcome.record.id, outcome.record.outcome, outcome.record.reason) == (f"{first.id}-2", "failed", reason)
    assert names(realm) == ["first.jsonl"]
    assert names(realm, "failed") == ["second.jsonl"]
    assert [(line.quest, line.reason) for line in journal.read(realm.journal)] == [(f"{first.id}-2", reason)]
    assert intake.retry(realm, Manager.of(realm), f"{first.id}-2").outcome == ""
    assert names(realm) == ["first.jsonl", "second.jsonl"]


def test_two_files_of_the_same_content_in_one_go(realm: Realm, tmp_path: Path) -> None:
    manager = Manager.of(realm)
    paths = [write_rows(tmp_path / f"{name}.jsonl", rows(2)) for name in "ab"]
    good, twin = intake.add(realm, manager, paths)
    assert good.record is not None
    assert twin.record is None
    assert twin.problem == f"the same content is already quest {good.record.id} (a.jsonl, not ended)"
    assert left_in(realm.intake) == []


# -- what changes meanwhile ----------------------------------------------------------------------------------------


class _Inspector:
    """Looks at nothing and does something."""

    depth = "quick"

    def __init__(self, realm: Realm, deed: str) -> None:
        self.realm, self.deed = realm, deed

    def inspect(self, subject: object, report: object) -> None:
        path: Path = subject.path  # type: ignore[attr-defined]
        if self.deed == "write on":
            with open(path, "ab") as file:
                file.write(b'{"text": "late"}\n')
        elif self.deed == "drop a namesake":
            write_rows(self.realm.inbox / "a.jsonl", rows(1, 77))
        elif self.deed == "fill the disk":
            raise StorageError("write", path, OSError(28, "No space left on device"))
        else:
            raise ZeroDivisionError("oops")


def test_a_file_that_still_grows_goes_back_and_is_taken_when_it_is_whole(
    realm: Realm, caplog: pytest.LogCaptureFixture
) -> None:
    write_rows(realm.inbox / "sub" / "a.jsonl", rows(1))
    assert take(realm, manager=with_inspector(_Inspector(realm, "write on"))) == []
    assert "a.jsonl still grows" in caplog.text
    assert left_in(realm.inbox) == ["sub/a.jsonl"]
    assert left_in(realm.intake) == left_in(realm.quest_records) == []
    (outcome,) = take(realm)
    assert outcome.record is not None
    assert outcome.record.samples == 2


def test_a_namesake_that_comes_while_a_file_is_taken_is_not_lost(realm: Realm) -> None:
    write_rows(realm.inbox / "a.jsonl", rows(1))
    take(realm, manager=with_inspector(_Inspector(realm, "drop a namesake")))
    assert left_in(realm.inbox) == ["a.jsonl"]
    take(realm)
    assert names(realm) == ["a.jsonl", "a.jsonl"]


def test_a_namesake_does_not_keep_a_file_from_going_back(realm: Realm) -> None:
    write_rows(realm.inbox / "a.jsonl", rows(1))
    (realm.inbox / "a-2.jsonl").mkdir()

    class Both(_Inspector):
        def inspect(self, subject: object, report: object) -> None:
            _Inspector(self.realm, "drop a namesake").inspect(subject, report)
            _Inspector(self.realm, "write on").inspect(subject, report)

    assert take(realm, manager=with_inspector(Both(realm, ""))) == []
    assert left_in(realm.inbox) == ["a-3.jsonl", "a.jsonl"]


def test_when_the_disk_refuses_the_file_goes_back_to_the_inbox(realm: Realm) -> None:
    write_rows(realm.inbox / "a.jsonl", rows(1))
    with pytest.raises(StorageError, match="No space left"):
        take(realm, manager=with_inspector(_Inspector(realm, "fill the disk")))
    assert left_in(realm.inbox) == ["a.jsonl"]
    assert left_in(realm.queue) == left_in(realm.quest_records) == []


def test_a_broken_inspector_keeps_the_file_from_the_queue_and_is_named(
    realm: Realm, caplog: pytest.LogCaptureFixture
) -> None:
    write_rows(realm.inbox / "a.jsonl", rows(1))
    (outcome,) = take(realm, manager=with_inspector(_Inspector(realm, "break")))
    assert outcome.problem == (
        "inspection: the inspector itself failed (ZeroDivisionError: oops); see `realm plugins list`"
    )
    assert "inspector 'mine' failed" in caplog.text
    assert names(realm, "failed") == ["a.jsonl"]
    assert intake.retry(realm, Manager.of(realm), "@").samples == 1


def test_without_an_inspector_nothing_is_taken(realm: Realm, run: Run, tmp_path: Path) -> None:
    assert run("plugins", "disable", "arena").code == 0
    write_rows(realm.inbox / "a.jsonl", rows(1))
    for words in (["intake"], ["add", write_rows(tmp_path / "b.jsonl", rows(1))]):
        done = run("quest", *words)
        assert (done.code, done.out) == (3, "")
        assert done.err.splitlines() == [
            "error: no inspector is installed, so no quest can be checked",
            "hint: enable one: realm plugins enable arena",
        ]
    assert left_in(realm.inbox) == ["a.jsonl"]
    assert left_in(realm.queue) == []


def test_a_source_that_vanishes_does_not_stop_the_others(realm: Realm, tmp_path: Path) -> None:
    good = [write_rows(tmp_path / f"{name}.jsonl", rows(1, n)) for n, name in enumerate("ac")]
    outcomes = intake.add(realm, Manager.of(realm), [good[0], tmp_path / "gone.jsonl", tmp_path / "x.txt", good[1]])
    assert [outcome.record is not None for outcome in outcomes] == [True, False, False, True]
    assert outcomes[1].problem == f"cannot copy {tmp_path}/gone.jsonl: No such file or directory"
    assert outcomes[2].problem == "not a quest file (.jsonl, .jsonl.gz, .jsonl.zst)"
    assert names(realm) == ["a.jsonl", "c.jsonl"]


# -- after an interruption -----------------------------------------------------------------------------------------


def test_what_a_killed_intake_left_is_taken_and_what_a_killed_adding_left_is_dropped(realm: Realm) -> None:
    dead = "99999999.00000000-1.17"
    write_rows(realm.intake / f"move-high.{dead}.mine.jsonl", rows(1))
    write_rows(realm.intake / f"copy.{dead}.theirs.jsonl", rows(1, 1))
    (realm.intake / f"copy.{dead}.broken.jsonl.gz").write_bytes(b"no gzip")
    take(realm)
    assert names(realm, "high") == ["mine.jsonl"]
    assert left_in(realm.intake) == []
    assert [record.name for record in Board(realm).records()] == ["mine.jsonl"]


def test_what_a_running_process_holds_and_what_is_nobody_s_stays(realm: Realm) -> None:
    mark = this_process()
    held = f"move-high.{mark.pid}.{mark.started.replace(':', '-')}.17.mine.jsonl"
    write_rows(realm.intake / held, rows(1))
    strange = ["a.b.c.d.jsonl", "notes", "move-urgent.1.0-0.1.x.jsonl"]
    for name in strange:
        write_rows(realm.intake / name, rows(1))
    assert take(realm) == []
    assert left_in(realm.intake) == sorted([held, *strange])


# -- retry ---------------------------------------------------------------------------------------------------------


def test_a_failed_file_that_was_edited_in_place_is_another_quest(realm: Realm, run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "one"}\n{"txt": "two"}\n')
    (outcome,) = intake.add(realm, Manager.of(realm), [bad])
    assert outcome.record is not None
    assert outcome.problem.startswith("inspection: line 2: ")
    still = run("quest", "retry", outcome.record.id)
    assert still.code == 3
    assert "still fails: inspection: line 2: " in still.err
    (file,) = Board(realm).files("failed")
    file.path.write_text('{"text": "one"}\n{"text": "two"}\n')
    with pytest.raises(RefusedError, match="is no longer what was accepted") as refused:
        intake.retry(realm, Manager.of(realm), outcome.record.id)
    assert refused.value.hint == f"add it as a new quest: realm quest add {file.path}"
    added = run("quest", "add", file.path, "--json")
    assert added.code == 0
    assert (added.json[0]["name"], added.json[0]["samples"]) == ("bad.jsonl", 2)


def test_a_quest_without_its_data_file_cannot_be_retried(realm: Realm, tmp_path: Path) -> None:
    (record,) = intake.add_files(realm, Manager.of(realm), [write_rows(tmp_path / "a.jsonl", rows(1))])
    board = Board(realm)
    board.cancel(record.id, "no")
    (file,) = board.files("failed")
    file.path.unlink()
    with pytest.raises(NotFoundError, match="is gone"):
        intake.retry(realm, Manager.of(realm), record.id)


# -- the report ----------------------------------------------------------------------------------------------------


def test_the_report_names_the_lines_and_show_prints_it(realm: Realm, run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "fine"}\n[1]\n{"messages": []}\n')
    done = run("quest", "add", bad)
    quest = Board(realm).files("failed")[0].id
    assert done.code == 1
    assert done.out == ""
    assert done.err.splitlines()[-1] == f"hint: the report: realm quest show {quest}"
    assert done.err.startswith(f"error: {bad}: inspection: line 2: ")
    report = read_record(realm.reports / f"{quest}.json", InspectionRecord)
    assert [finding.line for finding in report.findings] == [2, 3]
    shown = run("quest", "show", quest)
    assert "inspection (standard): 2 errors" in shown.out
    assert all(f"line {finding.line}: {finding.message}" in shown.out for finding in report.findings)
