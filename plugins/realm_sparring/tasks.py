"""Sparring as background work."""

from __future__ import annotations

import functools

from realm_cli import curriculum, skillbook
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.tasks import Task
from realm_sparring import history, sources


def idle(realm: Realm, skill: str, count: int) -> str:
    """Why there is nothing to spar now."""
    hero = realm.config.hero
    if skill not in skillbook.skill_ids(realm):
        return f"there is no skill {skill}"
    reason = curriculum.left_out(realm, hero, skill)
    if reason:
        return reason
    newest = next(iter(Ledger(realm, hero).steps()), 0)
    if not newest:
        return f"{hero} has no checkpoint yet"
    for _, record, source in sources.waiting(realm):
        if (source.hero, source.skill) == (hero, skill) and not sources.is_stale(realm, source, newest):
            return f"a sparring quest of {skill} waits already: {record.id}"
    if history.was_sparred(realm, hero, newest, skill, count):
        return f"the newest checkpoint, step {newest}, has sparred {skill} already"
    return ""


def run(realm: Realm, manager: Manager, skill: str, count: int) -> str:
    """One sparring with the newest checkpoint, at the level in training."""
    from realm_sparring import sparring, wording

    return wording.summary(sparring.spar(realm, manager, sparring.Order(skill, count)))


def _task(
    name: str, skill: str, count: int, priority: int, estimate_s: float, cooldown_s: float, enabled: bool
) -> Task:
    def run_it(realm: Realm, manager: Manager) -> str:
        return run(realm, manager, skill, count)

    return Task(
        id=name, title=f"Spar with {count} problems of {skill}", priority=priority, gpu="inference",
        estimate_s=estimate_s, cooldown_s=cooldown_s, run=run_it, enabled=enabled,
        idle=functools.partial(idle, skill=skill, count=count),
    )  # fmt: skip


BINARY = _task("sparring_binary", "bin", 100, 9, 600, 1800, True)
SY = _task("sparring_sy", "sy", 100, 9, 900, 1800, False)
BINARY_LARGE = _task("sparring_binary_large", "bin", 500, 8, 2400, 7200, True)
