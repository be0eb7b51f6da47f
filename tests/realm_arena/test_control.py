"""Each flag in each state, by command and by touch, with its acknowledgement."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import BattleProcess, Run, rows, set_recipe, wait_for, write_rows
from realm_cli import checkpoints, control, intake, status
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm

Start = Callable[..., BattleProcess]


def add(realm: Realm, path: Path, count: int, start: int = 0) -> str:
    """Queue a quest; its id."""
    write_rows(path, rows(count, start))
    (record,) = intake.add_files(realm, Manager.of(realm), [path])
    return record.id


def add_long(realm: Realm, path: Path, start: int = 0) -> str:
    """Queue a quest that a battle is busy with for 3,750 steps: few rows, many times."""
    set_recipe(realm, epochs=150)
    return add(realm, path, 400, start)


def test_pause_save_resume_skip_stop_while_training(realm: Realm, run: Run, battle: Start, tmp_path: Path) -> None:
    long, rest = add_long(realm, tmp_path / "long.jsonl"), add_long(realm, tmp_path / "rest.jsonl", 500)
    fighting = battle()
    fighting.until("training", step=3)

    paused = run("battle", "pause", "--reason", "dinner", "--json")
    assert paused.code == 0, paused.err
    seen = fighting.until("paused")
    assert seen.reason == "dinner"
    assert paused.json["step"] == seen.step
    assert checkpoints.extract_step(seen.last_checkpoint) == seen.step

    assert "saved" in run("battle", "save").out  # in the pause: the step is on disk already
    assert run("battle", "pause", "--release").code == 0  # paused once more
    assert run("battle", "resume").code == 0
    later = fighting.until("training", step=seen.step + 3)

    saved = run("battle", "save", "--json")
    assert saved.code == 0
    assert saved.json["step"] > later.step - 1
    assert (realm.hero_folder() / saved.json["note"] / checkpoints.MANIFEST).is_file()

    assert run("battle", "skip", "--reason", "boring").code == 0
    record = Board(realm).record(long)
    assert (record.outcome, record.reason) == ("skipped", "boring")
    assert Board(realm).find(long).state == "failed"  # type: ignore[union-attr]

    fighting.until("training", step=saved.json["step"] + 1)
    stopped = run("battle", "stop")
    assert stopped.code == 0, stopped.err
    assert fighting.wait() == 0
    assert Board(realm).find(rest).state == "normal"  # type: ignore[union-attr]
    good, _ = checkpoints.complete(realm, "dio-mini")
    assert [cursor.quest for cursor in good[0].state().cursors] == [rest]
    assert not any(control.is_up(realm, name) for name in ("pause", "stop", "skip", "save"))


def test_flags_while_idle(realm: Realm, run: Run, battle: Start) -> None:
    waiting = battle()
    waiting.until("idle")
    assert run("battle", "save").code == 0
    skipped = run("battle", "skip")
    assert skipped.code == 4
    assert "no quest is in battle" in skipped.err
    assert run("battle", "pause").code == 0
    waiting.until("paused")
    assert run("battle", "skip").code == 4
    assert run("battle", "stop").code == 0  # out of the pause
    assert waiting.wait() == 0
    # The pause was not lifted, so it holds for the next battle.
    assert control.is_up(realm, "pause")


def test_a_pause_set_while_nothing_runs_holds_for_the_next_battle(
    realm: Realm, run: Run, battle: Start, tmp_path: Path
) -> None:
    quest = add(realm, tmp_path / "a.jsonl", 50)
    answer = run("battle", "pause")
    assert answer.code == 0
    assert "no battle runs" in answer.out
    fighting = battle("--until-empty")
    assert fighting.until("paused").step == 0
    assert run("battle", "resume").code == 0
    assert fighting.wait() == 0
    assert Board(realm).record(quest).outcome == "completed"


@pytest.mark.parametrize("verb", ["stop", "skip", "save"])
def test_flags_without_a_battle_say_so(run: Run, realm: Realm, verb: str) -> None:
    answer = run("battle", verb)
    assert answer.code == 4
    assert "no battle runs" in answer.err
    assert not control.is_up(realm, verb)
    assert run("battle", "resume").code == 4


def test_touched_flags_count_and_stale_ones_are_dropped(realm: Realm, battle: Start, tmp_path: Path) -> None:
    add_long(realm, tmp_path / "a.jsonl")
    control.path_of(realm, "stop").touch()  # meant for a battle that is gone
    fighting = battle()
    fighting.until("training", step=2)
    control.path_of(realm, "pause").touch()
    paused = fighting.until("paused")
    assert paused.acknowledged["pause"].step == paused.step
    control.path_of(realm, "pause").unlink()
    fighting.until("training", step=paused.step + 1)
    control.path_of(realm, "save").write_text("please \x00\xff save", encoding="latin-1")
    wait_for(lambda: not control.is_up(realm, "save"), "the save flag to be answered")
    control.path_of(realm, "stop").touch()
    assert fighting.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_puts_the_quest_back(realm: Realm, battle: Start, tmp_path: Path, number: int) -> None:
    quest = add_long(realm, tmp_path / "a.jsonl")
    fighting = battle()
    fighting.until("training", step=5)
    assert fighting.kill(number) == 0
    seen = status.read(realm)
    assert seen is not None
    assert seen.state == "stopped"
    assert checkpoints.extract_step(seen.last_checkpoint) == seen.step
    assert Board(realm).find(quest).state == "normal"  # type: ignore[union-attr]


def test_a_second_battle_is_refused(realm: Realm, run: Run, battle: Start) -> None:
    battle().until("idle")
    second = run("battle", "start", "--until-empty")
    assert second.code == 5
    assert "another battle" in second.err
    assert "Traceback" not in second.err


def test_status_tells_a_dead_battle_from_a_live_one(realm: Realm, run: Run, battle: Start, tmp_path: Path) -> None:
    add_long(realm, tmp_path / "a.jsonl")
    fighting = battle()
    fighting.until("training", step=2)
    assert run("status", "--json").json["battle"]["state"] == "training"
    fighting.kill()
    dead = run("status", "--json").json["battle"]
    assert dead["state"] == "dead"
    assert "goes on exactly" in dead["reason"]
    assert run("battle", "stop").code == 4
