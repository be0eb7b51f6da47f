"""What goes wrong in a battle: numbers, memory, disk, damaged checkpoints. Nothing is lost, and the reason is told."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

from helpers import PATIENCE, BattleProcess, Run, SmallDisk, rows, set_recipe, wait_for, write_rows
from realm_arena import retention, saving
from realm_cli import checkpoints, intake, journal, store
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm

Start = Callable[..., BattleProcess]


def add(realm: Realm, path: Path, count: int, start: int = 0) -> str:
    """Queue a quest; its id."""
    (record,) = intake.add_files(realm, Manager.of(realm), [write_rows(path, rows(count, start))])
    return record.id


def finish(realm: Realm) -> BattleProcess:
    """Train to the end of the board."""
    battle = BattleProcess(realm, "--until-empty")
    assert battle.wait() == 0, battle.output()
    return battle


def test_a_loss_that_is_no_number_fails_the_quest_and_restores_the_hero(realm: Realm, run: Run, tmp_path: Path) -> None:
    good = add(realm, tmp_path / "good.jsonl", 60)
    finish(realm)
    before = Ledger(realm).get_latest()
    set_recipe(realm, learning_rate="1e30", warmup_steps=0)
    bad, after = add(realm, tmp_path / "bad.jsonl", 200, 100), add(realm, tmp_path / "after.jsonl", 16, 500)
    finish(realm)
    failed = Board(realm).record(bad)
    assert failed.outcome == "failed"
    assert "not finite" in failed.reason
    assert "lines " in failed.reason
    assert "not finite" in run("quest", "show", bad).out
    # One step of the last quest on the restored hero: its parent is the checkpoint before the bad quest.
    assert Board(realm).record(after).outcome == "completed"
    latest = Ledger(realm).get_latest()
    assert (latest.parent, latest.step) == (before.canonical_name, before.step + 1)
    assert {share.id for share in latest.quests} == {after}
    assert [line.outcome for line in journal.read(realm.journal)] == ["completed", "failed", "completed"]
    assert Board(realm).record(good).outcome == "completed"


def test_memory_that_runs_out_is_the_machines_failure_and_the_next_quest_goes_on(
    realm: Realm, battle: Start, tmp_path: Path
) -> None:
    huge = {"batch_samples": 100_000, "batch_tokens": 10**8, "row_tokens": 10**6, "micro_batch_tokens": 10**8}
    set_recipe(realm, **huge)
    fighting = battle("--until-empty")
    write_rows(realm.inbox / "waits.jsonl.part", rows(1))  # a name that is never taken
    (realm.control / ".pause").touch()
    fighting.until("paused")
    pages = int(Path(f"/proc/{fighting.process.pid}/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + 600_000_000
    resource.prlimit(fighting.process.pid, resource.RLIMIT_AS, (limit, limit))
    big, small = add(realm, tmp_path / "big.jsonl", 8_000), add(realm, tmp_path / "small.jsonl", 40, 50_000)
    (realm.control / ".pause").unlink()
    assert fighting.wait() == 0, fighting.output()
    held = Board(realm).record(big)
    assert held.outcome == "held", held
    assert "out of memory" in held.reason
    assert held.failures == 3
    assert Board(realm).record(small).outcome == "completed"
    assert [line.quest for line in journal.read(realm.journal)] == [small]  # held is no end

    set_recipe(realm, batch_samples=64, row_tokens=128, micro_batch_tokens=4096)
    Board(realm).retry(big)
    finish(realm)
    assert Board(realm).record(big).outcome == "completed"


DAMAGES = ["truncated", "changed", "missing", "no manifest", "garbage manifest"]


def spoil(checkpoint: Path, damage: str) -> None:
    """Damage a checkpoint in one of the ways that disks and people do."""
    model = checkpoint / "model.safetensors"
    content = model.read_bytes()
    if damage == "truncated":
        model.write_bytes(content[:-100])
    elif damage == "changed":
        model.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "missing":
        (checkpoint / "optimizer.safetensors").unlink()
    elif damage == "no manifest":
        (checkpoint / checkpoints.MANIFEST).unlink()
    else:
        (checkpoint / checkpoints.MANIFEST).write_text("{]")


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_used(realm: Realm, tmp_path: Path) -> None:
    for number in range(2):
        add(realm, tmp_path / f"{number}.jsonl", 32, 100 * number)
    finish(realm)
    second, first = checkpoints.folders(realm, "dio-mini")
    for damage in DAMAGES:
        copy = Realm(tmp_path / damage.replace(" ", "-"))
        shutil.copytree(realm.root, copy.root, symlinks=True)
        spoil(copy.hero_folder() / second.name, damage)
        found = saving.newest_good(copy, "dio-mini")
        assert found.checkpoint is not None
        assert (found.checkpoint.name, len(found.problems)) == (first.name, 1), damage
        assert len(found.lost_quests) == 1
        assert [path.name for path in (copy.hero_folder() / "quarantine").iterdir()] == [second.name]
        assert Ledger(copy).steps() == [checkpoints.extract_step(first.name)]

    spoil(second, "changed")
    add(realm, tmp_path / "c.jsonl", 32, 200)
    battle = finish(realm)
    assert "set aside" in battle.output()
    # The quest whose training was lost is trained again, and counted once.
    again, added = (Ledger(realm).get(step) for step in (4, 6))
    assert again.parent == first.name
    assert [len(record.quests) for record in (again, added)] == [1, 1]
    assert journal.count_completed(realm.journal) == 3
    assert checkpoints.folders(realm, "dio-mini")[0].name == added.canonical_name
    events = [json.loads(line)["name"] for line in realm.events.read_text().splitlines()]
    assert events.count("checkpoint_damaged") == 1


def test_a_save_that_was_killed_before_its_ledger_record_is_recorded_at_the_next_start(
    realm: Realm, tmp_path: Path
) -> None:
    add(realm, tmp_path / "a.jsonl", 32)
    finish(realm)
    record = Ledger(realm).get_latest()
    (realm.ledger / "dio-mini" / f"{record.step}.json").unlink()
    left = realm.hero_folder() / ".saving-checkpoint-9-20260101-0000"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    finish(realm)
    assert Ledger(realm).get_latest() == record
    assert not left.exists()


def test_retention_keeps_the_last_the_best_and_leaves_tombstones(realm: Realm, run: Run, tmp_path: Path) -> None:
    def entry(step: int, train: float | None, val: float | None) -> LedgerRecord:
        name = f"checkpoint-{step}-20260101-0000"
        return LedgerRecord(
            hero="dio-mini",
            step=step,
            canonical_name=name,
            weights_sha256="",
            created_at="",
            train_loss=train,
            val_loss=val,
        )

    records = [entry(50, 0.9, 0.9), entry(40, 0.8, 0.5), entry(30, 0.1, 0.7), entry(20, 0.6, 0.2), entry(10, 0.7, None)]
    plan = retention.plan(records, 2, {})
    assert plan.drop == [10]
    assert plan.keep == {50: "one of the last", 40: "one of the last", 30: "best train_loss", 20: "best val_loss"}
    assert retention.plan(records, 2, {10: "the champion"}).drop == []

    config = realm.config_file
    config.write_text(
        config.read_text().replace("keep_last: 3", "keep_last: 1").replace("save_steps: 1000", "save_steps: 2")
    )
    add(realm, tmp_path / "a.jsonl", 32 * 8)
    finish(realm)
    kept = {path.name for path in checkpoints.folders(realm, "dio-mini")}
    ledger = Ledger(realm)
    assert kept == {record.canonical_name for record in ledger.list_all()}
    assert len(kept) <= 2
    gone = run("ledger", "show", "2")
    assert gone.code == 4
    assert "was deleted" in gone.err
    whole = ledger.lineage(ledger.steps()[0])
    assert [(quest["samples"], quest["completed"]) for quest in whole] == [(32 * 8, True)]


def test_a_full_disk_makes_the_battle_wait_and_room_makes_it_go_on(
    realm: Realm, small_disk: SmallDisk, tmp_path: Path
) -> None:
    add(realm, tmp_path / "a.jsonl", 4_000)
    config = realm.config_file
    config.write_text(config.read_text().replace("save_steps: 1000", "save_steps: 40"))
    there = small_disk.holding(realm)
    with small_disk.battle("--until-empty") as battle:
        wait_for(lambda: list(there.hero_folder("dio-mini").glob("checkpoint-*")), "the first checkpoint")
        small_disk.fill()
        wait_for(small_disk.has_waited, "the battle to say that it waits")
        assert battle.poll() is None
        small_disk.free()
        assert battle.wait(timeout=PATIENCE) == 0, small_disk.output()[-3000:]
    assert "Traceback" not in small_disk.output()
    assert Ledger(there, "dio-mini").get_latest().samples_seen == 4_000
    assert [line.outcome for line in journal.read(there.journal)] == ["completed"]
    good, bad = checkpoints.complete(there, "dio-mini")
    assert good
    assert not bad


def test_too_little_room_is_told_before_anything_is_written(
    realm: Realm, run: Run, battle: Start, tmp_path: Path
) -> None:
    add(realm, tmp_path / "a.jsonl", 64)
    config = realm.config_file
    config.write_text(config.read_text().replace("reserve_mb: 1", f"reserve_mb: {store.free_bytes(realm.root)}"))
    waiting = battle("--until-empty")
    seen = waiting.until("waiting")
    assert "too little disk for a checkpoint" in seen.reason
    assert "too little disk" in run("status").out
    assert waiting.kill(15) == 0
    stopped = waiting.status()
    assert stopped is not None
    assert "stopped without saving" in stopped.reason
    assert Board(realm).counts()["normal"] == 1
