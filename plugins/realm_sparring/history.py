"""What was sparred: `status/sparring.json`, the last runs."""

from __future__ import annotations

import msgspec

from realm_cli import skillstate, store
from realm_cli.realm import Realm
from realm_cli.skill_records import SparringRun

KEPT = 200
"""Runs that the record holds."""


def add(realm: Realm, run: SparringRun) -> None:
    """Write a run down, durably. For a holder of the sparring's lock."""
    found = skillstate.sparrings(realm)
    store.write_record(
        skillstate.sparring_path(realm), msgspec.structs.replace(found, runs=[*found.runs, run][-KEPT:]), durable=True
    )


def last_number(realm: Realm, hero: str, step: int, skill: str, level: int) -> int:
    """The number of the last run of this checkpoint, skill and level; 0 before the first."""
    mine = [
        run.number
        for run in skillstate.sparrings(realm).runs
        if (run.hero, run.step, run.skill, run.level) == (hero, step, skill, level)
    ]
    return max(mine, default=0)


def was_sparred(realm: Realm, hero: str, step: int, skill: str, count: int) -> bool:
    """Whether a checkpoint has sparred with so many problems of a skill."""
    return any(
        (run.hero, run.step, run.skill) == (hero, step, skill) and run.count >= count
        for run in skillstate.sparrings(realm).runs
    )
