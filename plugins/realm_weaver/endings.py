"""Why a service ended, in one line."""

from __future__ import annotations

import signal

from realm_cli.records import now
from realm_cli.service_records import Cause, Ending

COMMANDED = "it was asked to end"


def made(
    code: int | None,
    *,
    asked: bool,
    late: float | None,
    killed_for: str,
    seconds: float,
    was_ready: bool,
    last_words: str,
) -> Ending:
    """The end of a process with an exit status as `subprocess` gives it, None where it is unknown. `late`: it had so many
    seconds to end by itself and did not. `killed_for`: what its probes said.
    """
    cause, why = _cause(code, asked=asked, late=late, killed_for=killed_for)
    killed = asked or cause == "signal" and code in (-signal.SIGKILL, -signal.SIGTERM)
    return Ending(
        at=now(), cause=cause, why=why, code=code if code is not None and code >= 0 else None,
        signal=-code if code is not None and code < 0 else None, seconds=round(seconds, 2), was_ready=was_ready,
        last_words="" if killed else last_words,
    )  # fmt: skip


def _cause(code: int | None, *, asked: bool, late: float | None, killed_for: str) -> tuple[Cause, str]:
    if asked:
        return "commanded", COMMANDED if late is None else f"{COMMANDED}, and killed as it had not after {late:g} s"
    if killed_for:
        return "probe", killed_for
    if code is None:
        return "lost", "it ended, with an exit status that nobody knows"
    return ("signal", f"signal {-code} ({_signal_name(-code)})") if code < 0 else ("exit", f"exit code {code}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "a realtime signal"
