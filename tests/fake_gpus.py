"""GPUs for machines without one: a library that speaks NVML's interface, and a program `nvidia-smi`, which read one file.

The library is compiled from fake_nvml.c and found through LD_LIBRARY_PATH, so what is tested is what runs on a real machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from helpers import environment

NOT_SUPPORTED, NO_DRIVER, LOST, HANGS = 3, 9, 15, 99

_SMI = """#!{python}
import sys
lines = [line.split() for line in open({state!r})]
cards = [line[1:] for line in lines if line[0] == "gpu"]
def shown(text, scale=1): return "[N/A]" if text == "-1" else f"{{int(text) / scale:g}}"
if any(line[0] == "driver" and line[1] != "0" for line in lines):
    print("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.")
    sys.exit(9)
if sys.argv[1].startswith("--query-gpu=index,uuid,name,memory.used,memory.total,utilization.gpu,temperature.gpu,power.draw"):
    for index, (uuid, used, total, busy, heat, power, error, *name) in enumerate(cards):
        if error == "0":
            print(index, uuid, " ".join(name), used, total, shown(busy), shown(heat), shown(power, 1000), sep=", ")
        else:
            print("Unable to determine the device handle for GPU: GPU is lost.  Reboot the system to recover this GPU")
elif sys.argv[1].startswith("--query-compute-apps=gpu_uuid,pid,used_memory,process_name"):
    for line in lines:
        if line[0] == "process" and line[2] == "c":
            print(cards[int(line[1])][0], line[3], shown(line[4]), "/usr/bin/python3", sep=", ")
else:
    sys.exit(2)
"""


@dataclass
class FakeGpu:
    """One card; `None` is what it does not tell."""

    uuid: str = "GPU-0"
    name: str = "NVIDIA GeForce RTX 3090"
    used_mb: int = 500
    total_mb: int = 24_000
    busy: int | None = 0
    heat: int | None = 45
    watts: float | None = 30.0
    error: int = 0
    computing: dict[int, int] = field(default_factory=dict)
    """Megabytes by pid."""
    drawing: dict[int, int] = field(default_factory=dict)


class FakeMachine:
    """A machine's cards, changed by `set`."""

    def __init__(self, folder: Path, library: Path) -> None:
        self.state = folder / "gpus.txt"
        self._library = library
        self.programs = folder / "gpu bin"
        self.programs.mkdir()
        smi = self.programs / "nvidia-smi"
        smi.write_text(_SMI.format(python=sys.executable, state=str(self.state)))
        smi.chmod(0o755)
        self.set()

    def set(self, *gpus: FakeGpu, driver: int = 0) -> None:
        """From now on the machine has these."""
        lines = [f"driver {driver}"]
        for gpu in gpus:
            told = [-1 if value is None else value for value in (gpu.busy, gpu.heat)]
            power = -1 if gpu.watts is None else round(gpu.watts * 1000)
            lines.append(
                f"gpu {gpu.uuid} {gpu.used_mb} {gpu.total_mb} {told[0]} {told[1]} {power} {gpu.error} {gpu.name}"
            )
        for index, gpu in enumerate(gpus):
            for kind, holders in (("c", gpu.computing), ("g", gpu.drawing)):
                lines += [f"process {index} {kind} {pid} {amount}" for pid, amount in holders.items()]
        draft = self.state.with_suffix(".new")
        draft.write_text("\n".join(lines) + "\n")
        draft.replace(self.state)

    def environment(self) -> dict[str, str]:
        """In which programs see these cards by NVML."""
        return {**environment(), "LD_LIBRARY_PATH": str(self._library), "FAKE_NVML": str(self.state)}


def compile_library(folder: Path) -> Path:
    """The folder with the library."""
    source = Path(__file__).with_name("fake_nvml.c")
    line = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(folder / "libnvidia-ml.so.1"), str(source)]
    subprocess.run(line, check=True, env=dict(os.environ))
    return folder
