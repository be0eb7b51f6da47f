"""What the weaver knows of each service, and what people want of it: written by the weaver and `realm weaver up|down`,
read by whoever shows services. A state is what it says only while the weaver that wrote it runs: ask `services.seen`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from realm_cli.records import ProcessMark, ProcessRecord, Record

State = Literal["stopped", "waiting", "starting", "ready", "backing off", "stopping", "foreign", "ended"]
"""waiting: for services that it needs. backing off: it failed and is started again later. foreign: somebody else started
it. ended: it ended and its policy says that it stays so."""
Cause = Literal["exit", "signal", "probe", "commanded", "start", "lost"]
"""start: it could not be started at all. lost: its exit status is unknown, as the weaver that had started it is gone."""
HISTORY = 50
"""Ends of a service that are remembered."""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """One end of a service's process."""

    at: str
    cause: Cause
    why: str
    """One line: the exit code, the signal, what the probe said, who commanded it."""
    code: int | None = None
    signal: int | None = None
    seconds: float | None = None
    """How long it ran."""
    was_ready: bool = False
    last_words: str = ""
    """The last line that it said, its error where it said one."""


class ServiceState(ProcessRecord, frozen=True, kw_only=True):
    """One service as the weaver keeps it (`status/weaver/services/<name>.json`). Its writer is the weaver."""

    kind: ClassVar[str] = "service_state"

    name: str
    title: str = ""
    state: State = "stopped"
    reason: str = ""
    """One line: why it is not ready."""
    since: str = ""
    """When it came into this state."""
    url: str = ""
    process: ProcessMark | None = None
    needs: list[str] = msgspec.field(default_factory=list)
    restarts: int = 0
    """Starts after an end that nobody commanded."""
    failures: int = 0
    """Ends in a row without health between them."""
    next_try_at: str = ""
    ready_after_s: float | None = None
    """Seconds from its start to its first good answer."""
    history: list[Ending] = msgspec.field(default_factory=list)
    """Its last ends, oldest first."""


class WeaverRecord(ProcessRecord, frozen=True, kw_only=True):
    """The running weaver (`status/weaver/weaver.json`); removed at its end."""

    kind: ClassVar[str] = "weaver"

    process: ProcessMark
    started_at: str
    request: str = ""
    """The last request that it has seen (`WantedRecord.request`)."""
    beside: bool = False
    """Whether it holds the services of a `realm play` that runs."""
    problem: str = ""
    """Why it goes on with the settings that it had: a mistake in `configs/services.yaml`."""


class WantedRecord(Record, frozen=True, kw_only=True):
    """The services that should run (`status/weaver/wanted.json`). Written by `realm weaver up|down|mend` under a lock."""

    kind: ClassVar[str] = "wanted"

    services: list[str] = msgspec.field(default_factory=list)
    request: str = ""
    """New with every request, so that the weaver can say which one it has seen."""
    at: str = ""
    retry: bool = False
    """Try at once what is backing off."""


SERVICE_RECORDS: tuple[type[Record], ...] = (ServiceState, WeaverRecord, WantedRecord)
