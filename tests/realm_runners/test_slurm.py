"""What only a cluster can do, on a real one of one node."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import Run, rows, set_recipe, wait_for, write_rows
from realm_cli import checkpoints, intake, status
from realm_cli.errors import AwayError, NotFoundError, RealmError, RefusedError
from realm_cli.jobs import Job, open_runner
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_runners import slurmcalls
from realm_runners_cluster import Cluster
from realm_runners_places import Place, make_realm, slurm


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        yield from slurm(patch)


@pytest.fixture(scope="module")
def at(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Place:
    realm = make_realm(tmp_path_factory.mktemp("slurm"))
    return Place(realm, "slurm", realm.root)


def closed(at: Place) -> Place:
    """A partition that is switched off."""
    return Place(at.realm, "slurm:closed", at.base)


def test_a_job_that_waits_says_why_and_can_be_taken_back(at: Place) -> None:
    place = closed(at)
    job = place.start("true")

    def why() -> str | None:
        seen = place.runner.poll(job)
        return seen.reason if seen.state == "waiting" and "PartitionDown" in seen.reason else None

    assert wait_for(why, "a reason") == "Slurm: PartitionDown (its partition is switched off)"
    ended = place.runner.cancel(job)
    assert (ended.state, ended.reason) == ("cancelled", "cancelled")


def test_a_copied_realm_does_not_cancel_the_original_s_job(at: Place, tmp_path: Path) -> None:
    job = at.start("sh", "-c", "echo begun; sleep 1000")
    at.until_said(job, "begun")
    shutil.copytree(at.realm.root, tmp_path / "copy", symlinks=True)
    runner = open_runner(Realm(tmp_path / "copy"), Manager.of(at.realm), "slurm")
    with pytest.raises(RefusedError, match=f"job {job} was started by the realm that this one was copied from"):
        runner.cancel(job)
    assert at.runner.poll(job).state == "running"
    assert at.runner.cancel(job).state == "cancelled"


def test_who_was_killed_after_sbatch_finds_the_job_by_its_name(at: Place) -> None:
    job = at.start("sh", "-c", "echo once; sleep 1000")
    number = (at.jobs / job / "slurm.json").read_bytes()
    (at.jobs / job / "slurm.json").unlink()

    at.runner.submit(Job(id=job, command=("sh", "-c", "echo once; sleep 1000")))

    assert (at.jobs / job / "slurm.json").read_bytes() == number
    at.until_said(job, "once")
    at.runner.cancel(job)
    assert at.said(job) == "once\n"


def test_who_was_killed_before_sbatch_submits_again(at: Place) -> None:
    job = at.id()
    done = at.start("true")
    at.end(done)
    (at.jobs / job).mkdir()
    (at.jobs / job / "order.json").write_bytes(
        (at.jobs / done / "order.json").read_bytes().replace(done.encode(), job.encode())
    )

    with pytest.raises(NotFoundError):
        at.runner.poll(job)
    at.runner.submit(Job(id=job, command=("true",)))
    assert at.end(job).state == "done"


def test_the_end_is_known_when_slurm_has_forgotten_the_job(at: Place) -> None:
    job = at.start("sh", "-c", "exit 7")
    ended = at.end(job)
    (at.jobs / job / "slurm.json").write_text(
        (at.jobs / job / "slurm.json").read_text().replace('"number": "', '"number": "99999')
    )

    assert at.runner.poll(job) == ended
    assert ended.code == 7


def test_a_job_that_slurm_has_forgotten_and_that_left_no_end_is_lost(at: Place) -> None:
    job = at.start("true")
    at.end(job)
    (at.jobs / job / "state.json").unlink()
    record = at.jobs / job / "slurm.json"
    record.write_text(record.read_text().replace('"number": "', '"number": "99999'))

    seen = at.runner.poll(job)
    assert (seen.state, seen.reason) == ("lost", "Slurm has forgotten it, and it left no end")


def test_a_partition_that_is_not_there_is_told_in_slurm_s_words(at: Place) -> None:
    with pytest.raises(RealmError, match="Slurm does not take the job: .*Invalid partition"):
        Place(at.realm, "slurm:nowhere", at.base).start("true")


def test_gpus_that_the_cluster_has_not_are_refused(at: Place) -> None:
    with pytest.raises(RealmError, match="Slurm does not take the job: "):
        at.start("true", gpus=1)


def test_the_time_limit_is_told_to_slurm_as_well(at: Place, cluster: Cluster) -> None:
    job = at.start("sleep", "1000", seconds=170, grace=5)
    number = slurmcalls.number_of(slurmcalls.name_of(at.realm, job))

    shown = cluster.call("squeue", "-h", "-j", str(number), "-o", "%l").stdout.strip()

    assert shown == "4:00"  # 175 s in whole minutes, and one for the supervisor to be first
    at.runner.cancel(job)


def test_without_slurm_the_machine_says_so(at: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RealmError, match="this machine belongs to no Slurm cluster: squeue is not installed"):
        at.start("true")


def test_a_controller_that_is_away_is_away(at: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    job = at.start("true")
    at.end(job)
    conf = tmp_path / "slurm.conf"
    text = Path(os.environ["SLURM_CONF"]).read_text()
    conf.write_text(
        "\n".join(
            "SlurmctldPort=1\nMessageTimeout=2" if one.startswith("SlurmctldPort") else one for one in text.splitlines()
        )
    )
    monkeypatch.setenv("SLURM_CONF", str(conf))

    assert at.runner.poll(job).state == "done"  # known without Slurm
    with pytest.raises(AwayError, match="Slurm"):
        at.start("true")


def test_a_battle_on_slurm_that_is_cancelled_has_saved(
    cluster: Cluster, realm: Realm, run: Run, tmp_path: Path
) -> None:
    set_recipe(realm, epochs=150)
    intake.add_files(realm, Manager.of(realm), [write_rows(tmp_path / "long.jsonl", rows(400))])

    started = run("battle", "start", "--on", "slurm:main", "--gpus", "0", "-q")
    assert started.code == 0, started.err
    job = started.out.strip()

    def at_step() -> bool:
        seen = status.read(realm)
        assert run("job", "show", job, "--json").json["state"] in ("waiting", "running"), run("job", "logs", job).out
        return seen is not None and seen.state == "training" and seen.step >= 3

    wait_for(at_step, "step 3")
    assert run("battle", "pause").code == 0
    assert run("battle", "resume").code == 0
    ended = run("job", "cancel", job)

    assert (ended.code, ended.out) == (0, f"{job} is cancelled\n")
    seen = status.read(realm)
    assert seen is not None
    assert checkpoints.extract_step(seen.last_checkpoint) == seen.step >= 3
