"""`realm battle check|log|status` and the Python face, around one real battle."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from helpers import BattleProcess, Run, environment, realm_line, rows, set_recipe, wait_for, write_rows
from realm_cli import status
from realm_cli.realm import Realm

Start = Callable[..., BattleProcess]


def test_a_battle_seen_from_outside(realm: Realm, run: Run, battle: Start, tmp_path: Path) -> None:
    write_rows(realm.data / "validation" / "held_out.jsonl", rows(10, 90_000))
    assert run("battle", "check").code == 4
    assert run("battle", "log").code == 4
    set_recipe(realm, epochs=150)
    add = run("quest", "add", "-q", write_rows(tmp_path / "a.jsonl", rows(400)))
    quest = add.out.strip()

    check = run("battle", "check")
    assert check.code == 0, check.err
    assert "say 0" in check.out or "say" in check.out
    assert "it is<|end|>⟧" in check.out
    for word in ("memory", "disk", "time", "trained"):
        assert word in check.out
    assert max(len(line) for line in check.out.splitlines() if not line.startswith("  line")) <= 100
    facts = run("battle", "check", quest, "--json").json
    assert facts["samples"] == 400
    assert facts["steps"] == 3_750
    assert facts["memory_total"] > 16 * facts["parameters"]
    assert facts["eta_s"] > 0
    assert facts["problems"] == []

    follower = subprocess.Popen(
        realm_line("battle", "log", "-f", realm=realm), stdout=subprocess.PIPE, text=True, env=environment()
    )
    fighting = battle()
    fighting.until("training", step=3)
    seen = run("battle", "status", "--json").json
    assert seen["state"] == "training"
    assert seen["quest"] == quest
    assert 0 < seen["samples_done"] < 60_000
    assert seen["heartbeat_age_s"] < 60
    assert seen["written"]["sample"]["golden"].endswith("it is<|end|>")
    assert "60,000 samples" in run("battle", "status").out
    assert run("battle", "check", "--json").json["seconds_per_step"] is None  # it would slow the battle down
    assert run("battle", "stop").code == 0
    assert follower.stdout is not None
    wait_for(lambda: "stop at step" in follower.stdout.readline(), "the follower to see the end")  # type: ignore[union-attr]
    follower.kill()
    follower.wait()
    follower.stdout.close()
    assert "stop at step" in run("battle", "log", "-n", "3").out
    ended = status.read(realm)
    assert ended is not None
    assert ended.val_loss is not None
    shown = run("ledger", "latest", "--json").json
    assert shown["val_loss"] == ended.val_loss
    assert shown["quests"][0]["id"] == quest


def test_the_python_face_trains_files_and_tells_the_result(realm: Realm, tmp_path: Path) -> None:
    program = f"""
from realm_cli.api import Realm, TrainerEngine, extract_step, get_ledger, get_skill, get_trainer, list_skills
realm = Realm({str(realm.root)!r})
result = TrainerEngine(realm).run_job([{str(write_rows(tmp_path / "a.jsonl", rows(40)))!r}])
assert result.success, result
latest = get_ledger(realm).get_latest()
assert latest == result.checkpoint == get_ledger(realm).get(3) == get_ledger(realm).get_best()
assert latest.samples_seen == 40 and latest.training_file == "a.jsonl" and latest.train_loss > 0
assert extract_step(latest.canonical_name) == 3
assert realm.watchtower.pool.gaze().battle_state == "stopped"
assert list_skills(realm) == ["bin", "sy"]
assert get_skill("bin", realm).max_level == 30
assert len(get_trainer("bin", realm).sample(level=2, count=5, seed=1)) == 5
"""
    done = subprocess.run(
        [realm_line()[0], "-c", program], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
