"""What every runner does, on this machine, over a real ssh, on a real Slurm."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import wait_for
from realm_cli.errors import NotFoundError, RefusedError, UsageError
from realm_cli.jobs import Job
from realm_runners_places import Place, know_box, make_realm, reach, slurm
from realm_vault_boxes import Box

ODD = ["two words", "it's", '"quoted"', "", "ünïcödé 龙", "-n", "--help", "$HOME `id` ; * ?", "line\nbreak", "\\"]


@pytest.fixture(scope="module", params=["local", "ssh:box", "slurm"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("places")
    realm = make_realm(folder)
    base = folder / "far base"
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "ssh:box":
            box = Box(folder / "box")
            know_box(realm, box, base)
            reach(patch, box.environment())
            yield Place(realm, request.param, base)
            box.close()
        elif request.param == "slurm":
            for _ in slurm(patch):
                yield Place(realm, request.param, realm.root)
        else:
            yield Place(realm, request.param, realm.root)


def test_a_job_that_succeeds_is_done(place: Place) -> None:
    status, said = place.run("sh", "-c", "echo out; echo err >&2")

    assert (status.state, status.code, status.signal, status.reason) == ("done", 0, None, "")
    assert said == "out\nerr\n"
    assert status.submitted_at <= status.started_at <= status.ended_at


def test_a_job_that_fails_tells_its_code(place: Place) -> None:
    status, _ = place.run("sh", "-c", "exit 3")

    assert (status.state, status.code, status.reason) == ("failed", 3, "ended with 3")


def test_a_job_that_is_killed_tells_the_signal(place: Place) -> None:
    status, _ = place.run("sh", "-c", "kill -SEGV $$")

    assert (status.state, status.code, status.signal) == ("failed", None, signal.SIGSEGV)
    assert status.reason == "ended by SIGSEGV"


def test_a_program_that_is_not_there_is_named(place: Place) -> None:
    status, _ = place.run("no-such-program")

    assert (status.state, status.code) == ("failed", 127)
    assert status.reason == "no-such-program cannot be started: No such file or directory"


def test_arguments_arrive_as_they_are(place: Place) -> None:
    _, said = place.run(sys.executable, "-c", "import sys; print(sys.argv[1:])", *ODD)

    assert said == f"{ODD}\n"


def test_environment_and_folder_are_those_of_the_job(place: Place, tmp_path: Path) -> None:
    _, said = place.run("sh", "-c", 'pwd; echo "$ODD"', folder=str(tmp_path), environment={"ODD": "a 'b'\n$c"})

    assert said == f"{tmp_path}\na 'b'\n$c\n"


def test_a_job_without_a_folder_runs_where_the_place_has_its_own(place: Place) -> None:
    _, said = place.run("pwd")

    assert said == f"{place.base}\n"


def test_a_folder_that_is_not_there_is_named(place: Place, tmp_path: Path) -> None:
    status, _ = place.run("true", folder=str(tmp_path / "none"))

    assert (status.state, status.reason) == ("failed", f"its folder {tmp_path / 'none'} is not there")


def test_a_cancelled_job_ends_with_all_that_it_started(place: Place) -> None:
    job = place.start("sh", "-c", "sleep 1000 & setsid sleep 1000 & echo $! up; wait")
    daemon = int(place.until_said(job, "up").split()[0])

    status = place.runner.cancel(job)

    assert (status.state, status.reason) == ("cancelled", "cancelled")
    assert not Path(f"/proc/{daemon}").exists()
    assert place.runner.cancel(job) == status == place.runner.poll(job)


def test_a_job_over_its_time_is_ended_also_when_it_ignores_sigterm(place: Place) -> None:
    job = place.start("sh", "-c", "trap '' TERM; echo $$ up; while :; do sleep 1; done", seconds=0.5, grace=0.3)

    status = place.end(job)

    assert (status.state, status.signal) == ("failed", signal.SIGKILL)
    assert status.reason == "ended after its limit of 0.5 s"


def test_a_daemon_that_a_job_leaves_is_ended_with_it(place: Place) -> None:
    code = "import os,time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\nprint(os.getpid(), flush=True); time.sleep(999)"
    job = place.start("sh", "-c", '"$0" -c "$1"; sleep 0.3; echo end', sys.executable, code)

    status = place.end(job)

    daemon, word = place.said(job).split()
    assert (status.state, word) == ("done", "end")
    assert not Path(f"/proc/{daemon}").exists()


def test_a_flood_is_cut_in_the_middle(place: Place) -> None:
    status, said = place.run("sh", "-c", "echo first; yes | head -c 9000000; echo last")

    assert status.state == "done"
    assert said.startswith("first\ny\n")
    assert "[7000000 bytes were left out here]" in said
    assert said.endswith("y\nlast\n")
    assert len(said) < 3_000_000


def test_the_same_id_twice_is_one_job(place: Place) -> None:
    job = Job(id=place.id(), command=("sh", "-c", "echo once"))
    place.runner.submit(job)
    ended = place.end(job.id)

    assert place.runner.submit(job) == ended
    assert place.said(job.id) == "once\n"


def test_logs_go_on_where_they_were_left(place: Place, tmp_path: Path) -> None:
    job = place.start("sh", "-c", 'echo one; while [ ! -e "$0" ]; do sleep 0.02; done; echo two', str(tmp_path / "go"))
    place.until_said(job, "one")
    first = place.runner.logs(job)
    (tmp_path / "go").touch()
    place.end(job)

    assert (first.data, place.runner.logs(job, first.offset).data) == (b"one\n", b"two\n")


def test_an_unknown_job_is_not_found(place: Place) -> None:
    for ask in (place.runner.poll, place.runner.cancel, place.runner.logs):
        with pytest.raises(NotFoundError, match="there is no job 'none'"):
            ask("none")


def test_an_id_that_could_leave_the_folder_is_refused(place: Place) -> None:
    for word in ("../x", "", ".hidden", "a/b", "a\n", "-x"):
        with pytest.raises(UsageError, match="cannot be a job's id"):
            place.runner.submit(Job(id=word, command=("true",)))


def test_a_job_that_went_elsewhere_is_not_started_again_here(place: Place) -> None:
    job = place.id()
    path = place.realm.status / "jobs" / f"{job}.json"
    other = place.start("true")
    place.end(other)
    text = (path.parent / f"{other}.json").read_text()
    path.write_text(text.replace(other, job).replace(f'"{place.name}"', '"ssh:elsewhere"'))

    with pytest.raises(RefusedError, match=f"job {job} went to ssh:elsewhere already"):
        place.runner.submit(Job(id=job, command=("true",)))


def test_a_supervisor_that_is_killed_takes_its_job_with_it(place: Place) -> None:
    job = place.start("sh", "-c", "setsid sleep 1000 & echo $! $PPID up; wait")
    daemon, supervisor = map(int, place.until_said(job, "up").split()[:2])

    os.kill(supervisor, signal.SIGKILL)

    status = place.end(job)
    assert (status.state, status.code) == ("lost", None)
    assert "supervisor was" in status.reason
    wait_for(lambda: not Path(f"/proc/{daemon}").exists(), "the end of what it had started")
