"""Which GPU is idle, or why none is: here by NVML, on the inference host by nvidia-smi over ssh."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from fake_gpus import NO_DRIVER, FakeGpu, FakeMachine
from realm_cli.hosts import hosts_file
from realm_cli.realm import Realm
from realm_cli.task_config import TasksConfig
from realm_taskmaster.cards import Cards, Chosen
from realm_taskmaster_desk import Desk
from realm_vault_boxes import Box

LOOKS = """
import json, sys
from realm_cli.realm import Realm
from realm_cli.task_config import TasksConfig
from realm_taskmaster.cards import Cards
config = TasksConfig(window_s=0.3, cpu_inference=sys.argv[2] == "cpu")
for line in sys.stdin:  # a new window, and what a task with 4,000 MB gets
    cards = Cards(Realm(sys.argv[1]), config)
    cards.settle()
    chosen = cards.choose(4000, set(line.split()))
    print(json.dumps([chosen.card, chosen.reason]), flush=True)
"""
FULL = "; GPU 1 has 3,999 MB free, 4,000 MB are needed"


@contextmanager
def chooser(realm: Realm, gpus: FakeMachine, mode: str = "") -> Iterator[Callable[..., list[str]]]:
    line = [sys.executable, "-c", LOOKS, str(realm.root), mode]
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=gpus.environment()
    ) as asked:

        def choose(*taken: str) -> list[str]:
            assert asked.stdin is not None
            assert asked.stdout is not None
            asked.stdin.write(" ".join(taken) + "\n")
            asked.stdin.flush()
            found: list[str] = json.loads(asked.stdout.readline())
            return found

        try:
            yield choose
        finally:
            asked.communicate()


def test_a_card_is_idle_under_forty_percent_with_memory_free(realm: Realm, gpus: FakeMachine) -> None:
    full = FakeGpu(uuid="GPU-1", used_mb=20_001)
    with chooser(realm, gpus) as choose:
        gpus.set(FakeGpu(busy=39), full)
        assert choose() == ["GPU-0", ""]
        assert choose("GPU-0") == ["", f"GPU 0 is held by another run{FULL}"]
        gpus.set(FakeGpu(busy=40), full)
        assert choose() == ["", f"GPU 0 is in use: 40 % over 0.3 s, idle is under 40 %{FULL}"]
        gpus.set(FakeGpu(busy=81), full)
        assert choose() == ["", f"GPU 0 is busy: 81 % over 0.3 s, idle is under 40 %{FULL}"]
        gpus.set(FakeGpu(busy=None), full)
        assert choose() == ["", f"GPU 0 does not tell how busy it is{FULL}"]
        gpus.set(FakeGpu(busy=81), FakeGpu(uuid="GPU-1", used_mb=20_000))
        assert choose() == ["GPU-1", ""]


def test_without_a_gpu_there_is_none_unless_the_processor_may_do_it(realm: Realm, gpus: FakeMachine) -> None:
    gpus.set(driver=NO_DRIVER)
    with chooser(realm, gpus) as choose:
        assert choose() == ["", "no GPU (Driver Not Loaded)"]
    with chooser(realm, gpus, "cpu") as choose:
        assert choose() == ["", ""]


def test_before_its_window_is_full_a_card_is_not_judged(realm: Realm) -> None:
    cards = Cards(realm, TasksConfig())
    assert cards.choose(0, set()) == Chosen(reason="not looked at yet")


def test_tasks_wait_for_the_gpu_and_the_processor_s_do_not(desk: Desk, gpus: FakeMachine) -> None:
    desk.env = gpus.environment()
    desk.enable("thinks", "work", window_s=0.3)
    gpus.set(FakeGpu(busy=95))
    would = [task["id"] for task in desk.run("task", "once", "--dry-run", "--json").json]
    assert would == ["work"]
    assert desk.run("task", "available", "-q").out == "work\n"
    gpus.set(FakeGpu(busy=5))
    assert desk.run("task", "once", "--dry-run", "--json").json == [
        {"id": "thinks", "card": "GPU-0"}, {"id": "work", "card": None},
    ]  # fmt: skip
    assert desk.run("task", "once").out.splitlines() == ["thinks: on GPU-0", "work: worked"]


# -- over ssh ------------------------------------------------------------------------------------------------------


@pytest.fixture
def far(realm: Realm, gpus: FakeMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    """An inference host with GPUs, reached as the box wants it."""
    box = Box(tmp_path / "box")
    box.stop()
    with (box.folder / "sshd_config").open("a") as config:
        config.write(f'SetEnv PATH="{gpus.programs}:{os.environ["PATH"]}"\n')
    box.start()
    host = {
        "host": "127.0.0.1", "role": "inference", "ssh_port": box.port, "ssh_user": getpass.getuser(),
        "services": {"inference": {"port": 8765}},
    }  # fmt: skip
    here = {"host": "trainer.example", "role": "trainer"}
    hosts_file(realm).write_text(yaml.safe_dump({"hosts": {"3090": host, "4090": here}, "local_host": "4090"}))
    for name in ("PATH", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, box.environment()[name])
    yield box
    box.close()


def test_the_inference_host_s_cards_count_and_its_absence_is_a_reason(
    realm: Realm, gpus: FakeMachine, far: Box
) -> None:
    def choose() -> Chosen:
        cards = Cards(realm, TasksConfig(window_s=0.3, cpu_inference=True))
        cards.settle()
        cards.close()
        return cards.choose(4000, set())

    gpus.set(FakeGpu(busy=50))
    assert choose().reason == "3090: GPU 0 is in use: 50 % over 0.3 s, idle is under 40 %"
    gpus.set(FakeGpu(uuid="GPU-9", busy=10))
    assert choose() == Chosen(card="GPU-9")
    gpus.set(driver=NO_DRIVER)
    assert choose().reason.startswith("3090: no GPU (NVIDIA-SMI has failed")
    far.stop()
    assert choose().reason.startswith("3090: 127.0.0.1 is away: ")
    far.start()
    gpus.set(FakeGpu(busy=10))
    assert choose() == Chosen(card="GPU-0")
