"""What the guild knows of its own health: evals that wait."""

from __future__ import annotations

from realm_cli.checks import Check, Finding
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import seconds_since
from realm_cli.terminal import human_seconds
from realm_guild import requests

LONG_SECONDS = 86_400.0


def look(realm: Realm, manager: Manager) -> list[Finding]:
    """Evals that a process took and died with; evals that nobody makes."""
    found = []
    taken = requests.orphans(realm)
    if taken:
        found.append(
            Finding(
                check="evals", grade="warning", message=f"{len(taken)} evals were taken by processes that are gone",
                evidence=", ".join(path.name for path in taken[:3]), remedy="realm skill eval --pending",
                fix="let them wait again",
            )
        )  # fmt: skip
    waiting = requests.waiting(realm)
    oldest = min((request.requested_at for _, request in waiting), default="")
    if oldest and seconds_since(oldest) > LONG_SECONDS:
        reason = next((request.reason for _, request in waiting if request.reason), "nobody has made them")
        found.append(
            Finding(
                check="evals", grade="warning",
                message=f"{len(waiting)} evals wait, the oldest for {human_seconds(seconds_since(oldest))}",
                evidence=reason, remedy="realm skill eval --pending, or realm weaver up taskmaster",
            )
        )  # fmt: skip
    return found


def give_back(realm: Realm, manager: Manager, finding: Finding) -> str:
    """What dead processes had taken waits again."""
    return f"{len(requests.pending(realm))} evals wait"


EVALS = Check("evals", "no eval is stuck", look, give_back)
