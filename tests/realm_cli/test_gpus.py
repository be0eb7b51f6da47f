"""GPUs by NVML here and by nvidia-smi over ssh, and averages over a window."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fake_gpus import HANGS, LOST, NO_DRIVER, FakeGpu, FakeMachine
from helpers import PATIENCE, environment, wait_for
from realm_cli.gpus import Gpu, GpuProcess, Reading, Window, _parsed, _parsed_processes
from realm_vault_boxes import Box

HERE = "from realm_cli.gpus import LocalGpus; found = LocalGpus().read()"
THERE = """
import getpass, sys
from realm_cli.carriers import Ssh
from realm_cli.gpus import read_far
far = Ssh("127.0.0.1", getpass.getuser(), int(sys.argv[1]))
found = read_far(far)
far.close()
"""
SAY = "\nimport msgspec; print(msgspec.json.encode(found).decode())"
CARD = {
    "index": 0, "uuid": "GPU-0", "name": "NVIDIA GeForce RTX 3090", "memory_used": 500 << 20,
    "memory_total": 24_000 << 20, "utilisation": 12, "temperature": 45, "power_w": 30.0, "processes": [],
}  # fmt: skip


def read(program: str, env: dict[str, str], *args: object) -> Any:
    line = [sys.executable, "-c", program + SAY, *map(str, args)]
    return json.loads(subprocess.run(line, env=env, capture_output=True, text=True, check=True).stdout)


def test_a_card_is_read_with_its_processes(gpus: FakeMachine) -> None:
    me = os.getpid()
    gpus.set(FakeGpu(busy=12, computing={me: 300}, drawing={me: 100, 4194303: 7}))
    name = Path("/proc/self/comm").read_text().strip()
    processes = [{"pid": me, "memory": 300 << 20, "name": name}, {"pid": 4194303, "memory": 7 << 20, "name": ""}]

    assert read(HERE, gpus.environment()) == {
        "gpus": [{**CARD, "processes": processes}], "reason": "", "lost": [],
    }  # fmt: skip


def test_a_card_that_falls_off_the_bus_hides_no_other(gpus: FakeMachine) -> None:
    gpus.set(FakeGpu(error=LOST), FakeGpu(uuid="GPU-1", busy=12))

    found = read(HERE, gpus.environment())

    assert found["gpus"] == [{**CARD, "index": 1, "uuid": "GPU-1"}]
    assert found["lost"] == ["GPU 0 does not answer: GPU is lost"]


def test_what_a_card_does_not_tell_is_unknown(gpus: FakeMachine) -> None:
    gpus.set(FakeGpu(busy=None, heat=None, watts=None, computing={4194303: -1}))

    (card,) = read(HERE, gpus.environment())["gpus"]

    assert card == {
        **CARD, "utilisation": None, "temperature": None, "power_w": None,
        "processes": [{"pid": 4194303, "memory": None, "name": ""}],
    }  # fmt: skip


def test_without_driver_or_library_there_is_no_gpu_with_a_reason(gpus: FakeMachine) -> None:
    gpus.set(driver=NO_DRIVER)

    assert read(HERE, gpus.environment()) == {"gpus": [], "reason": "no GPU (Driver Not Loaded)", "lost": []}
    broken = gpus.programs / "libnvidia-ml.so.1"
    broken.write_text("this is no library")
    found = read(HERE, {**environment(), "LD_LIBRARY_PATH": str(gpus.programs)})
    assert found["reason"] == "no GPU (NVML Shared Library Not Found)"


HANGING = """
import sys
from realm_cli import gpus
gpus.NEAR_SECONDS = 0.3
local = gpus.LocalGpus()
for line in sys.stdin:
    gpus.NEAR_SECONDS = float(line)
    found = local.read()
    print(found.reason or found.gpus[0].uuid, flush=True)
"""


def test_a_driver_that_hangs_is_told_and_one_that_answers_again_is_read_again(gpus: FakeMachine) -> None:
    gpus.set(FakeGpu(), driver=HANGS)
    line = [sys.executable, "-c", HANGING]
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=gpus.environment()
    ) as asked:
        assert asked.stdin is not None
        assert asked.stdout is not None

        def answer(seconds: float) -> str:
            print(seconds, file=asked.stdin, flush=True)
            return str(asked.stdout.readline()).strip() if asked.stdout else ""

        assert answer(0.3) == answer(0.3) == "no GPU (the driver does not answer)"
        gpus.set(FakeGpu())
        wait_for(lambda: answer(PATIENCE) == "GPU-0", "the driver to be read again")
        gpus.set(FakeGpu(), driver=HANGS)
        assert answer(0.3) == "no GPU (the driver does not answer)"
        asked.stdin.close()  # and the program ends although the driver hangs
        assert asked.wait(timeout=PATIENCE) == 0


def test_figures_that_cannot_be_are_none(gpus: FakeMachine) -> None:
    gpus.set(FakeGpu(busy=4_294_967_295, heat=255, watts=4_000_000))
    assert read(HERE, gpus.environment())["gpus"] == [
        {**CARD, "utilisation": None, "temperature": None, "power_w": None}
    ]


@pytest.mark.parametrize(
    ("words", "busy", "heat", "power"),
    [
        ("12, 45, 30", 12, 45, 30.0),
        ("nan, inf, -inf", None, None, None),
        ("1e400, -1e9, [N/A]", None, None, None),
        ("101, 151, 1e9", None, None, None),
    ],
)
def test_what_nvidia_smi_says_is_taken_when_it_can_be(
    words: str, busy: int | None, heat: int | None, power: float | None
) -> None:
    (card,), lost = _parsed(f"0, GPU-0, card, 500, 24000, {words}")
    assert ((card.utilisation, card.temperature, card.power_w), lost) == ((busy, heat, power), [])


def test_garbage_of_nvidia_smi_hides_nothing_else() -> None:
    good, lines = (
        "1, GPU-1, card, 5, 10, 1, 2, 3",
        ["0, GPU-0, card, inf, 1, 1, 1, 1", "x", "", ",,,,,,,", "0, a, b, 1"],
    )
    cards, lost = _parsed("\n".join([*lines, good]))
    assert [card.uuid for card in cards] == ["GPU-1"]
    assert len(lost) == 4
    found = _parsed_processes("GPU-0, 7, 12abc, game\nGPU-0, x, 1, y\nGPU-0\nGPU-0, 8, \u0663, a, b\nGPU-0, 9, 3, c")
    assert [(one.pid, one.memory) for one in found["GPU-0"]] == [(7, None), (8, None), (9, 3 << 20)]


# -- over ssh ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    made = Box(tmp_path_factory.mktemp("box") / "box")
    yield made
    made.close()


@pytest.fixture
def far(box: Box, gpus: FakeMachine) -> FakeMachine:
    """The GPUs of the box."""
    link = box.folder / "gpu bin"
    link.unlink(missing_ok=True)
    link.symlink_to(gpus.programs)
    config = box.folder / "sshd_config"
    if "gpu bin" not in config.read_text():
        box.stop()
        with config.open("a") as file:
            file.write(f'SetEnv PATH="{link}:{os.environ["PATH"]}"\n')
        box.start()
    return gpus


def test_another_machine_s_cards_are_read_over_ssh(box: Box, far: FakeMachine) -> None:
    far.set(
        FakeGpu(busy=12, computing={77: 300}, drawing={78: 20}),
        FakeGpu(uuid="GPU-1", error=LOST),
        FakeGpu(uuid="GPU-2", busy=None, heat=None, watts=None),
    )

    found = read(THERE, box.environment(), box.port)

    assert found["gpus"] == [
        {**CARD, "processes": [{"pid": 77, "memory": 300 << 20, "name": "/usr/bin/python3"}]},
        {**CARD, "index": 2, "uuid": "GPU-2", "utilisation": None, "temperature": None, "power_w": None},
    ]
    (lost,) = found["lost"]
    assert "GPU is lost" in lost


def test_another_machine_without_driver_or_program_has_no_gpu(box: Box, far: FakeMachine) -> None:
    far.set(driver=NO_DRIVER)
    assert read(THERE, box.environment(), box.port) == {
        "gpus": [], "lost": ["NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."],
        "reason": "no GPU (NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.)",
    }  # fmt: skip
    (far.programs / "nvidia-smi").unlink()
    assert read(THERE, box.environment(), box.port)["reason"] == "no GPU (nvidia-smi is not installed there)"


# -- the window ----------------------------------------------------------------------------------------------------


def reading(**busy: int | None) -> Reading:
    cards = [
        Gpu(index=number, uuid=uuid, name="card", memory_used=0, memory_total=1, utilisation=value)
        for number, (uuid, value) in enumerate(busy.items())
    ]
    return Reading(gpus=cards)


def test_an_average_is_known_when_the_window_is_covered() -> None:
    window = Window(30)
    for moment, busy in ((0, 0), (10, 60)):
        window.add(reading(a=busy), moment)
        assert window.average("a") is None
    window.add(reading(a=60), 20)
    assert window.average("a") is None  # three samples, but only 20 of 30 seconds
    window.add(reading(a=80), 25)

    assert window.average("a") == 50
    assert window.average("b") is None


def test_old_samples_leave_the_window() -> None:
    window = Window(30)
    for moment in range(0, 61, 10):
        window.add(reading(a=100 if moment < 30 else 0), moment)

    assert window.average("a") == 0


def test_where_reading_takes_long_the_last_three_count() -> None:
    window = Window(5)
    for moment, busy in ((0, 100), (10, 10), (20, 20), (30, 30)):
        window.add(reading(a=busy), moment)

    assert window.average("a") == 20


def test_a_card_that_went_and_came_back_begins_anew() -> None:
    window = Window(30)
    for moment in range(0, 31, 10):
        window.add(reading(a=0, b=0), moment)
    window.add(reading(b=0), 40)
    window.add(reading(a=0, b=0), 50)

    assert window.average("a") is None
    assert window.average("b") == 0


def test_free_memory_is_what_nobody_uses() -> None:
    card = Gpu(index=0, uuid="a", name="card", memory_used=3, memory_total=10, processes=[GpuProcess(pid=1)])
    assert card.memory_free == 7
