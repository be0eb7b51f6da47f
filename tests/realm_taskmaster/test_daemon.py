"""The task master that goes on: kills at every point, two at once, a GPU that gets free; nothing twice, nothing lost."""

from __future__ import annotations

import signal

import yaml

from fake_gpus import FakeGpu, FakeMachine
from helpers import free_port, wait_for
from realm_cli import task_records
from realm_cli.hosts import hosts_file
from realm_cli.process import mark_of
from realm_taskmaster_desk import Desk, Master

KILLER = """
import realm_runners.hooks

@hookimpl
def realm_runners():
    return [Part("local", "killer_at_work:open_local")]
"""
AT_WORK = """
import os, signal
from realm_runners.hooks import realm_runners

class Killer:
    '''The real runner; who wants to submit a job is killed while the file `kill` is there.'''
    def __init__(self, realm, real):
        self._realm, self._real = realm, real
    def __getattr__(self, name):
        return getattr(self._real, name)
    def submit(self, job):
        if (self._realm.root / "kill").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return self._real.submit(job)

def open_local(realm, manager, target):
    (real,) = [part.load() for part in realm_runners() if part.name == "local"]
    return Killer(realm, real(realm, manager, target))
"""


def ended(desk: Desk, *names: str) -> None:
    """Wait until these runs, and no others, have ended, oldest first."""

    def reached() -> bool:
        assert desk.masters[-1].process.poll() is None, desk.masters[-1].log.read_text()
        return len(task_records.history(desk.realm, 9)) >= len(names) and not task_records.running(desk.realm)

    wait_for(reached, f"{names} to end")
    assert [run.name for run in reversed(task_records.history(desk.realm, 9))] == list(names)
    assert task_records.running(desk.realm) == []


def test_one_killed_between_claim_and_start_finds_its_job_again(desk: Desk) -> None:
    desk.site.install("killer", KILLER, killer_at_work=AT_WORK)
    text = desk.realm.config_file.read_text().replace("disabled: []", "disabled: [runners]")
    desk.realm.config_file.write_text(text)
    desk.enable("work")
    (desk.realm.root / "kill").touch()
    for _ in range(2):
        assert desk.master().process.wait() == -signal.SIGKILL
        (claimed,) = task_records.running(desk.realm)
        assert (claimed.task, desk.pids("work")) == ("work", [])
    (desk.realm.root / "kill").unlink()
    desk.master()
    ended(desk, "work")

    assert task_records.history(desk.realm, 1)[0].id == claimed.id
    assert len(desk.pids("work")) == 1


def test_one_killed_in_the_middle_of_a_run_finds_it_again(desk: Desk) -> None:
    desk.enable("waits")
    first = desk.master()
    (pid,) = wait_for(lambda: desk.pids("waits"), "the task to work")
    first.kill()
    (run,) = task_records.running(desk.realm)
    assert mark_of(pid).started  # the run goes on without a task master

    second = desk.master()
    wait_for(lambda: task_records.master(desk.realm), "a look")
    assert desk.reasons()["waits"] == f"it runs: {run.id}"
    desk.let_go()
    ended(desk, "waits")
    assert second.kill(signal.SIGTERM) == 0
    assert (desk.pids("waits"), task_records.history(desk.realm, 1)[0].said) == ([pid], "waited")


def test_a_run_that_ended_while_no_task_master_was_there_is_filed_by_the_next(desk: Desk) -> None:
    desk.enable("waits")
    first = desk.master()
    (pid,) = wait_for(lambda: desk.pids("waits"), "the task to work")
    assert first.kill(signal.SIGTERM) == 0
    assert mark_of(pid).started
    desk.let_go()
    wait_for(lambda: not mark_of(pid).started, "the task to end")
    desk.master()
    ended(desk, "waits")


def test_there_is_one_task_master_in_a_realm(desk: Desk) -> None:
    desk.enable()
    first = desk.master()
    assert first.url
    second = desk.master()

    assert second.process.wait() == 5
    assert "held by another task master of this realm" in second.log.read_text()
    assert desk.run("task", "once").code == 5
    assert desk.run("task", "run", "work").out == "work: worked\n"  # a person's run needs none


def test_a_task_for_the_gpu_runs_once_it_falls_under_forty_percent(desk: Desk, gpus: FakeMachine) -> None:
    desk.env = gpus.environment()
    desk.enable("thinks", "work", window_s=0.5)
    gpus.set(FakeGpu(busy=95))
    desk.master()
    ended(desk, "work")  # the processor's task has not waited
    busy = "GPU 0 is busy: 95 % over 0.5 s, idle is under 40 %"
    wait_for(lambda: desk.reasons()["thinks"] == busy, "the reason")
    gpus.set(FakeGpu(busy=5))
    ended(desk, "work", "thinks")

    run = task_records.last(desk.realm, "thinks")
    assert run is not None
    assert (run.said, run.card) == ("on GPU-0", "GPU-0")


def test_without_a_gpu_that_is_the_reason_and_the_processor_s_tasks_run(desk: Desk, gpus: FakeMachine) -> None:
    desk.env = gpus.environment()
    desk.enable("thinks", "work")
    desk.master()
    ended(desk, "work")
    wait_for(lambda: desk.reasons()["thinks"] == "no GPU", "the reason")
    assert "GPUs         no GPU" in desk.run("task", "status").out


def test_what_people_change_in_the_configuration_counts_from_the_next_look(desk: Desk) -> None:
    desk.enable()
    master = desk.master("--interval", "0.2")
    assert master.url
    desk.enable("work", idle_percent=41)
    ended(desk, "work")
    (desk.realm.configs / "tasks.yaml").write_text("window: 3\n")
    wait_for(lambda: "unknown key 'window'" in master.log.read_text(), "it to be said")


def test_a_trouble_that_stays_is_said_once(desk: Desk) -> None:
    desk.enable()
    (desk.realm.configs / "tasks.yaml").write_text("tasks: {wrk: {enabled: true}}\n")
    master = desk.master("--interval", "0.1", "-q")
    looks = set()

    def looked() -> bool:
        found = task_records.master(desk.realm)
        looks.add(found and found.looked_at)
        return len(looks) > 5

    wait_for(looked, "several looks")
    assert master.log.read_text().count("there is no task 'wrk'") == 1


def test_a_host_that_moved_is_asked_at_its_new_address(desk: Desk) -> None:
    desk.enable()
    master: Master | None = None
    for port in (free_port(), free_port()):
        answers = {"inference": {"port": 8765}}
        far = {"host": "127.0.0.1", "ssh_port": port, "role": "inference", "services": answers}
        here = {"host": "trainer.example", "role": "trainer"}
        text = yaml.safe_dump({"hosts": {"far": far, "here": here}, "local_host": "here"})
        hosts_file(desk.realm).write_text(text)
        master = master or desk.master("--interval", "0.2")

        def told(port: int = port) -> bool:
            found = task_records.master(desk.realm)
            return found is not None and f"port {port}" in found.no_gpu

        wait_for(told, f"the host to be asked at port {port}")
