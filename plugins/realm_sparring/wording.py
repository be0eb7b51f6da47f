"""What came of a sparring, in words."""

from __future__ import annotations

from realm_cli.skill_records import SparringRun
from realm_sparring.sparring import Result


def summary(result: Result) -> str:
    """One line."""
    run = result.run
    where = f"{run.skill} level {run.level}, {run.hero} at step {run.step:,}"
    if result.was_queued:
        return f"{where}: an interrupted sparring had queued quest {run.quest} already"
    if not run.wrong and not run.unjudged:
        return f"{where}: all {run.asked} answers are right, there is nothing to correct"
    told = f"{where}: {run.wrong} of {run.asked} answers are wrong{_left_out(run)}"
    if run.quest:
        return f"{told}; quest {run.quest} with {run.rows} rows waits in high"
    return f"{told}; {run.rows} rows are in {run.file}" if run.file else f"{told}; no row came of it"


def _left_out(run: SparringRun) -> str:
    """Those of which no rows were made, and why."""
    parts = [
        (run.empty, "empty"), (run.endless, "without an end"), (run.known, "known already"), (run.unjudged, "not judged"),
    ]  # fmt: skip
    told = ", ".join(f"{count} {what}" for count, what in parts if count)
    return f" ({told})" if told else ""
