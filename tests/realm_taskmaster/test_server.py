"""The GPU Task Scheduler API: submit, queue, one job, cancel, GPU statistics, metrics, kinds of tasks."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.request import urlopen

import pytest
from flask import Flask

from fake_gpus import FakeGpu, FakeMachine
from helpers import PATIENCE, wait_for
from realm_cli.manager import Manager
from realm_cli.process import mark_of
from realm_cli.realm import Realm
from realm_cli.web import Door
from realm_cli.websafety import read_token
from realm_taskmaster.daemon import Daemon
from realm_taskmaster.server import make_server
from realm_taskmaster_desk import Desk
from realm_vault_described import statuses_of_random_requests


@pytest.fixture
def app(realm: Realm) -> Iterator[Flask]:
    """The API alone: nothing is started."""
    manager = Manager.of(realm)
    daemon = Daemon(realm, manager, 60)
    yield make_server(realm, manager, daemon, Door())
    daemon.master.close()


def test_every_answer_is_as_it_is_described(app: Flask) -> None:
    seen = statuses_of_random_requests(app)
    assert {200, 400, 404} <= set(seen)
    assert max(seen) < 500


def test_a_task_is_queued_run_and_told(desk: Desk) -> None:
    desk.enable()
    master = desk.master()
    code, job = master.call("/api/jobs", {"task": "work"})
    assert (code, job["state"], job["task"], job["priority"], job["by"][-8:]) == (
        200,
        "waiting",
        "work",
        50,
        " by HTTP",
    )
    done = wait_for(
        lambda: master.call(f"/api/jobs/{job['id']}")[1].get("ended_at") and master.call("/api/jobs")[1], "its end"
    )

    assert [(one["id"], one["state"], one["said"]) for one in done["ended"]] == [(job["id"], "done", "worked")]
    assert (done["running"], done["queue"]) == ([], [])
    assert master.call("/api/metrics")[1] == {
        "waiting": 0, "running": 0, "done": 1, "failed": 0, "cancelled": 0, "lost": 0, "gpus": 0, "idle_gpus": 0,
    }  # fmt: skip
    assert len(desk.pids("work")) == 1


def test_jobs_wait_their_turn_and_are_cancelled(desk: Desk) -> None:
    desk.enable()
    master = desk.master()
    _, first = master.call("/api/jobs", {"task": "waits"})
    (pid,) = wait_for(lambda: desk.pids("waits"), "the first to work")
    _, second = master.call("/api/jobs", {"task": "work"})
    _, third = master.call("/api/jobs", {"task": "fails", "priority": 100})

    jobs = master.call("/api/jobs")[1]
    assert [job["id"] for job in jobs["running"]] == [first["id"]]
    assert [job["id"] for job in jobs["queue"]] == [third["id"], second["id"]]
    assert master.call("/api/jobs", {"task": "work"})[0] == 409  # it waits already
    code, gone = master.call(f"/api/jobs/{second['id']}/cancel", {})
    assert (code, gone["state"]) == (200, "cancelled")
    assert master.call(f"/api/jobs/{second['id']}/cancel", {})[0] == 409
    assert master.call(f"/api/jobs/{first['id']}/cancel", {})[0] == 200
    wait_for(lambda: not mark_of(pid).started, "its process to be gone")
    wait_for(lambda: len(master.call("/api/jobs")[1]["ended"]) == 3, "all to end")
    states = {job["task"]: job["state"] for job in master.call("/api/jobs")[1]["ended"]}
    assert states == {"work": "cancelled", "waits": "cancelled", "fails": "failed"}
    assert desk.pids("work") == []


def test_a_command_is_a_job_for_who_knows_the_token(desk: Desk) -> None:
    desk.enable()
    master = desk.master()
    command = {"command": ["sh", "-c", "echo made it"], "seconds": 60}
    code, refused = master.call("/api/jobs", command)
    assert (code, refused["error"]) == (409, "a command is taken only with the token")
    code, job = master.call("/api/jobs", command, token=read_token(desk.realm))
    assert code == 200
    done = wait_for(lambda: (one := master.call(f"/api/jobs/{job['id']}")[1])["ended_at"] and one, "its end")

    assert (done["state"], done["said"], done["title"]) == ("done", "made it", "sh -c echo made it")
    for wrong in ({}, {"task": "work", "command": ["true"]}, {"task": "work", "seconds": 1}, {"tusk": "work"}):
        assert master.call("/api/jobs", wrong, token=read_token(desk.realm))[0] == 400
    assert master.call("/api/jobs", {"task": "wok"})[0] == 404


def test_gpus_metrics_and_kinds_of_tasks_are_told(desk: Desk, gpus: FakeMachine) -> None:
    desk.env = gpus.environment()
    desk.enable("thinks", window_s=0.5, idle_percent=10)
    gpus.set(FakeGpu(busy=30, heat=61))
    master = desk.master()
    found = wait_for(
        lambda: (one := master.call("/api/gpus")[1])["gpus"] and one["gpus"][0]["average"] is not None and one,
        "an average",
    )
    assert (found["host"], found["reason"], found["idle_percent"], found["window_s"]) == ("", "", 10, 0.5)
    (gpu,) = found["gpus"]
    assert (gpu["state"], gpu["average"], gpu["card"]["name"]) == ("in use", 30, "NVIDIA GeForce RTX 3090")
    kinds = {one["id"]: one for one in master.call("/api/tasks")[1]["tasks"]}
    assert kinds["thinks"]["reason"] == "GPU 0 is in use: 30 % over 0.5 s, idle is under 10 %"
    assert (kinds["thinks"]["timeout_s"], kinds["work"]["enabled"]) == (300, False)
    with urlopen(f"{master.url}/metrics", timeout=PATIENCE) as answer:
        metrics = answer.read().decode()
    assert "realm_taskmaster_gpu0_utilisation_percent 30" in metrics
    assert "realm_taskmaster_jobs_waiting 0" in metrics
    assert master.call("/health")[1] == {"status": "ok", "service": "taskmaster"}
