"""Jobs: programs that run somewhere (hook `realm_runners`), each found again by its id after any restart of ours.

A runner keeps everything that is known of a job under the job's id, so that submitting the same id twice is one job: who
was killed between deciding and starting asks again and harms nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import msgspec

from realm_cli.errors import UsageError

if TYPE_CHECKING:
    from realm_cli.manager import Manager
    from realm_cli.realm import Realm

DEFAULT_RUNNER = "local"
State = Literal["waiting", "running", "done", "failed", "cancelled", "lost"]
ENDED: tuple[State, ...] = ("done", "failed", "cancelled", "lost")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A program to run."""

    id: str
    """Chosen by who submits it; letters, digits, `.`, `_` and `-`."""
    command: tuple[str, ...]
    """An argument list, never a shell string."""
    name: str = ""
    """What it is called to people."""
    folder: str = ""
    """Where it runs; empty = the realm's root, on another machine the base_dir of its host."""
    environment: dict[str, str] = {}
    """Added to that of the machine."""
    seconds: float | None = None
    """It is ended (SIGTERM, then SIGKILL, with all that it started) after so long; None = never."""
    grace: float = 5.0
    """Seconds from SIGTERM to SIGKILL when it is ended."""
    gpus: int = 0
    """How many GPUs it needs, for runners that hand them out."""


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a job stands."""

    id: str
    state: State
    """lost: its machine knows nothing of it any more, so that nothing can be said of its end."""
    code: int | None = None
    """Exit status, once it ended by itself."""
    signal: int | None = None
    """The signal that ended it."""
    reason: str = ""
    """One line: why it waits, failed, was ended, is lost."""
    submitted_at: str = ""
    started_at: str = ""
    ended_at: str = ""


class Output(NamedTuple):
    """A piece of what a job said."""

    data: bytes
    offset: int
    """Where the next piece begins."""


class Runner(Protocol):
    """One place where jobs run. Every method raises `AwayError` when it cannot be reached now."""

    def submit(self, job: Job) -> JobStatus:
        """Start it, detached from this process. A job of that id that is there already is left as it is."""

    def poll(self, job: str) -> JobStatus:
        """How it stands. Raises `NotFoundError` for one that was never submitted."""

    def cancel(self, job: str) -> JobStatus:
        """End it with all that it started; one that has ended stays as it is."""

    def logs(self, job: str, offset: int = 0) -> Output:
        """What it said on standard output and error, from `offset` on; a flood is cut in the middle."""

    def close(self) -> None:
        """Drop the connection; jobs go on."""


RunnerType = Callable[["Realm", "Manager", str], Runner]
"""What a part of `realm_runners` is: opens the runner for a target (`ssh:3090` → `3090`). Reaches nothing yet."""


def open_runner(realm: Realm, manager: Manager, place: str = DEFAULT_RUNNER) -> Runner:
    """The runner of `place`: `local`, `ssh:HOST`, `slurm`, `slurm:PARTITION`. Raises `NotFoundError`."""
    name, _, target = place.partition(":")
    if not name:
        raise UsageError(f"'{place}' names no runner", "local, ssh:HOST, slurm or slurm:PARTITION")
    kind: RunnerType = manager.load_part("realm_runners", name, "runner")
    return kind(realm, manager, target)
