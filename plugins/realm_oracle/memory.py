"""Memory that checkpoints need and that the machine has: measured, never guessed from names."""

from __future__ import annotations

from pathlib import Path

from realm_cli import weights
from realm_cli.realm import Realm

MARGIN = 256_000_000
"""Bytes that stay free beside a loaded checkpoint, for what it computes with."""
_IN_FP32 = 4
_GROUP = Path("/sys/fs/cgroup")


def needed_for(folder: Path) -> int:
    """Bytes that the weights in `folder` take once they are loaded; from the headers of the files."""
    return sum(tensor.parameters for tensor in weights.tensors(folder)) * _IN_FP32


def free(realm: Realm) -> int:
    """Bytes that another checkpoint may take where this realm computes."""
    device = realm.config.training.device
    if device != "cpu":
        import torch

        if torch.cuda.is_available():
            held = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
            return int(torch.cuda.mem_get_info()[0]) + int(held)
    return _free_in_ram()


def _free_in_ram() -> int:
    import psutil

    available = int(psutil.virtual_memory().available)
    limit, used = _number(_GROUP / "memory.max"), _number(_GROUP / "memory.current")
    return available if limit is None or used is None else max(0, min(available, limit - used))


def _number(path: Path) -> int | None:
    """What a file of the control group says; None where there is no limit."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
