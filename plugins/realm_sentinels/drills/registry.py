"""All drills, by name."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Any

from realm_cli.errors import NotFoundError, RealmError, nearest
from realm_cli.realm import Realm
from realm_sentinels.drills.stage import Stage, Step

TITLES = {
    "kill-battle": "A battle is killed in the middle.",
    "full-disk": "The disk gets full under a battle.",
    "hung-battle": "A battle stands still.",
    "dead-oracle": "The Oracle is killed under the weaver.",
    "cut-transfer": "A transfer is cut in the middle.",
}


@dataclass
class Outcome:
    """How a drill went."""

    drill: str
    plan: tuple[str, ...]
    recovered: bool = False
    reason: str = ""
    """Why it did not recover."""
    seconds: float = 0.0
    steps: list[Step] = field(default_factory=list)
    folder: str = ""
    """Where the throw-away realm was kept; empty when it is gone."""

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return asdict(self)


def plan_of(name: str) -> tuple[str, ...]:
    """What a drill will do. Raises `NotFoundError`."""
    plan: tuple[str, ...] = _module(name).PLAN
    return plan


def run(realm: Realm, name: str, *, keep: bool, tell: Callable[[Step], None]) -> Outcome:
    """Do it. The real realm is only read: its settings are those of the throw-away one."""
    module, begun = _module(name), time.monotonic()
    outcome = Outcome(name, module.PLAN)
    stage = Stage(realm, keep=keep, tell=tell, **getattr(module, "SETTINGS", {}))
    with stage:
        try:
            module.play(stage)
            outcome.recovered = True
        except RealmError as error:
            outcome.reason = error.message
            if error.hint:
                outcome.reason += f" ({error.hint})"
    outcome.steps, outcome.folder = stage.steps, str(stage.folder) if keep else ""
    outcome.seconds = round(time.monotonic() - begun, 1)
    return outcome


def _module(name: str) -> Any:
    if name not in TITLES:
        raise NotFoundError(f"there is no drill '{name[:100]}'", nearest(name, TITLES))
    return import_module(f"realm_sentinels.drills.{name.replace('-', '_')}")
