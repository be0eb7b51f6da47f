"""Background tasks: what a plugin offers at `realm_tasks`, for whoever runs them when a GPU is idle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from realm_cli.manager import Manager
    from realm_cli.realm import Realm

TIMEOUT_FACTOR = 3
"""A task is ended after so many times its estimate."""


def _always(_realm: Realm) -> str:
    return ""


@dataclass(frozen=True)
class Task:
    """One kind of background work."""

    id: str
    title: str
    """What it does, in a few words."""
    priority: int
    """Higher goes first."""
    gpu: Literal["none", "inference"]
    """inference: needs the GPU of the machine that answers (the inference host, else this one) to be idle."""
    estimate_s: float
    cooldown_s: float
    """Seconds from the end of one run to the next."""
    run: Callable[[Realm, Manager], str]
    """Does the work in a process of its own and says in one line what was done. What it raises makes the run fail."""
    idle: Callable[[Realm], str] = _always
    """Why there is nothing to do now, in one line; empty = there is. Cheap: files only, asked every few seconds."""
    enabled: bool = True
    """Whether it runs unless `configs/tasks.yaml` says otherwise."""

    @property
    def timeout_s(self) -> float:
        """After so many seconds it is ended."""
        return TIMEOUT_FACTOR * self.estimate_s
