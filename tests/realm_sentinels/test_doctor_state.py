"""The doctor and what a realm keeps: quests, checkpoints, state files, transfers, evals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from helpers import rows, write_rows
from realm_cli import checkpoints, intake, journal, store, websafety
from realm_cli.checkpoint_records import TrainerState
from realm_cli.manager import Manager
from realm_cli.process import this_process
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import JournalRecord, now
from realm_cli.zones import zones_file
from realm_guild import requests
from realm_sentinels import doctor
from realm_sentinels_doctor import gone, look, mend, one, write_training
from realm_vault import transfers
from realm_vault.records import TransferRecord
from realm_vault_boxes import HERO, make_checkpoint


def quest(realm: Realm, tmp_path: Path, count: int = 20, start: int = 0) -> str:
    file = write_rows(tmp_path / f"{start}.jsonl", rows(count, start))
    (record,) = intake.add_files(realm, Manager.of(realm), [file], depth="quick")
    return record.id


# -- the board -----------------------------------------------------------------------------------------------------


def test_files_that_are_no_quests_and_records_without_files_are_told(realm: Realm, tmp_path: Path) -> None:
    lost = quest(realm, tmp_path)
    kept = quest(realm, tmp_path, start=100)
    board = Board(realm)
    for file in board.files("normal"):
        if file.id == lost:
            file.path.unlink()
    board.record_path(kept).unlink()
    (realm.queue / "high" / "notes.txt").write_text("?")
    messages = {finding.message for finding in look(realm, "queue")}
    assert messages == {
        "1 files in the queue are no quests", "1 quests have no record", "the data of 1 quests is gone",
    }  # fmt: skip
    assert mend(realm, "queue") == ["2 quests have their records"]
    assert board.record_path(kept).is_file()
    assert (realm.queue / "high" / "notes.txt").exists()  # it cannot be made again


def test_a_held_quest_is_told_with_its_reason(realm: Realm, tmp_path: Path) -> None:
    held = quest(realm, tmp_path)
    board = Board(realm)
    file = board.claim()
    assert file is not None
    board.end(file, "held", "out of memory three times")
    finding = one(realm, "queue")
    assert (finding.message, finding.evidence) == (f"quest {held} is held", "out of memory three times")
    assert finding.remedy.endswith(f"realm quest retry {held}")


def test_a_quest_whose_end_was_begun_is_completed_and_one_of_a_running_battle_left_alone(
    realm: Realm, tmp_path: Path
) -> None:
    done = quest(realm, tmp_path)
    board = Board(realm)
    assert board.claim() is not None
    board.update(done, outcome="completed", ended_at=now(), ended_step=3)
    write_training(realm, "training", this_process())
    assert one(realm, "queue").grade == "ok"
    write_training(realm, "stopped", gone())
    assert one(realm, "queue").message == f"the end of quest {done} was begun and not completed"
    assert mend(realm, "queue") == [f"{done}: its end (completed) was completed"]
    assert board.counts()["recently_completed"] == 1
    assert [line.quest for line in journal.read(realm.journal)] == [done]


def test_files_left_between_inbox_and_board_come_to_the_board(realm: Realm, tmp_path: Path) -> None:
    mark = gone()
    name = f"move-high.{mark.pid}.{mark.started.replace(':', '-')}.1.left.jsonl"
    write_rows(realm.intake / name, rows(5))
    assert one(realm, "queue").message == "1 files were left between inbox and board by a kill"
    assert mend(realm, "queue") == ["1 of 1 files are on the board"]
    assert [file.name for file in Board(realm).files("high")] == ["left.jsonl"]
    assert one(realm, "queue").grade == "ok"


def test_a_folder_of_the_board_that_is_a_file_is_named(realm: Realm) -> None:
    (realm.queue / "normal").rmdir()
    (realm.queue / "normal").write_text("")
    finding = one(realm, "queue")
    assert (finding.grade, finding.message) == ("error", "queue/normal is no folder, and the board needs it")
    assert finding.remedy == f"move it away, then mkdir {realm.queue / 'normal'}"


# -- checkpoints and state -----------------------------------------------------------------------------------------


def checkpoint(realm: Realm, step: int) -> Path:
    """One that a battle could go on from, as far as the doctor can tell."""
    folder = make_checkpoint(realm, step, size=2_000)
    state = TrainerState(step=step, tokens_seen=1, samples_seen=1)
    store.write_record(folder / checkpoints.TRAINER_STATE, state)
    checkpoints.write_manifest(folder, folder.name, now())
    return folder


@pytest.mark.parametrize("damage", ["changed", "truncated", "no manifest", "no state"])
def test_the_resume_proof_finds_every_damage_and_says_where_the_battle_would_go_on(realm: Realm, damage: str) -> None:
    good, newest = checkpoint(realm, 10), checkpoint(realm, 20)
    finding = one(realm, "resume")
    assert (finding.grade, finding.message) == ("ok", f"the next battle goes on from {newest.name}")
    assert "have the hashes of the manifest; step 20" in finding.evidence
    part = newest / "part 0.safetensors"
    if damage == "changed":
        part.write_bytes(b"x" + part.read_bytes()[1:])
    elif damage == "truncated":
        part.write_bytes(part.read_bytes()[:-1])
    elif damage == "no manifest":
        (newest / checkpoints.MANIFEST).unlink()
    else:
        (newest / checkpoints.TRAINER_STATE).unlink()
    finding = one(realm, "resume")
    assert (finding.grade, finding.message) == ("error", "the newest checkpoint is damaged")
    assert f"the next battle sets it aside and goes on from {good.name}" in finding.remedy
    assert newest.exists()


def test_a_battle_that_trains_and_does_not_save_is_an_error(realm: Realm) -> None:
    checkpoint(realm, 10)
    write_training(realm, "training", this_process(), step=11)
    assert one(realm, "checkpoint").grade == "ok"
    realm_ledger = realm.ledger / HERO / "10.json"
    data = json.loads(realm_ledger.read_text())
    realm_ledger.write_text(json.dumps({**data, "created_at": "2026-01-01T00:00:00.000+00:00"}))
    write_training(realm, "training", this_process(), step=11, started_at="2026-01-01T00:00:00.000+00:00")
    finding = one(realm, "checkpoint")
    assert (finding.grade, finding.message) == ("error", "the battle trains and does not save")


def test_state_files_that_do_not_parse_are_set_aside_and_nothing_is_lost(realm: Realm) -> None:
    realm.board_counter.write_text("{torn")
    (realm.status / "pins.json").write_text(json.dumps({"kind": "pins", "version": 1, "pins": 5}))
    finding = one(realm, "state")
    assert (finding.grade, finding.message) == ("error", "2 state files do not parse")
    assert mend(realm, "state") == ["2 set aside"]
    finding = one(realm, "state")
    assert (finding.grade, finding.message) == ("warning", "2 damaged state files were set aside")
    assert sorted(path.read_text()[:5] for path in realm.status.glob("*.corrupt-*")) == ['{"kin', "{torn"]


def test_damaged_lines_of_the_journal_are_named(realm: Realm) -> None:
    journal.append(realm.journal, JournalRecord(entry="x", time=now()))
    with realm.journal.open("a") as file:
        file.write('{"kind": "journal", "torn\n')
    finding = one(realm, "journal")
    assert (finding.grade, finding.message) == ("warning", "1 lines of journal.jsonl cannot be read")
    assert finding.evidence == f"lines 2 of {realm.journal}"


# -- the vault's and the guild's -----------------------------------------------------------------------------------


def test_a_zone_that_lost_its_mark_is_away_and_one_that_answers_well(realm: Realm, tmp_path: Path) -> None:
    folder = tmp_path / "usb"
    folder.mkdir()
    zones_file(realm).write_text(yaml.safe_dump({"zones": {"usb": {"type": "local", "root": str(folder)}}}))
    assert (one(realm, "zones").grade, one(realm, "zones").message) == ("ok", "usb answers")
    (folder / ".vault" / "zone.json").unlink()  # as when it is not mounted
    finding = one(realm, "zones")
    assert (finding.grade, finding.message) == ("warning", "usb is away")
    assert "has lost its mark" in finding.evidence


def test_a_transfer_that_was_cut_waits_again(realm: Realm) -> None:
    record = TransferRecord(
        id="1", asset=f"checkpoint_{HERO}_1", digest="0", zone="usb", direction="push", state="running", asked_at=now()
    )
    transfers.write(realm, record)
    with store.locked(transfers.lock_of(realm, record.asset, record.zone)):
        assert one(realm, "transfers").grade == "ok"  # somebody moves it
    assert one(realm, "transfers").message == "1 transfers were cut off"
    mend(realm, "transfers")
    assert [(found.state, found.reason) for found in transfers.read_all(realm)] == [("queued", "it was cut off")]


def test_evals_that_the_dead_had_taken_wait_again(realm: Realm) -> None:
    path = requests.ask(realm, HERO, 5, "bin", 1, "request")
    mark = gone()
    claim = realm.pending_evals / ".claimed" / f"{path.name}.{mark.pid}.{mark.started.replace(':', '-')}"
    claim.parent.mkdir()
    path.rename(claim)
    assert one(realm, "evals").message == "1 evals were taken by processes that are gone"
    assert mend(realm, "evals") == ["1 evals wait"]
    assert path.is_file()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("champions/x.json", b"\xff\xfe\x00", "not valid JSON"),
        ("champions/x.json", b'{"hero": "x"}', "it does not say of what kind it is"),
        ("champions/x.json", b"[]", "it does not say of what kind it is"),
        ("champions/x.json", None, "it is a folder"),
        ("training.json", b'{"kind": "trai', "not valid JSON"),
        ("training.json", b"heartbeat", "the heartbeat is 'noon'"),
    ],
)
def test_a_look_names_every_damaged_state_file_and_leaves_it_until_it_is_mended(
    realm: Realm, name: str, content: bytes | None, why: str
) -> None:
    path = realm.status / name
    path.parent.mkdir(exist_ok=True)
    if content == b"heartbeat":
        write_training(realm, "training", this_process(), heartbeat="noon")
    elif content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    record = doctor.examine(realm, Manager.of(realm))
    (finding,) = [finding for finding in record.findings if finding.check == "state"]
    assert (finding.grade, finding.message) == ("error", "1 state files do not parse")
    assert finding.evidence.startswith(f"status/{name}: {why}")
    assert [finding for finding in record.findings if finding.grade == "unknown"] == []
    assert path.exists()
    done = doctor.mend(realm, Manager.of(realm))
    assert [one.said for one in done if one.check == "state"] == ["1 set aside"]
    assert not path.exists()
    assert one(realm, "state").message == "1 damaged state files were set aside"


@pytest.mark.parametrize(
    "content", [b"", b"short\n", bytes(range(128, 192)), b"a token with spaces in it, long enough\n"]
)
def test_a_token_that_is_none_is_told(realm: Realm, content: bytes) -> None:
    path = websafety.token_path(realm)
    path.write_bytes(content)
    path.chmod(0o600)
    finding = one(realm, "token")
    assert (finding.grade, finding.message) == ("error", f"{path}: this is no token")
    assert finding.remedy == "delete it, and a new one is made"
