"""The doctor as background work."""

from __future__ import annotations

from collections import Counter

from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.tasks import Task
from realm_sentinels.doctor import examine


def run(realm: Realm, manager: Manager) -> str:
    """Examine the realm; what is wrong is for those to say who read `status/doctor.json`."""
    findings = examine(realm, manager).findings
    grades = Counter(finding.grade for finding in findings)
    wrong = [finding for grade in ("error", "unknown", "warning") for finding in findings if finding.grade == grade]
    counts = ", ".join(f"{grades[grade]} {grade}" for grade in ("error", "unknown", "warning") if grades[grade])
    return f"{counts}; {wrong[0].check}: {wrong[0].message}" if wrong else "all is well"


HEALTH_CHECK = Task(
    id="health_check", title="Examine the realm", priority=4, gpu="none", estimate_s=15, cooldown_s=1800, run=run,
)  # fmt: skip
