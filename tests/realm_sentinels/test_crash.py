"""Why a process died, told from real deaths and from the words of those that cannot be died here."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import Run, SmallDisk, environment
from realm_cli.realm import Realm
from realm_sentinels import crash, traces
from realm_sentinels.crash import Traces

LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_AS, (400_000_000,) * 2)\n"


def died(program: str, *line: str) -> Traces:
    """A real Python process that came to its end."""
    done = subprocess.run(
        [*line, sys.executable, "-X", "faulthandler", "-c", program], capture_output=True, text=True, env=environment(),
        check=False,
    )  # fmt: skip
    return Traces(code=done.returncode, said=done.stderr)


REAL = [
    (LIMITED + "bytearray(10**9)", "out of memory", "MemoryError"),
    ("import no_such_package", "broken environment", "ModuleNotFoundError: No module named 'no_such_package'"),
    ("import ctypes\nctypes.CDLL('/no/such.so')", "broken environment", "OSError: /no/such.so: cannot open shared object"),
    ("import ctypes\nctypes.string_at(0)", "segfault", "signal 11 (SIGSEGV)"),
    ("import os, signal\nos.kill(os.getpid(), signal.SIGBUS)", "segfault", "signal 7 (SIGBUS)"),
    ("import os, signal\nos.kill(os.getpid(), signal.SIGILL)", "segfault", "signal 4 (SIGILL)"),
    ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "killed", "signal 9 (SIGKILL)"),
    ("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)", "asked to end", "signal 15 (SIGTERM)"),
    ("raise KeyboardInterrupt", "interrupted", "KeyboardInterrupt"),
    ("def f():\n    return {}['loss']\nf()", "bug", "KeyError: 'loss'"),
    ("import socket\na, b = socket.socket(), socket.socket()\na.bind(('127.0.0.1', 0))\nb.bind(a.getsockname())",
     "refused", "OSError: [Errno 98] Address already in use"),
    ("import sys\nsys.exit(7)", "unknown", ""),
]  # fmt: skip


@pytest.mark.parametrize(("program", "kind", "evidence"), REAL, ids=[program[-40:] for program, _, _ in REAL])
def test_a_real_death_is_told_with_its_evidence(program: str, kind: str, evidence: str) -> None:
    death = crash.classify(died(program))
    assert (death.kind, death.evidence[: len(evidence)]) == (kind, evidence)
    assert death.summary
    assert death.remedy


def test_a_bug_is_told_with_its_place(tmp_path: Path) -> None:
    program = tmp_path / "fight.py"
    program.write_text("def step():\n    return 1 / 0\n\nstep()\n")
    said = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False).stderr
    death = crash.classify(Traces(code=1, said=said))
    assert death.summary == f"ZeroDivisionError at {tmp_path.name}/fight.py:2"


def test_a_segfault_is_told_with_its_place() -> None:
    death = crash.classify(died("import ctypes\nctypes.string_at(0)"))
    assert death.summary.startswith("native code crashed at ctypes/__init__.py:")


def test_a_full_disk_is_told(small_disk: SmallDisk) -> None:
    small_disk.fill()
    full = f"open({str(small_disk.inside / 'more')!r}, 'wb', buffering=0).write(b'x' * 10_000)"
    death = crash.classify(died(full, *small_disk.entered([])))
    assert death.kind == "full disk"
    assert death.evidence.startswith("OSError: [Errno 28] No space left on device")


def test_a_wrong_setting_is_told(realm: Realm, run: Run) -> None:
    realm.config_file.write_text(realm.config_file.read_text().replace("save_steps:", "save_step:"))
    ended = run("battle", "start", "-q")
    death = crash.classify(Traces(code=ended.code, said=ended.err))
    assert death.kind == "bad settings"
    assert "unknown key 'training.save_step'" in death.evidence
    assert death.needs_a_person


SAID = [
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.5 GiB",
     "CUDA out of memory"),
    ("RuntimeError: CUDA error: out of memory", "CUDA out of memory"),
    ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "CUDA out of memory"),
    ("RuntimeError: CUDA error: an illegal memory access was encountered", "CUDA error"),
    ("RuntimeError: CUDA error: unspecified launch failure", "CUDA error"),
    ("RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "CUDA error"),
    ("RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU", "CUDA error"),
    ("RuntimeError: The NVIDIA driver on your system is too old (found version 11040).", "CUDA error"),
    ("RuntimeError: [enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried "
     "to allocate 40000000000 bytes. Error code 12 (Cannot allocate memory)", "out of memory"),
    ("terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc", "out of memory"),
    ("OSError: [Errno 12] Cannot allocate memory", "out of memory"),
    ("OSError: [Errno 122] Disk quota exceeded: 'models/dio/.saving-checkpoint-5000-20260101-0000'", "full disk"),
    ("safetensors_rust.SafetensorError: Error while serializing: I/O error: No space left on device (os error 28)",
     "full disk"),
    ("ImportError: /lib/libtorch_cpu.so: undefined symbol: iJIT_NotifyEvent", "broken environment"),
    ("ImportError: /lib64/libc.so.6: version `GLIBC_2.32' not found", "broken environment"),
    ("importlib.metadata.PackageNotFoundError: No package metadata was found for torch", "broken environment"),
    ("error: status/.battle.lock is held by another battle of this realm", "refused"),
    ("error: configs/realm.yaml:7: not valid YAML: found a tab", "bad settings"),
    ("RuntimeError: The size of tensor a (128) must match the size of tensor b (64)", "bug"),
    ("", "unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "kind"), SAID, ids=[said[:40] for said, _ in SAID])
def test_the_words_of_a_death_are_understood(said: str, kind: str) -> None:
    traceback = f'Traceback (most recent call last):\n  File "battle.py", line 1, in run\n    step()\n{said}\n'
    assert crash.classify(Traces(code=1, said=traceback if said else "")).kind == kind


def test_what_was_overcome_is_no_reason() -> None:
    said = (
        "torch.OutOfMemoryError: CUDA out of memory\nTraceback (most recent call last):\n"
        '  File "pynvml/read.py", line 3, in read\n    raise MemoryError_of(pynvml)\nValueError: bad row\n'
    )
    death = crash.classify(Traces(code=1, said=said))
    assert (death.kind, death.summary) == ("bug", "ValueError at pynvml/read.py:3")


def test_the_kernel_s_word_counts_for_those_that_it_killed() -> None:
    line = "Out of memory: Killed process 4711 (python) total-vm:9000000kB, anon-rss:8000000kB"
    assert crash.classify(Traces(code=-9, kernel=line)).kind == "out of memory"
    assert crash.classify(Traces(code=None, kernel=line)).evidence == line
    assert crash.classify(Traces(code=1, said="ValueError: x", kernel=line)).kind == "bug"
    killed = crash.classify(Traces(code=-9))
    assert (killed.kind, killed.summary) == ("killed", "killed: SIGKILL, no sign of memory shortage")


def test_who_was_ended_as_hung_hung() -> None:
    death = crash.classify(Traces(code=-signal.SIGKILL, hung="no step for 900 s"))
    assert (death.kind, death.evidence, death.needs_a_person) == ("hung", "no step for 900 s", False)


def test_an_unknown_end_says_what_is_not_known() -> None:
    death = crash.classify(Traces())
    assert (death.kind, death.summary) == (
        "unknown", "it ended without saying so, and nobody knows its exit status",
    )  # fmt: skip


def test_the_kernel_s_messages_are_read_where_they_may_be() -> None:
    lines = traces.kernel_lines()
    assert all("\n" not in line for line in lines)
    assert traces.killed_by_kernel(2**22 + 1) == ""
