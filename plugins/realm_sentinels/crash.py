"""Why a process died: its exit status, what it said last, what the kernel says. Pure: what is known comes in, a verdict goes out."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import Literal

import msgspec

Kind = Literal[
    "out of memory", "CUDA out of memory", "CUDA error", "full disk", "broken environment", "bad settings", "interrupted",
    "segfault", "hung", "killed", "bug", "asked to end", "refused", "unknown",
]  # fmt: skip

ONLY_A_PERSON = ("broken environment", "bad settings", "interrupted", "asked to end", "refused")
"""Kinds after which a new start would end in the same way, or is not wanted."""


@dataclass(frozen=True)
class Traces:
    """What is left of a process."""

    code: int | None = None
    """As `subprocess` gives it: negative for a signal; None where nobody knows."""
    said: str = ""
    """The last of what it wrote."""
    kernel: str = ""
    """What the kernel says of an end for lack of memory; empty without."""
    hung: str = ""
    """Why it was ended as hung; empty when it was not."""


class Death(msgspec.Struct, frozen=True, kw_only=True):
    """How a process ended."""

    kind: Kind
    summary: str
    """One line."""
    evidence: str = ""
    """The line, status or signal that tells so."""
    remedy: str = ""

    @property
    def needs_a_person(self) -> bool:
        """Whether another start, with nothing changed, is of no use."""
        return self.kind in ONLY_A_PERSON


_ERROR = re.compile(r"^(?:error: )?([A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Warning|Failure))(?::\s*(.*))?$")
_PLACE = re.compile(r'^\s*File "([^"]+)", line (\d+)(?:,? in (\S+))?')
_SEGFAULTS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
_Sign = tuple[Kind, re.Pattern[str], str, str]


def _sign(kind: Kind, pattern: str, summary: str, remedy: str) -> _Sign:
    return kind, re.compile(pattern, re.IGNORECASE), summary, remedy


_SIGNS: tuple[_Sign, ...] = (
    _sign(
        "CUDA out of memory",
        r"cuda out of memory|torch\.(?:cuda\.)?OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED|CUDA error: out of memory",
        "the GPU had too little memory",
        "lower recipe.micro_batch_tokens, set recipe.gradient_checkpointing, or end what else uses the GPU",
    ),
    _sign(
        "CUDA error",
        r"CUDA error|cuda runtime error|CUBLAS_STATUS|CUDNN_STATUS|NVML|no kernel image is available|"
        r"NVIDIA driver|torch sees no GPU|NCCL error",
        "the GPU or its driver failed",
        "nvidia-smi, then dmesg (lines with Xid); a restart of the machine helps when the driver is stuck",
    ),
    _sign(
        "full disk",
        r"No space left on device|Disk quota exceeded|ENOSPC|file too large|File size limit exceeded",
        "the disk is full",
        "free space there: realm vault prune, then start again",
    ),
    _sign(
        "out of memory",
        r"\bMemoryError\b|Cannot allocate memory|can't allocate memory|not enough memory|std::bad_alloc|"
        r"DefaultCPUAllocator",
        "the machine had too little memory",
        "end other programs, lower recipe.micro_batch_tokens, or add swap",
    ),
    _sign(
        "broken environment",
        r"\bImportError\b|ModuleNotFoundError|undefined symbol|cannot open shared object file|version `GLIBC\w*_[\d.]+' not found|"
        r"PackageNotFoundError|No module named",
        "a package is missing or does not fit",
        "make setup",
    ),
    _sign(
        "bad settings",
        r"unknown key '|: expected `|not valid YAML|ValidationError|there is no hero '|was made from other settings",
        "a setting is wrong",
        "realm config check",
    ),
    _sign(
        "refused",
        r"is held by another battle of this realm|Address already in use|address is in use",
        "another process has what it needs",
        "realm doctor shows who",
    ),
    _sign("interrupted", r"^KeyboardInterrupt\b", "a person interrupted it", "start it again when you want"),
)  # fmt: skip


def classify(traces: Traces) -> Death:
    """The most certain reading first: what it was ended for, the kernel's word, its own last error, its signal."""
    for judge in (_hung, _by_kernel, _by_words, _by_signal, _bug):
        found = judge(traces)
        if found is not None:
            return found
    if traces.code is None:
        return Death(
            kind="unknown", summary="it ended without saying so, and nobody knows its exit status",
            evidence=_last_line(traces.said), remedy="see the end of its log",
        )  # fmt: skip
    return Death(
        kind="unknown", summary=f"it ended with exit code {traces.code}", evidence=_last_line(traces.said),
        remedy="see the end of its log",
    )  # fmt: skip


def _hung(traces: Traces) -> Death | None:
    if not traces.hung:
        return None
    return Death(
        kind="hung", summary="it made no progress", evidence=traces.hung,
        remedy="the stacks in logs/battle.stacks show where it stood; a GPU, a network disk or a deadlock can be why",
    )  # fmt: skip


def _by_kernel(traces: Traces) -> Death | None:
    """The kernel kills with SIGKILL; a process that ended otherwise was not its victim."""
    if not traces.kernel or traces.code not in (None, -signal.SIGKILL, 128 + signal.SIGKILL):
        return None
    return Death(
        kind="out of memory", summary="the kernel killed it as the machine had no memory left", evidence=traces.kernel,
        remedy="end other programs, lower recipe.micro_batch_tokens, or add swap",
    )  # fmt: skip


def _by_words(traces: Traces) -> Death | None:
    """Only what it said at its end counts: the last error, or the lines about it."""
    if _signal_of(traces.code) == signal.SIGKILL:
        return None  # whoever is killed says nothing of it
    # Indented lines are frames and their sources: a path or a name in them says nothing.
    words = [line for line in reversed(_ending(traces.said)) if not line.startswith("  ")]
    for kind, pattern, summary, remedy in _SIGNS:
        for line in words:
            if pattern.search(line.strip()):
                return Death(kind=kind, summary=summary, evidence=_short(line), remedy=remedy)
    return None


def _by_signal(traces: Traces) -> Death | None:
    number = _signal_of(traces.code)
    if number is None:
        fatal = next((line for line in _ending(traces.said) if line.startswith("Fatal Python error:")), None)
        return None if fatal is None else _segfault(fatal, traces.said)
    name = _name_of(number)
    if number == signal.SIGKILL:
        return Death(
            kind="killed", summary="killed: SIGKILL, no sign of memory shortage", evidence=f"signal {number} ({name})",
            remedy="somebody or a service manager killed it; nothing is lost but the steps since the last checkpoint",
        )  # fmt: skip
    if number in _SEGFAULTS:
        return _segfault(f"signal {number} ({name})", traces.said)
    if number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        return Death(
            kind="asked to end", summary=f"it was asked to end ({name})", evidence=f"signal {number} ({name})",
            remedy="start it again when you want",
        )  # fmt: skip
    if number == signal.SIGXFSZ:
        return Death(
            kind="full disk", summary="a file reached the limit of its size", evidence=f"signal {number} ({name})",
            remedy="raise the limit: ulimit -f",
        )  # fmt: skip
    return Death(kind="killed", summary=f"killed: {name}", evidence=f"signal {number} ({name})", remedy="see its log")


def _segfault(evidence: str, said: str) -> Death:
    place = _place_in(said, last=False)  # faulthandler writes the most recent call first
    return Death(
        kind="segfault", summary=f"native code crashed{f' at {place}' if place else ''}", evidence=evidence,
        remedy="a driver, a package or the memory of the machine; make setup, then a memory test when it comes again",
    )  # fmt: skip


def _bug(traces: Traces) -> Death | None:
    for line in reversed(_ending(traces.said)):
        match = _ERROR.match(line.strip())
        if match is not None:
            place = _place_in(traces.said, last=True)
            where = f" at {place}" if place else ""
            return Death(
                kind="bug", summary=f"{match[1].rpartition('.')[2]}{where}", evidence=_short(line),
                remedy="report it with the end of the log; the next start goes on from the last checkpoint",
            )  # fmt: skip
    return None


# -- reading ---------------------------------------------------------------------------------------------------------

_LINES = 60


def _ending(said: str) -> list[str]:
    """The last traceback with what follows it; without one the last lines."""
    lines = [line for line in said.splitlines() if line.strip()][-400:]
    begins = [n for n, line in enumerate(lines) if line.startswith(("Traceback (most recent", "Fatal Python error:"))]
    return lines[begins[-1] :] if begins else lines[-_LINES:]


def _place_in(said: str, *, last: bool) -> str:
    """`file:line` of the innermost frame."""
    frames = [match for line in _ending(said) if (match := _PLACE.match(line))]
    if not frames:
        return ""
    frame = frames[-1 if last else 0]
    return f"{'/'.join(frame[1].split('/')[-2:])}:{frame[2]}"


def _signal_of(code: int | None) -> int | None:
    """The signal that ended a process; a shell gives 128 and its number."""
    if code is None or 0 <= code <= 128 or code > 128 + 64:
        return None
    return -code if code < 0 else code - 128


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_line(said: str) -> str:
    return _short(next((line for line in reversed(said.splitlines()) if line.strip()), ""))


def _short(line: str) -> str:
    return line.strip()[:300]
