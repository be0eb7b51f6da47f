"""The machine under the battle: device, threads, memory that runs out."""

from __future__ import annotations

import os

import torch

from realm_cli.errors import RealmError


def pick_device(name: str) -> torch.device:
    """The device that `training.device` names; `auto` is the first GPU where there is one."""
    if name == "cuda" and not torch.cuda.is_available():
        raise RealmError(
            "training.device is cuda, but torch sees no GPU", "use the CPU: realm config set training.device auto"
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def default_threads() -> int:
    """The processors this process may use."""
    return len(os.sched_getaffinity(0))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out; on CPU torch raises a plain RuntimeError."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "allocate memory" in str(error)


def free_cached_memory(device: torch.device) -> None:
    """Give memory back that torch holds in reserve."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
