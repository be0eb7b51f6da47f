"""Runs of real tasks: once, forced, failing, hanging, flooding; what stands on disk afterwards."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import msgspec

from helpers import wait_for
from realm_cli import store, task_records, watchtower
from realm_cli.process import mark_of
from realm_cli.task_records import last_file
from realm_taskmaster_desk import Desk


def test_once_runs_the_task_whose_turn_it_is_and_then_the_next(desk: Desk) -> None:
    desk.let_go()
    desk.enable("work", "waits")

    assert desk.run("task", "once", "--dry-run").out == "would run work\n"
    assert desk.pids("work") == []
    assert desk.run("task", "once").out == "work: worked\n"
    assert desk.run("task", "once").out == "waits: waited\n"
    over = desk.run("task", "once")
    assert (over.code, over.out, over.err) == (0, "", "nothing may run now; why: realm task list\n")
    assert desk.run("task", "once", "-q").err == ""

    assert len(desk.pids("work")) == len(desk.pids("waits")) == 1
    assert [(run.task, run.state, run.said) for run in task_records.history(desk.realm, 9)] == [
        ("waits", "done", "waited"), ("work", "done", "worked"),
    ]  # fmt: skip
    assert task_records.running(desk.realm) == []
    assert desk.reasons()["work"].startswith("cooldown: it ended ")
    told = [(event.name, event.facts["task"]) for event in watchtower.recent_events(desk.realm, 2)]
    assert told == [("task_done", "work"), ("task_done", "waits")]


def test_a_forced_run_knows_no_cooldown_and_no_enabling(desk: Desk) -> None:
    assert desk.run("task", "run", "work").out == "work: worked\n"
    again = desk.run("task", "run", "work", "--json").json
    assert (again["state"], again["said"], again["forced"], again["code"]) == ("done", "worked", True, 0)
    assert len(desk.pids("work")) == 2
    assert desk.run("task", "run", "wok").code == 4


def test_what_a_failed_run_said_is_its_reason(desk: Desk) -> None:
    failed = desk.run("task", "run", "fails")
    run = task_records.last(desk.realm, "fails")

    assert failed.code == 1
    assert "ValueError: this does not work" in failed.err
    assert run is not None
    assert (run.state, run.code) == ("failed", 1)
    assert "Traceback" in desk.run("task", "log", run.id).out
    (event,) = watchtower.recent_events(desk.realm, 1)
    assert (event.name, event.facts["state"]) == ("task_failed", "failed")


def test_a_run_that_hangs_is_ended_with_all_that_it_forked(desk: Desk) -> None:
    ended = desk.run("task", "run", "hangs")  # it ignores SIGTERM, and so do its children
    pids = [int(pid) for pid in (desk.realm.root / "children.txt").read_text().split()]

    assert ended.code == 1
    wait_for(lambda: [mark_of(pid).started for pid in pids] == ["", "", ""], "its processes to be gone")
    run = task_records.last(desk.realm, "hangs")
    assert run is not None
    assert run.state in ("failed", "cancelled")
    assert run.reason


def test_a_flood_is_cut_and_its_end_is_read(desk: Desk) -> None:
    assert desk.run("task", "run", "floods").out == "floods: flooded\n"
    run = task_records.last(desk.realm, "floods")
    assert run is not None
    assert len(desk.run("task", "log", run.id).out) < 3_500_000


def test_a_task_runs_once_at_a_time_and_can_be_cancelled(desk: Desk) -> None:
    started = desk.run("task", "run", "waits", "--no-wait")
    run = started.out.strip()
    wait_for(lambda: desk.pids("waits"), "the task to work")
    second = desk.run("task", "run", "waits")

    assert (second.code, second.err.splitlines()[0]) == (5, f"error: waits runs already: {run}")
    assert desk.reasons()["waits"] in (f"it runs: {run}", "disabled: tasks.waits.enabled in configs/tasks.yaml")
    assert desk.run("task", "cancel", run).code == 0
    (pid,) = desk.pids("waits")
    wait_for(lambda: not mark_of(pid).started, "its process to be gone")
    desk.run("task", "once")
    assert task_records.find(desk.realm, run).state == "cancelled"
    assert desk.run("task", "cancel", run).code == 3
    assert desk.run("task", "cancel", "nothing").code == 4


def test_a_clock_that_jumped_back_keeps_no_task_from_running(desk: Desk) -> None:
    desk.enable("work")
    desk.run("task", "once")
    run = task_records.last(desk.realm, "work")
    assert run is not None
    future = (datetime.now(timezone.utc) + timedelta(days=90)).isoformat(timespec="milliseconds")
    store.write_record(last_file(desk.realm, "work"), msgspec.structs.replace(run, ended_at=future))

    assert desk.run("task", "once").out == "work: worked\n"


def test_what_a_task_of_the_realm_runs_is_a_verb_of_the_realm(desk: Desk) -> None:
    assert desk.run("task", "exec", "work").out == "task: worked\n"
    assert "exec" not in desk.run("task", "--help").out
