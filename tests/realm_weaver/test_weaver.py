"""Services as the weaver keeps them: real processes that are killed, hang, crash, flood."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from helpers import Run, SmallDisk, TavernProcess, environment, realm_line, wait_for
from realm_cli import belonging, services, store
from realm_cli.process import mark_of
from realm_cli.records import ProcessMark, ServiceRecord, now
from realm_cli.service_records import ServiceState
from realm_weaver import requests
from realm_weaver_services import QUICK, Woven

HASTY: dict[str, Any] = {"liveness": {"period_seconds": 0.1, "timeout_seconds": 0.5, "failure_threshold": 2}}


def test_a_killed_service_is_back_at_once_with_its_history(woven: Woven) -> None:
    woven.serve("web")
    woven.up("web")
    mark = woven.state("web").process
    assert mark is not None
    announced = services.path_of(woven.realm, "web")
    announced.parent.mkdir(exist_ok=True)
    belonging.write(woven.realm, announced, ServiceRecord(name="web", process=mark, started_at=now()))
    first = woven.kill("web")
    seen = woven.until("web", "ready", restarts=1)
    assert not announced.exists()
    assert seen.process is not None
    assert seen.process.pid != first
    (ending,) = seen.history
    assert (ending.cause, ending.signal, ending.why, ending.was_ready) == ("signal", 9, "signal 9 (SIGKILL)", True)
    wait_for(lambda: woven.events("service_recovered"), "the event")
    told = [(event["name"], event["facts"]) for event in woven.events("service_crashed", "service_recovered")]
    assert told == [
        ("service_crashed", {"service": "web", "reason": "signal 9 (SIGKILL)"}),
        ("service_recovered", {"service": "web"}),
    ]


def test_a_hung_service_is_killed_and_started_again(woven: Woven) -> None:
    woven.serve("web", **HASTY)
    woven.up("web")
    woven.kill("web", signal.SIGSTOP)
    seen = woven.until("web", "ready", restarts=1)
    assert seen.history[0].cause == "probe"
    assert seen.history[0].why.startswith("it hangs: http://127.0.0.1:")


def test_a_process_that_lives_without_progress_hangs(woven: Woven) -> None:
    woven.serve("worker", "beats", url=False, heartbeat=str(woven.folder / "beat"), **HASTY)
    woven.up("worker")
    pid = woven.pid("worker")
    (woven.folder / "enough").touch()
    seen = wait_for(lambda: woven.state("worker").history, "the end of the hung worker")
    assert (seen[0].cause, seen[0].why) == ("probe", f"it hangs: {woven.folder / 'beat'} did not change")
    assert not psutil.pid_exists(pid) or woven.state("worker").process != mark_of(pid)


def test_a_program_without_probes_lives_while_its_process_moves(woven: Woven) -> None:
    woven.serve("plain", "sleep", url=False, **HASTY)
    woven.up("plain")
    woven.kill("plain", signal.SIGSTOP)
    assert woven.until("plain", "ready", restarts=1).history[0].why == "it hangs: its process stands still"


def test_what_crashes_at_its_start_for_ever_backs_off_and_says_so(woven: Woven) -> None:
    restart = {"delay_seconds": 0.1, "max_delay_seconds": 600, "healthy_seconds": 60}
    woven.serve("model", "crash", restart={**restart, "delay_seconds": 0.05})
    failed = woven.up("model", code=1)
    assert "warning: model is backing off: exit code 1: there is no such model; next try in " in failed.err
    wait_for(lambda: woven.state("model").failures >= 5, "five failures")
    seen = woven.state("model")
    assert all((end.cause, end.code, end.last_words) == ("exit", 1, "there is no such model") for end in seen.history)
    assert len(woven.events("service_crashed")) == len(woven.events("service_flapping")) == 1
    reason = "model: exit code 1: there is no such model"
    wait_for(lambda: reason in woven.run("weaver", "status").out, "a look between two starts")

    (woven.folder / "mended").touch()
    woven.serve("model", "crash", restart=restart)
    again = woven.up("model")  # a person asks: tried at once
    assert again.out.startswith("model is ready: http://127.0.0.1:")
    assert len(woven.state("model").history) >= 5


def test_a_program_that_cannot_be_started_is_told(woven: Woven) -> None:
    woven.configure("gone", {**QUICK, "command": ["/nonexistent/program"]})
    failed = woven.up("gone", code=1)
    assert "gone is backing off: cannot start /nonexistent/program: No such file or directory" in failed.err


def test_the_answer_of_another_program_is_not_taken_for_ready(woven: Woven) -> None:
    woven.serve("web")
    woven.up("web")
    url = woven.state("web").url
    brief = {"period_seconds": 0.05, "failure_threshold": 3}
    woven.serve("other", "sleep", readiness=brief)
    woven._services["other"]["url"] = url
    woven.configure("other", woven._services["other"])
    failed = woven.up("other", code=1)
    assert re.search(rf"it is not ready after \d+ s: {url} is answered by another program", failed.err)


def test_services_start_after_those_that_they_need_and_end_before_them(woven: Woven) -> None:
    woven.serve("store", "slow")
    woven.serve("shop", needs=["store"])
    woven.up("shop", "--daemon")
    woven.until("store", "starting")
    assert woven.until("shop", "waiting", reason="waits for store").process is None
    (woven.folder / "now").touch()
    shop = woven.until("shop", "ready")
    assert woven.state("store").since <= shop.since

    assert woven.down("store").out.splitlines() == ["shop is stopped", "store is stopped"]
    ends = {name: woven.state(name).history[-1].at for name in ("shop", "store")}
    assert ends["shop"] <= ends["store"]


def test_a_commanded_stop_is_no_crash_and_who_does_not_listen_is_killed(woven: Woven) -> None:
    woven.serve("web")
    woven.serve("deaf", "deaf", stop_seconds=0.2)
    woven.up()
    done = woven.down()
    assert sorted(done.out.splitlines()) == ["deaf is stopped", "web is stopped"]
    assert services.weaver(woven.realm) is None
    assert woven.state("web").history[-1].cause == "commanded"
    assert woven.state("deaf").history[-1].why == "it was asked to end, and killed as it had not after 0.2 s"
    assert woven.events("service_crashed", "service_flapping", "service_recovered") == []
    assert woven.processes() == []
    assert woven.run("weaver", "mend").out == ""  # nothing should run


def test_a_killed_weaver_leaves_services_that_the_next_one_takes_over(woven: Woven) -> None:
    woven.serve("web")
    woven.up("web")
    pid = woven.pid("web")
    woven.kill_weaver()
    assert woven.state("web").reason == "it runs, but no weaver watches over it"
    mended = woven.run("weaver", "mend")
    assert mended.code == 0
    assert woven.until("web", "ready").restarts == 0
    assert woven.pid("web") == pid

    woven.kill("web")  # no child of this weaver: its end is seen nevertheless
    seen = woven.until("web", "ready", restarts=1)
    assert seen.history[-1].cause == "lost"
    woven.kill_weaver()
    assert woven.down().out == "web is stopped\n"
    assert woven.processes() == []


def test_a_copied_realm_never_signals_the_processes_of_the_original(woven: Woven, run: Run, tmp_path: Path) -> None:
    woven.serve("web")
    woven.up("web")
    weaver, service = services.weaver(woven.realm), woven.pid("web")
    assert weaver is not None
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", woven.realm.root, copy], check=True)
    shown = run("weaver", "status", realm=copy)
    assert "it ran in the realm that this one was copied from" in shown.out
    (copy / "configs/services.yaml").write_text("services: {}\n")
    assert run("weaver", "mend", realm=copy).code == 0
    assert run("weaver", "down", realm=copy).code == 0
    assert services.weaver(woven.realm) == weaver
    assert woven.pid("web") == service
    # Not even when nobody watches over the original's services.
    os.kill(weaver.process.pid, signal.SIGKILL)
    wait_for(lambda: services.weaver(woven.realm) is None, "the end of the weaver")
    subprocess.run(["cp", "-a", woven.realm.root / "status/weaver/.", copy / "status/weaver"], check=True)
    assert run("weaver", "mend", realm=copy).code == 0
    assert run("weaver", "down", realm=copy).code == 0
    assert psutil.Process(service).status() != psutil.STATUS_ZOMBIE
    woven.up("web")
    assert woven.pid("web") == service


def test_a_service_that_was_started_and_not_noted_is_found_again(woven: Woven) -> None:
    woven.serve("web", "detach")
    woven.up("web")
    pid = woven.pid("web")
    woven.kill_weaver()
    path = services.state_path(woven.realm, "web")
    store.write_record(path, ServiceState(name="web", state="stopped"))
    woven.up("web")
    assert woven.pid("web") == pid
    job = int((woven.folder / "job").read_text())
    woven.kill("web")
    woven.until("web", "ready", restarts=1)
    assert psutil.pid_exists(job)  # what it had detached is not part of it


def test_what_a_dead_service_leaves_behind_does_not_keep_its_port(woven: Woven) -> None:
    woven.serve("web", "fork")
    woven.up("web")
    worker = int((woven.folder / "worker").read_text())
    woven.kill("web")
    woven.until("web", "ready", restarts=1)
    assert int((woven.folder / "worker").read_text()) != worker
    wait_for(lambda: not psutil.pid_exists(worker), "the end of the first worker")


def test_a_pid_that_another_process_has_now_is_never_signalled(woven: Woven) -> None:
    woven.serve("web")
    other = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        mark = mark_of(other.pid)
        reused = ProcessMark(pid=other.pid, started=mark.started + "0", host=mark.host)
        path = services.state_path(woven.realm, "web")
        path.parent.mkdir(parents=True)
        store.write_record(path, ServiceState(name="web", state="ready", process=reused))
        woven.up("web")
        assert woven.pid("web") != other.pid
        assert woven.state("web").history[0].why == "it ended while no weaver ran"
        woven.down()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_service_of_somebody_else_is_shown_and_never_touched(woven: Woven) -> None:
    tavern = TavernProcess(woven.realm, "--port", "0")
    try:
        shown = woven.up("tavern")
        assert shown.out == (
            f"tavern is there already: {tavern.url}; pid {tavern.process.pid} was started by somebody else and is "
            "left alone\n"
        )
        assert [process.pid for process in woven.processes()] == []
        assert "tavern is left alone" in woven.down().out
        assert tavern.process.poll() is None

        woven.up("tavern")
        tavern.end(signal.SIGKILL)
        assert woven.until("tavern", "ready").url != tavern.url
        assert woven.state("tavern").history == []
    finally:
        tavern.end()


def test_there_is_one_weaver_in_a_realm(woven: Woven) -> None:
    woven.serve("web")
    woven.up("web")
    second = woven.run("weaver", "daemon")
    assert second.code == 5
    assert "is held by another weaver" in second.err
    assert woven.up("web").out.startswith("web is ready")


def test_the_weaver_outlives_its_terminal_and_ends_its_services_when_it_is_ended(woven: Woven) -> None:
    woven.serve("web")
    woven.up("web")
    pid = woven.weaver_pid()
    assert os.getsid(pid) == pid
    woven.kill_weaver(signal.SIGHUP)
    woven.kill("web")
    woven.until("web", "ready", restarts=1)
    woven.kill_weaver(signal.SIGTERM)
    wait_for(lambda: services.weaver(woven.realm) is None, "the end of the weaver")
    assert woven.processes() == []
    assert requests.read(woven.realm).services == ["web"]  # mend, or the next boot, brings it back
    mended = woven.run("weaver", "mend")
    assert mended.out.startswith("no weaver runs; one is started\nweb is ready")


def test_a_weaver_that_stands_still_is_replaced_by_mend(woven: Woven) -> None:
    woven.serve("web")
    woven.up("web")
    weaver, web = woven.weaver_pid(), woven.pid("web")
    woven.kill_weaver(signal.SIGSTOP)
    mended = woven.run("weaver", "mend")
    assert mended.code == 0
    assert f"the weaver (pid {weaver}) does not answer; it is ended and another one started" in mended.err
    assert woven.weaver_pid() != weaver
    assert woven.pid("web") == web


def test_a_policy_of_never_leaves_an_ended_service_ended(woven: Woven) -> None:
    woven.serve("once", restart={"policy": "never"})
    woven.up("once")
    woven.kill("once", signal.SIGTERM)
    seen = woven.until("once", "ended")
    assert seen.reason == "signal 15 (SIGTERM), and its restart policy is never"
    assert woven.run("weaver", "mend").code == 1
    assert woven.up("once").out.startswith("once is ready")


def test_a_mistake_in_the_settings_leaves_those_that_were(woven: Woven) -> None:
    woven.serve("web")
    woven.up("web")
    woven.serve("web", colour="red")
    refused = woven.run("weaver", "up", "web")
    assert refused.code == 1
    assert "unknown key 'services.web.colour'" in refused.err
    requests.wish(woven.realm, lambda names: names)
    found = wait_for(lambda: (record := services.weaver(woven.realm)) and record.problem, "the weaver to see it")
    assert "unknown key 'services.web.colour'" in found
    assert woven.state("web").state == "ready"
    assert woven.down().out == "web is stopped\n"


def test_a_service_that_left_the_settings_is_stopped(woven: Woven) -> None:
    woven.serve("web")
    woven.serve("other")
    woven.up()
    del woven._services["other"]
    woven.serve("web")
    requests.wish(woven.realm, lambda names: names)
    woven.until("other", "stopped")
    woven.kill_weaver()
    del woven._services["web"]
    woven.serve("new")
    assert woven.down().out == "web is stopped\n"
    assert woven.processes() == []


def test_a_full_disk_takes_notes_from_the_weaver_and_no_service_from_people(
    woven: Woven, small_disk: SmallDisk
) -> None:
    woven.serve("web")
    realm = small_disk.holding(woven.realm)
    inside = small_disk.inside / "realm"
    line = small_disk.entered(realm_line("weaver", "up", "web", realm=inside))
    assert subprocess.run(line, env=environment(), check=False, stdout=subprocess.DEVNULL).returncode == 0
    woven.realm = realm
    try:
        small_disk.fill()
        first = woven.kill("web")
        weaver = psutil.Process(woven.weaver_pid())
        wait_for(
            lambda: [child for child in weaver.children() if child.pid != first and child.status() != "zombie"],
            "the service to be back on a full disk",
        )
        small_disk.free()
        woven.until("web", "ready", restarts=1)
        assert woven.pid("web") != first
    finally:
        line = small_disk.entered(realm_line("weaver", "down", "-q", realm=inside))
        assert subprocess.run(line, env=environment(), check=False).returncode == 0


@pytest.mark.parametrize("cycles", [20, pytest.param(1000, marks=pytest.mark.drill)])
def test_many_kills_leave_no_zombie_no_file_and_no_more_memory(woven: Woven, cycles: int) -> None:
    woven.serve("web")
    woven.up("web")
    weaver = psutil.Process(woven.weaver_pid())
    facts: list[tuple[int, int]] = []
    files: set[Path] = set()
    for cycle in range(1, cycles + 1):
        woven.kill("web")
        woven.until("web", "ready", restarts=cycle)
        if cycle == 10:
            files = set(woven.realm.status.rglob("*"))
        if cycle >= 10:
            facts.append((weaver.num_fds(), weaver.memory_info().rss))
    assert [child.status() for child in weaver.children()] != []
    assert psutil.STATUS_ZOMBIE not in [child.status() for child in weaver.children()]
    assert len(woven.processes()) == 1
    new = {path for path in set(woven.realm.status.rglob("*")) - files if not path.name.endswith(".tmp")}
    assert new == set()
    assert facts[-1][0] - facts[0][0] <= 2  # a probe's connection may be open
    assert facts[-1][1] - facts[0][1] < 8_000_000
    assert len(woven.state("web").history) == min(cycles, 50)
