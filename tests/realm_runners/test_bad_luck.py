"""What the local runner and ssh do when something dies, vanishes, is reused or is full."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import environment, wait_for
from realm_cli.errors import AwayError, NotFoundError, RealmError, RefusedError
from realm_cli.jobs import Job, open_runner
from realm_cli.manager import Manager
from realm_cli.process import mark_of
from realm_cli.realm import Realm
from realm_runners.supervisor import desk
from realm_runners_places import Place, know_box, make_realm, reach
from realm_vault_boxes import Box


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Place:
    realm = make_realm(tmp_path_factory.mktemp("here"))
    return Place(realm, "local", realm.root)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    box = Box(tmp_path_factory.mktemp("box"))
    with pytest.MonkeyPatch.context() as patch:
        reach(patch, box.environment())
        yield box
    box.close()


@pytest.fixture(scope="module")
def far(box: Box, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("far")  # not below the box: pulling its plug is then the network's end alone
    realm = make_realm(folder)
    know_box(realm, box, folder / "base dir")
    return Place(realm, "ssh:box", folder / "base dir")


def state_of(place: Place, job: str) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((place.jobs / job / "state.json").read_text())
    return state


# -- here ----------------------------------------------------------------------------------------------------------


def test_looking_at_a_job_in_a_copied_realm_leaves_the_original_s_job_alone(here: Place, tmp_path: Path) -> None:
    job = here.start("sleep", "600")
    subprocess.run(["cp", "-a", here.realm.root, tmp_path / "copy"], check=True)
    runner = open_runner(Realm(tmp_path / "copy"), Manager.of(here.realm), "local")
    seen = runner.poll(job)
    assert (seen.state, seen.reason) == ("lost", "it runs in the folder that this one was copied from")
    assert runner.cancel(job).state == "lost"
    assert here.runner.poll(job).state == "running"
    assert here.runner.cancel(job).state == "cancelled"


def test_a_copied_realm_does_not_cancel_the_original_s_job_on_another_machine(far: Place, tmp_path: Path) -> None:
    job = far.start("sleep", "600")
    subprocess.run(["cp", "-a", far.realm.root, tmp_path / "copy"], check=True)
    runner = open_runner(Realm(tmp_path / "copy"), Manager.of(far.realm), "ssh:box")
    with pytest.raises(RefusedError, match="was started by the realm that this one was copied from"):
        runner.cancel(job)
    assert far.runner.poll(job).state == "running"
    assert far.runner.cancel(job).state == "cancelled"
    assert runner.cancel(job).state == "cancelled"


def test_a_claim_whose_submitter_was_killed_before_the_start_is_started_at_the_next_look(here: Place) -> None:
    done, job = here.start("echo", "hello"), here.id()
    here.end(done)
    order = (here.jobs / done / "order.json").read_text().replace(done, job)
    (here.jobs / job).mkdir()
    (here.jobs / job / "order.json").write_text(order)

    assert here.end(job).state == "done"
    assert here.said(job) == "hello\n"


def test_a_submitter_that_is_killed_at_any_moment_leaves_one_job(here: Place, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom realm_cli.jobs import *\nfrom realm_cli.manager import Manager\nfrom realm_cli.realm import Realm\n"
        "realm = Realm(sys.argv[1])\nrunner = open_runner(realm, Manager.of(realm))\nprint('ready', flush=True)\n"
        "sys.stdin.readline()\nrunner.submit(Job(id=sys.argv[2], command=('sh', '-c', 'echo once >> \"$0\"', sys.argv[3])))"
    )
    for delay in (0.0, 0.01, 0.03, 0.06):
        job, proof = here.id(), tmp_path / f"proof-{delay}"
        submitter = subprocess.Popen(
            [sys.executable, "-c", code, str(here.realm.root), job, str(proof)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=environment(),
        )  # fmt: skip
        assert submitter.stdout is not None
        assert submitter.stdout.readline() == b"ready\n"
        assert submitter.stdin is not None
        submitter.stdin.write(b"go\n")
        submitter.stdin.flush()
        with contextlib.suppress(subprocess.TimeoutExpired):
            submitter.wait(timeout=delay)
        submitter.kill()
        submitter.communicate()

        here.runner.submit(Job(id=job, command=("sh", "-c", 'echo once >> "$0"', str(proof))))

        assert here.end(job).state == "done"
        assert proof.read_text() == "once\n"


def test_a_pid_that_another_process_has_now_is_never_signalled(here: Place) -> None:
    with subprocess.Popen(["sleep", "1000"]) as stranger:
        job = here.start("sleep", "1000")
        state = wait_for(lambda: state_of(here, job) if state_of(here, job)["command"]["pid"] else None, "the command")
        os.kill(state["supervisor"]["pid"], signal.SIGKILL)
        wait_for(lambda: not mark_of(state["supervisor"]["pid"]).started, "the supervisor's end")
        reused = {"pid": stranger.pid, "started": f"{state['boot']}:1"}
        altered = {**state, "supervisor": reused, "command": reused}
        (here.jobs / job / "state.json").write_text(json.dumps(altered))

        assert here.runner.cancel(job).state == "cancelled"
        assert not mark_of(state["command"]["pid"]).started  # found by its token
        assert stranger.poll() is None
        stranger.kill()


def test_a_job_of_before_a_restart_of_the_machine_is_lost_and_nothing_is_signalled(here: Place) -> None:
    with subprocess.Popen(["sleep", "1000"]) as stranger:
        job = here.start("true")
        here.end(job)
        mark = {"pid": stranger.pid, "started": mark_of(stranger.pid).started}
        before = {**state_of(here, job), "state": "running", "boot": "0" * 8, "command": mark, "supervisor": mark}
        (here.jobs / job / "state.json").write_text(json.dumps(before))

        status = here.runner.poll(job)

        assert (status.state, status.reason) == ("lost", "its machine was restarted meanwhile")
        assert stranger.poll() is None
        stranger.kill()


def test_a_job_that_forks_while_it_is_ended_is_ended(here: Place) -> None:
    code = "import os,signal,time\nsignal.signal(15, lambda *_: os.fork())\nprint('up', flush=True)\nwhile True: time.sleep(1)"
    job = here.start(sys.executable, "-c", code, grace=0.3)
    here.until_said(job, "up")
    token = state_of(here, job)["token"]

    assert here.runner.cancel(job).state == "cancelled"
    assert _with_token(token) == []


def _with_token(token: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"REALM_JOB_TOKEN={token}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def test_a_job_that_closes_its_output_goes_on(here: Place) -> None:
    status, said = here.run("sh", "-c", "echo before; exec >&- 2>&-; sleep 0.2; exit 4")

    assert (status.code, said) == (4, "before\n")


def test_folders_of_old_jobs_go_and_running_ones_stay(here: Place, tmp_path: Path) -> None:
    place = Place(make_realm(tmp_path), "local", tmp_path / "realm")
    running = place.start("sleep", "1000")
    for _ in range(4):
        place.end(place.start("true"))
    for number in range(desk.SURPLUS):
        (place.jobs / f"empty-{number}").mkdir()

    desk.tidy(str(place.jobs), 2)

    kept = [path.name for path in place.jobs.iterdir() if path.is_dir() and not path.name.startswith("empty")]
    assert len(kept) == 3
    assert running in kept
    assert place.runner.cancel(running).state == "cancelled"


# -- a host --------------------------------------------------------------------------------------------------------


def test_a_host_that_vanishes_is_away_and_tells_the_true_end_when_it_is_back(
    box: Box, far: Place, tmp_path: Path
) -> None:
    job = far.start(
        "sh", "-c", 'echo up; while [ ! -e "$0" ]; do sleep 0.05; done; echo end; exit 5', str(tmp_path / "go")
    )
    far.until_said(job, "up")
    box.stop()

    for ask in (far.runner.poll, far.runner.logs, far.runner.cancel):
        with pytest.raises(AwayError):
            ask(job)
    (tmp_path / "go").touch()
    wait_for(lambda: state_of(far, job)["state"] == "failed", "the end over there")
    box.start()

    assert (far.end(job).state, far.end(job).code, far.said(job)) == ("failed", 5, "up\nend\n")


def test_a_host_that_was_switched_off_has_lost_its_job(box: Box, far: Place) -> None:
    job = far.start("sleep", "1000")
    state = wait_for(lambda: state_of(far, job) if state_of(far, job)["command"]["pid"] else None, "the command")
    for who in ("supervisor", "command"):
        os.kill(state[who]["pid"], signal.SIGKILL)
    wait_for(lambda: not mark_of(state["supervisor"]["pid"]).started, "the supervisor's end")
    (far.jobs / job / "state.json").write_text(json.dumps({**state_of(far, job), "state": "running", "boot": "0" * 8}))

    status = far.runner.poll(job)

    assert (status.state, status.reason) == ("lost", "its machine was restarted meanwhile")


def test_an_unknown_host_key_is_refused(box: Box, far: Place) -> None:
    far.runner.close()
    known = box.known.read_text()
    box.known.write_text("")
    try:
        with pytest.raises(RefusedError, match="the host key of 127.0.0.1 is not known"):
            far.start("true")
    finally:
        box.known.write_text(known)


def test_the_supervisor_that_was_deleted_there_is_sent_again(far: Place) -> None:
    for path in (far.jobs / ".supervisor").iterdir():
        path.unlink()

    assert far.run("echo", "again")[1] == "again\n"


def test_a_host_without_python_is_told_so(
    box: Box, far: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = (box.folder / "sshd_config").read_text()
    (box.folder / "sshd_config").write_text(f'{config}SetEnv PATH="{tmp_path}"\n')
    far.runner.close()
    box.stop()
    box.start()
    try:
        with pytest.raises(RealmError, match="host box has no python3, which jobs need there"):
            far.start("true")
    finally:
        (box.folder / "sshd_config").write_text(config)
        box.stop()
        box.start()


def test_a_host_without_a_folder_or_a_name_is_an_error(far: Place) -> None:
    manager = Manager.of(far.realm)
    with pytest.raises(NotFoundError, match="there is no host 'bx'"):
        open_runner(far.realm, manager, "ssh:bx")
    path = far.realm.configs / "hosts.yaml"
    text = path.read_text()
    path.write_text("\n".join(line for line in text.splitlines() if "base_dir" not in line))
    with pytest.raises(NotFoundError, match="host box has no folder for jobs"):
        open_runner(far.realm, manager, "ssh:box")
    path.write_text(text)
