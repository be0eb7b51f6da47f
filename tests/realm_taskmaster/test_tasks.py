"""The eleven tasks with their figures, and the inspection of the queue."""

from __future__ import annotations

import json

from helpers import Run, rows, write_rows
from realm_cli import store
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import InspectionRecord

FIGURES = {
    "process_eval_queue": (10, "inference", 120, 60, True),
    "sparring_binary": (9, "inference", 600, 1800, True),
    "sparring_sy": (9, "inference", 900, 1800, False),
    "sparring_binary_large": (8, "inference", 2400, 7200, True),
    "generate_binary": (6, "none", 60, 300, True),
    "health_check": (4, "none", 15, 1800, True),
    "validate_queue": (4, "none", 60, 1800, True),
    "checkpoint_cleanup": (3, "none", 30, 3600, True),
    "vault_scan": (3, "none", 30, 3600, True),
    "model_warmup": (2, "inference", 30, 7200, True),
    "lineage_report": (2, "none", 15, 3600, True),
}


def test_the_eleven_tasks_have_their_figures() -> None:
    manager = Manager.load()
    tasks = {name: manager.load_part("realm_tasks", name, "task") for name in manager.parts("realm_tasks")}
    found = {
        name: (task.priority, task.gpu, task.estimate_s, task.cooldown_s, task.enabled) for name, task in tasks.items()
    }
    assert found == FIGURES
    assert {name: task.id for name, task in tasks.items()} == {name: name for name in FIGURES}
    assert all(task.timeout_s == 3 * task.estimate_s for task in tasks.values())


def test_the_list_has_the_stable_keys_in_the_order_of_priority(run: Run) -> None:
    listed = run("task", "list", "--json").json
    assert [task["id"] for task in listed] == sorted(FIGURES, key=lambda name: (-FIGURES[name][0], name))
    assert {tuple(task) for task in listed} == {("id", "priority", "gpu", "enabled", "next", "reason")}
    assert all(task["reason"] for task in listed)
    shown = run("task", "list").out
    assert all(f"{name}: " in shown for name in FIGURES)


def test_a_queued_quest_that_has_become_bad_is_filed_with_its_report(realm: Realm, run: Run) -> None:
    good = run("quest", "add", write_rows(realm.root / "good.jsonl", rows(5)), "-q").out.strip()
    bad = run("quest", "add", write_rows(realm.root / "bad.jsonl", rows(5, start=9)), "-q").out.strip()
    file = Board(realm).find(bad)
    assert file is not None
    with file.path.open("a") as lines:
        lines.write(json.dumps({"messages": []}) + "\n")

    said = run("task", "run", "validate_queue").out

    assert said == f"validate_queue: 2 queued quests were inspected again; failed: {bad}\n"
    record, moved = Board(realm).record(bad), Board(realm).find(bad)
    assert moved is not None
    assert (record.outcome, moved.state) == ("failed", "failed")
    assert "no longer what was accepted" in record.reason
    report = store.read_record(realm.reports / f"{bad}.json", InspectionRecord)
    assert [finding.check for finding in report.findings] == ["changed"]
    kept = Board(realm).find(good)
    assert kept is not None
    assert kept.state == "normal"
    assert run("task", "run", "validate_queue").out.endswith("1 queued quests were inspected again; all are good\n")


def test_a_wrong_configuration_is_told_with_its_line(realm: Realm, run: Run) -> None:
    (realm.configs / "tasks.yaml").write_text("tasks:\n  vault_scan: {enable: true}\n")
    for verb in ("list", "once", "available"):
        refused = run("task", verb)
        assert refused.code == 1
        assert "tasks.yaml:2: unknown key 'tasks.vault_scan.enable'" in refused.err
    (realm.configs / "tasks.yaml").write_text("idle_percent: 50\nbusy_percent: 40\n")
    assert "tasks.yaml:2: busy_percent is below idle_percent" in run("task", "list").err
    assert run("config", "check").code == 1
    (realm.configs / "tasks.yaml").write_text("tasks:\n  vault_scam: {enabled: false}\n")
    assert "there is no task 'vault_scam'; did you mean 'vault_scan'?" in run("task", "list").err
