"""The gatekeeper: one quest file through the inspectors that the plugins offer."""

from __future__ import annotations

import logging
from pathlib import Path

from realm_cli import datafiles, store
from realm_cli.config import Depth
from realm_cli.errors import FormatError, RealmError, RefusedError
from realm_cli.inspection import DEPTHS, Inspector, Report, Subject
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import InspectionRecord

log = logging.getLogger("realm.gatekeeper")


def hash_or_report(path: Path) -> tuple[str, InspectionRecord | None]:
    """(hash of the content, None); with damaged compression (hash of the bytes, the report that says so)."""
    try:
        return datafiles.content_hash(path), None
    except FormatError as error:
        report = Report(depth="quick")
        report.error("compression", error.problem)
        return store.sha256_file(path), report.record()


def inspect(realm: Realm, manager: Manager, path: Path, sha256: str, depth: Depth, quest: str = "") -> InspectionRecord:
    """Run the inspectors up to `depth`; a deeper one runs only when the shallower ones found no error.

    With a quest id they also leave their by-products (tokens, preview) for the battle and the page.
    """
    report = Report(depth=depth)
    subject = Subject(realm=realm, hero=realm.config.hero, path=path, sha256=sha256, quest=quest)
    inspectors: dict[str, Inspector] = {
        name: manager.load_part("realm_inspectors", name, "inspector") for name in manager.parts("realm_inspectors")
    }
    if not inspectors:
        raise RefusedError(
            "no inspector is installed, so no quest can be checked", "enable one: realm plugins enable arena"
        )
    for wanted in DEPTHS[: DEPTHS.index(depth) + 1]:
        for name, inspector in inspectors.items():
            if not report.errors and getattr(inspector, "depth", "quick") == wanted:
                _run(name, inspector, subject, report)
    return report.record()


def _run(name: str, inspector: Inspector, subject: Subject, report: Report) -> None:
    """One inspector. One that breaks keeps the file from the queue, and stops neither the others nor a battle."""
    try:
        inspector.inspect(subject, report)
    except (RealmError, OSError, MemoryError):
        raise
    except Exception as error:  # the edge of a plugin
        log.exception("inspector '%s' failed on %s", name, subject.path.name)
        report.error(name, f"the inspector itself failed ({type(error).__name__}: {error}); see `realm plugins list`")


def rejection(report: InspectionRecord) -> str:
    """The reason of a rejected quest in one line."""
    first = next(finding for finding in report.findings if finding.severity == "error")
    where = f"line {first.line}: " if first.line else ""
    more = f" (and {report.errors - 1} more)" if report.errors > 1 else ""
    return f"inspection: {where}{first.message}{more}"
