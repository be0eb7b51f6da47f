"""A long queue, and what happens to a run at the same moment from several sides."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from realm_cli import store, task_records
from realm_cli.errors import RefusedError
from realm_cli.jobs import open_runner
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.task_records import TaskRun, run_file
from realm_taskmaster.master import task_of
from realm_taskmaster.runs import Runs, of_task


@pytest.fixture
def runs(realm: Realm) -> Runs:
    manager = Manager.of(realm)
    return Runs(realm, manager, lambda: open_runner(realm, manager))


def command(number: int) -> TaskRun:
    """A run of a command that is never started here."""
    return TaskRun(
        id=f"command-{number:04d}", command=["true"], priority=number % 3, asked_at=f"2026-01-01T{number:08d}"
    )


def test_a_long_queue_is_read_once_and_what_changes_in_it_again(runs: Runs) -> None:
    runs.ask(command(0))  # makes the folders
    for number in range(1, 2000):
        store.write_record(run_file(runs.realm, "queue", command(number).id), command(number))
    first = task_records.queued(runs.realm)
    assert [run.id for run in first] == sorted(
        (run.id for run in first), key=lambda name: (-(int(name[-4:]) % 3), name)
    )  # fmt: skip
    assert len(first) == len(task_records.queue_names(runs.realm)) == 2000
    again = task_records.queued(runs.realm)
    assert all(one is other for one, other in zip(first, again, strict=True))
    changed = msgspec.structs.replace(first[0], title="changed")
    store.write_record(run_file(runs.realm, "queue", changed.id), changed)
    run_file(runs.realm, "queue", first[-1].id).unlink()
    (runs.realm.status / "tasks" / "queue" / f"{first[1].id}.json").write_text("{")
    last = task_records.queued(runs.realm)
    assert len(last) == 1998
    assert last[0].title == "changed"


def test_a_run_that_is_claimed_meanwhile_is_found_all_the_time(runs: Runs) -> None:
    asked = [runs.ask(command(number)) for number in range(60)]
    over = threading.Event()

    def look() -> int:
        count = 0
        while not over.is_set():
            for run in asked:
                assert task_records.find(runs.realm, run.id).id == run.id
                count += 1
        return count

    with ThreadPoolExecutor(2) as threads:
        looks = [threads.submit(look) for _ in range(2)]
        for run in asked:
            assert runs.claim(run) is not None
        over.set()
        assert sum(each.result() for each in looks) > 0


def together(count: int, work: Callable[[], object]) -> list[object]:
    """What so many threads get, or what they are refused with, at one moment."""
    barrier = threading.Barrier(count)

    def one(_: int) -> object:
        barrier.wait()
        try:
            return work()
        except RefusedError as error:
            return error

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def test_a_task_that_several_ask_for_at_once_is_queued_once(runs: Runs) -> None:
    task = task_of(runs.manager, "health_check")
    got = together(8, lambda: runs.ask(of_task(task, 1, "me")))
    assert sum(isinstance(one, TaskRun) for one in got) == len(task_records.queued(runs.realm)) == 1
    refused = [str(one.message) for one in got if isinstance(one, RefusedError)]
    assert len(refused) == 7
    assert all("health_check is asked for already, or runs" in words for words in refused)


def test_a_waiting_run_that_several_cancel_at_once_ends_once(runs: Runs) -> None:
    run = runs.ask(command(1))
    got = together(6, lambda: runs.cancel(run.id))
    assert sum(isinstance(one, TaskRun) and one.state == "cancelled" for one in got) == 1
    assert [one.id for one in task_records.history(runs.realm, 9)] == [run.id]


def test_a_run_whose_claim_was_cut_short_is_cancelled_as_one_that_runs(runs: Runs) -> None:
    run = runs.ask(msgspec.structs.replace(command(1), command=["sleep", "600"]))
    text = run_file(runs.realm, "queue", run.id).read_bytes()
    assert runs.claim(run) is not None
    run_file(runs.realm, "queue", run.id).write_bytes(text)  # the kill came before it went
    ended = runs.cancel(run.id)
    while not ended.ended_at:
        ended = runs.settle(ended) or task_records.find(runs.realm, run.id)
    assert ended.state == "cancelled"
    assert (task_records.queued(runs.realm), task_records.running(runs.realm)) == ([], [])
