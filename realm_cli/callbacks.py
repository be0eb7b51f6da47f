"""Callbacks of a battle: work that plugins do in its process between steps, with the model that it lends.

A battle calls them at fixed points of the training's history, never by the clock, so that a battle that was killed and
goes on does the same as one that was not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from realm_cli.generation import Generator
from realm_cli.records import EvalView

if TYPE_CHECKING:
    from realm_cli.manager import Manager
    from realm_cli.realm import Realm


@dataclass(frozen=True)
class Orders:
    """What whoever started the battle wants beyond training what is queued."""

    forge: bool = False
    """Quests are to be made whenever the board is empty."""
    until: Mapping[str, int] = field(default_factory=dict)
    """Skill and level in training at which the battle ends, all of them reached; none = for ever."""


class BattleFace(Protocol):
    """What a battle offers its callbacks."""

    realm: Realm
    manager: Manager
    hero: str
    orders: Orders

    @property
    def step(self) -> int:
        """Optimizer steps so far."""
        ...

    def generator(self) -> Generator:
        """The live model as it stands; of use until the callback returns."""
        ...

    def breathe(self, doing: str) -> None:
        """Show what is being done and look at the control flags; call it often. May leave by an exception of its own."""
        ...

    def show_eval(self, view: EvalView) -> None:
        """Show an eval's result in the battle's status."""
        ...

    def explain(self, reason: str) -> None:
        """Say why nothing can be forged; shown while the battle is idle."""
        ...

    def end(self, reason: str) -> None:
        """Ask the battle to end once the callback has returned."""
        ...


class BattleCallback(Protocol):
    """What the hook `realm_callbacks` offers: a class, made once a battle without arguments."""

    def at_checkpoint(self, battle: BattleFace) -> None:
        """The battle stands at a checkpoint: after a save at a fixed point of the history, and at the start."""
        ...

    def on_empty_board(self, battle: BattleFace) -> bool:
        """Nothing is left in high and normal; True when a quest was queued. Called only when orders say `forge`."""
        ...
