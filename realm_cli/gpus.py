"""NVIDIA GPUs: what they do right now, read by NVML here and by `nvidia-smi` on another machine; averages over a window.

A card that does not answer (it has fallen off the bus, say) hides no other: it is named with the reason.
"""

from __future__ import annotations

import csv
import functools
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from realm_cli.carriers import Carrier

MEGABYTE = 1 << 20
NEAR_SECONDS = 10.0
"""NVML may hang as well; it is not waited for longer."""
FAR_SECONDS = 20
"""nvidia-smi may hang for ever on a machine with a broken card; it is ended after so long."""
LEAST_SAMPLES = 3
LEAST_SHARE = 0.7
"""An average counts as known when its samples cover so much of the window."""
PERCENT, CELSIUS, WATTS = (0.0, 100.0), (-50.0, 150.0), (0.0, 5000.0)
"""What can be true."""
_FIELDS = "index,uuid,name,memory.used,memory.total,utilization.gpu,temperature.gpu,power.draw"
_PROCESS_FIELDS = "gpu_uuid,pid,used_memory,process_name"
_DRIVER = "the driver does not answer"


class GpuProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A process that holds memory of a card."""

    pid: int
    memory: int | None = None
    """Bytes; None where the driver does not tell."""
    name: str = ""


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One card. What a card does not tell is None."""

    index: int
    uuid: str
    name: str
    memory_used: int
    """Bytes, as `memory_total`."""
    memory_total: int
    utilisation: int | None = None
    """Percent of the last moment."""
    temperature: int | None = None
    """Degrees Celsius."""
    power_w: float | None = None
    processes: list[GpuProcess] = []

    @property
    def memory_free(self) -> int:
        """Bytes that nobody uses."""
        return max(0, self.memory_total - self.memory_used)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """All cards of a machine at one moment."""

    gpus: list[Gpu] = []
    reason: str = ""
    """Why there is none, in one line; empty when there are."""
    lost: list[str] = []
    """A line for each card that does not answer."""


class LocalGpus:
    """The cards of this machine. NVML is started with the first reading, and again when it went away."""

    def __init__(self) -> None:
        self._started = False
        self._asking: threading.Thread | None = None

    def read(self) -> Reading:
        """How they are now. A driver that hangs is none, until it answers again."""
        if self._asking is None or not self._asking.is_alive():
            answer: list[Reading | Exception] = []
            self._asking = threading.Thread(target=self._ask, args=(answer,), name="NVML", daemon=True)
            self._asking.start()
            self._asking.join(NEAR_SECONDS)
            if answer:
                if isinstance(answer[0], Exception):
                    raise answer[0]
                return answer[0]
        return Reading(reason=_no_gpu(_DRIVER))

    def _ask(self, answer: list[Reading | Exception]) -> None:
        try:
            answer.append(self._read())
        except Exception as error:  # told where it was asked
            answer.append(error)

    def _read(self) -> Reading:
        import pynvml

        try:
            if not self._started:
                pynvml.nvmlInit()
                self._started = True
            count = pynvml.nvmlDeviceGetCount()
        except pynvml.NVMLError as error:
            self._started = False
            return Reading(reason=_no_gpu(str(error)))
        gpus, lost = [], []
        for index in range(count):
            try:
                gpus.append(_local(pynvml, index))
            except pynvml.NVMLError as error:
                lost.append(f"GPU {index} does not answer: {error}")
        return Reading(gpus=gpus, lost=lost, reason="" if gpus else _no_gpu("; ".join(lost)))


def _no_gpu(why: str) -> str:
    return f"no GPU ({why})" if why else "no GPU"


def _local(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    power = _told(nvml, lambda: nvml.nvmlDeviceGetPowerUsage(handle))
    return Gpu(
        index=index,
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        name=_text(nvml.nvmlDeviceGetName(handle)),
        memory_used=int(memory.used),
        memory_total=int(memory.total),
        utilisation=_whole(_told(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu), PERCENT),
        temperature=_whole(
            _told(nvml, lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)), CELSIUS
        ),
        power_w=_within(None if power is None else power / 1000, WATTS),
        processes=_local_processes(nvml, handle),
    )


def _within(value: float | None, limits: tuple[float, float]) -> float | None:
    """None for what cannot be: some drivers tell that instead of an error."""
    return value if value is not None and limits[0] <= value <= limits[1] else None


def _whole(value: float | None, limits: tuple[float, float]) -> int | None:
    sound = _within(value, limits)
    return None if sound is None else int(sound)


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _told(nvml: Any, ask: Callable[[], Any]) -> Any:
    """None for what this card does not tell; a lost card raises, as everything about it would."""
    try:
        return ask()
    except nvml.NVMLError as error:
        if error.value == nvml.NVML_ERROR_GPU_IS_LOST:
            raise
        return None


def _local_processes(nvml: Any, handle: Any) -> list[GpuProcess]:
    """Computing and drawing ones; who does both stands in both lists."""
    found: dict[int, int | None] = {}
    for ask in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
        for process in _told(nvml, functools.partial(ask, handle)) or []:
            amounts = [amount for amount in (found.get(process.pid), process.usedGpuMemory) if amount is not None]
            found[int(process.pid)] = max(amounts, default=None)
    return [GpuProcess(pid=pid, memory=memory, name=_name_of(pid)) for pid, memory in sorted(found.items())]


def _name_of(pid: int) -> str:
    """The program's name; empty when the process is gone, or not one of this container."""
    try:
        return Path(f"/proc/{pid}/comm").read_bytes().decode("utf-8", "replace").strip()
    except OSError:
        return ""


# -- another machine ---------------------------------------------------------------------------------------------


def read_far(carrier: Carrier) -> Reading:
    """The cards of the machine that `carrier` reaches. Raises `AwayError` when it does not."""
    asked = carrier.run(_smi(f"--query-gpu={_FIELDS}"))
    words = asked.stdout.decode("utf-8", "replace")
    gpus, lost = _parsed(words)
    if not gpus:
        said = (asked.stderr.decode("utf-8", "replace").strip() or words.strip()).splitlines()
        return Reading(reason=_no_gpu(_why_none(asked.returncode, said)), lost=lost)
    listed = carrier.run(_smi(f"--query-compute-apps={_PROCESS_FIELDS}"))
    by_card = _parsed_processes(listed.stdout.decode("utf-8", "replace"))
    full = [msgspec.structs.replace(gpu, processes=by_card.get(gpu.uuid, [])) for gpu in gpus]
    return Reading(gpus=full, lost=lost)


def _smi(query: str) -> list[str]:
    return ["timeout", str(FAR_SECONDS), "nvidia-smi", query, "--format=csv,noheader,nounits"]


def _why_none(code: int, said: list[str]) -> str:
    if code == 124:
        return f"nvidia-smi gave no answer in {FAR_SECONDS} s"
    if code == 127:
        return "nvidia-smi is not installed there"
    return said[-1].strip()[:200] if said else _DRIVER


def _parsed(words: str) -> tuple[list[Gpu], list[str]]:
    """(the cards, what was said instead of a card)."""
    gpus, lost = [], []
    for row in csv.reader(words.splitlines(), skipinitialspace=True):
        try:
            index, uuid, name, used, total, *rest = (cell.strip() for cell in row)
            busy, heat, power = (_number(cell) for cell in rest)
            gpus.append(
                Gpu(
                    index=int(index), uuid=uuid, name=name, memory_used=int(used) * MEGABYTE,
                    memory_total=int(total) * MEGABYTE, utilisation=_whole(busy, PERCENT),
                    temperature=_whole(heat, CELSIUS), power_w=_within(power, WATTS),
                )
            )  # fmt: skip
        except ValueError:
            if row:
                lost.append(", ".join(row)[:200])
    return gpus, lost


def _number(cell: str) -> float | None:
    """None for `[N/A]`, `[Not Supported]` and the like."""
    return None if cell.startswith("[") or cell == "N/A" else float(cell)


def _parsed_processes(words: str) -> dict[str, list[GpuProcess]]:
    """By the card's uuid."""
    found: dict[str, list[GpuProcess]] = {}
    for line in words.splitlines():
        cells = [cell.strip() for cell in line.split(",", 3)]
        if len(cells) == 4 and cells[1].isdecimal():
            memory = int(cells[2]) * MEGABYTE if cells[2].isascii() and cells[2].isdecimal() else None
            process = GpuProcess(pid=int(cells[1]), memory=memory, name=cells[3])
            found.setdefault(cells[0], []).append(process)
    return found


# -- over a window -----------------------------------------------------------------------------------------------


class Window:
    """The average utilisation of each card over the last `seconds`; threads may add and ask at once."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._samples: dict[str, deque[tuple[float, int]]] = {}
        self._changing = threading.Lock()

    def add(self, reading: Reading, moment: float | None = None) -> None:
        """Note a reading. `moment` is of the monotonic clock, so that a jump of the wall clock changes nothing."""
        moment = time.monotonic() if moment is None else moment
        with self._changing:
            seen = {gpu.uuid: gpu.utilisation for gpu in reading.gpus if gpu.utilisation is not None}
            self._samples = {uuid: self._samples.get(uuid, deque()) for uuid in seen}  # a card that went begins anew
            for uuid, busy in seen.items():
                samples = self._samples[uuid]
                samples.append((moment, busy))
                # Where reading takes long, the last few count though they are older: else nothing would ever be known.
                while len(samples) > LEAST_SAMPLES and samples[0][0] < moment - self.seconds:
                    samples.popleft()

    def average(self, uuid: str) -> float | None:
        """Percent; None while too few samples are there for it to be known."""
        with self._changing:
            samples = self._samples.get(uuid)
            if not samples or len(samples) < LEAST_SAMPLES:
                return None
            if samples[-1][0] - samples[0][0] < LEAST_SHARE * self.seconds:
                return None
            return sum(busy for _, busy in samples) / len(samples)
