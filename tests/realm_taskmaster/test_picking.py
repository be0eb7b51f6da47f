"""What runs next, and why the others do not."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Literal

from realm_cli.task_records import TaskRun
from realm_cli.tasks import Task
from realm_taskmaster.cards import Chosen
from realm_taskmaster.picking import Candidate, Facts, Plan, plan

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=timezone.utc)
LOOK = "2026-11-26T12:01:00.000+00:00"


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def task(
    name: str, priority: int = 5, gpu: Literal["none", "inference"] = "none", *, enabled: bool = True, ended: str = "",
    idle: str = "", cooldown: float = 300,
) -> Candidate:  # fmt: skip
    part = Task(
        id=name, title=name, priority=priority, gpu=gpu, estimate_s=10, cooldown_s=cooldown, run=lambda realm, manager: "",
    )  # fmt: skip
    return Candidate(part, enabled, priority, cooldown, 4000, ended, idle)


def look(
    *tasks: Candidate, running: tuple[TaskRun, ...] = (), queued: tuple[TaskRun, ...] = (), cards: int = 1
) -> Plan:
    def choose(free_mb: int, taken: frozenset[str]) -> Chosen:
        free = [f"GPU-{number}" for number in range(cards) if f"GPU-{number}" not in taken and "" not in taken]
        return Chosen(card=free[0]) if free else Chosen(reason="GPU 0 is held by another run")

    return plan(tasks, Facts(NOW, LOOK, running, queued, choose))


def started(found: Plan) -> list[tuple[str, str]]:
    return [(start.name, start.card) for start in found.start]


def reasons(found: Plan) -> dict[str, str]:
    return {one.id: one.reason for one in found.standings}


def test_the_highest_priority_runs_on_its_card_and_one_task_beside_it() -> None:
    found = look(task("low"), task("high", 9), task("gpu_low", 1, "inference"), task("gpu_high", 2, "inference"))

    assert started(found) == [("high", ""), ("gpu_high", "GPU-0")]
    assert reasons(found) == {
        "high": "", "gpu_high": "", "low": "after high: one task runs at a time", "gpu_low": "GPU 0 is held by another run",
    }  # fmt: skip


def test_every_card_takes_a_task() -> None:
    found = look(task("one", 3, "inference"), task("two", 2, "inference"), task("three", 1, "inference"), cards=2)
    assert started(found) == [("one", "GPU-0"), ("two", "GPU-1")]


def test_a_task_on_the_processor_never_waits_for_a_gpu() -> None:
    assert started(look(task("cpu"), task("gpu", 9, "inference"), cards=0)) == [("cpu", "")]


def test_among_equals_the_one_that_has_waited_longest_goes_first() -> None:
    found = look(task("a", ended=ago(400)), task("b", ended=ago(900)), task("c", ended=ago(600)))
    assert started(found) == [("b", "")]


def test_a_cooldown_is_told_with_its_end() -> None:
    found = look(task("cooling", ended=ago(299)))
    (one,) = found.standings

    assert found.start == []
    assert one.reason == "cooldown: it ended 11:55 UTC, 300 s lie between runs"
    assert one.next == "2026-11-26T12:00:01.000+00:00"
    assert started(look(task("cooling", ended=ago(300)))) == [("cooling", "")]


def test_a_run_that_ended_in_the_future_holds_nothing_back() -> None:
    assert started(look(task("jumped", ended=ago(-90 * 86_400)))) == [("jumped", "")]


def test_what_is_disabled_idle_running_or_asked_for_says_so() -> None:
    run = TaskRun(id="works-1", task="works", state="running", claimed_at=ago(1))
    asked = TaskRun(id="asked-1", task="asked", gpu="inference", priority=1)
    found = look(
        task("off", enabled=False), task("nothing", idle="no quest is queued"), task("works"), task("asked", 1, "inference"),
        running=(run,), queued=(asked,), cards=0,
    )  # fmt: skip

    assert found.start == []
    assert reasons(found) == {
        "off": "disabled: tasks.off.enabled in configs/tasks.yaml", "nothing": "no quest is queued",
        "works": "it runs: works-1", "asked": "it was asked for and waits in the queue",
    }  # fmt: skip
    assert {one.id: one.next for one in found.standings} == {"off": None, "nothing": LOOK, "works": LOOK, "asked": LOOK}
    assert found.waiting == {"asked-1": "GPU 0 is held by another run"}


def test_what_was_asked_for_goes_before_equals_and_knows_no_cooldown() -> None:
    asked = TaskRun(id="cooling-1", task="cooling", priority=5, asked_at=ago(5))
    command = TaskRun(id="command-1", command=["/bin/true"], gpu="inference", priority=0)
    found = look(task("other", 5, ended=ago(9999)), task("cooling", 5, ended=ago(1)), queued=(command, asked))

    assert started(found) == [("cooling", ""), ("true", "GPU-0")]


def test_a_running_task_holds_its_place_and_its_card() -> None:
    runs = (
        TaskRun(id="a-1", task="a", state="running"),
        TaskRun(id="b-1", task="b", gpu="inference", card="GPU-0", state="running"),
    )
    assert started(look(task("c"), task("d", 1, "inference"), running=runs, cards=2)) == [("d", "GPU-1")]


def test_a_forced_run_holds_the_gpu_but_not_the_place_beside_it() -> None:
    forced = TaskRun(id="a-1", task="a", gpu="inference", state="running", forced=True)
    beside = TaskRun(id="b-1", task="b", state="running", forced=True)

    assert started(look(task("c"), task("d", 1, "inference"), running=(forced, beside), cards=2)) == [("c", "")]


def test_without_a_gpu_inference_takes_the_place_on_the_processor_when_that_is_allowed() -> None:
    facts = Facts(NOW, LOOK, ())
    found = plan([task("cpu"), task("gpu", 9, "inference")], facts)

    assert started(found) == [("gpu", "")]
    assert reasons(found)["cpu"] == "after gpu: one task runs at a time"
