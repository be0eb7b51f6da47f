"""The disk guard: frees space by the retention rules before the disk is full, and says what it did.

Room is needed for two more checkpoints of the newest one's size beside `training.reserve_mb`. Freed in this order: what
lies in the trash too long, then what no rule keeps. Nothing that is protected is ever touched, nor what can still be restored.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from realm_cli import store
from realm_cli.errors import NotFoundError, RealmError
from realm_cli.ledger import Ledger
from realm_cli.zones import LOCAL, KeepRules
from realm_vault.dropping import Dropper, Trashed
from realm_vault.keeper import Keeper
from realm_vault.pruning import plan

SAVES = 2


@dataclass
class Guarded:
    """What the guard found and did."""

    needed: int
    free: int
    """Bytes, before."""
    deeds: list[str] = field(default_factory=list)
    free_after: int = 0

    @property
    def is_enough(self) -> bool:
        """Whether there is room now."""
        return self.free_after >= self.needed


def needed(keeper: Keeper) -> int:
    """Bytes that have to be free."""
    config = keeper.realm.config.training
    try:
        size = Ledger(keeper.realm).get_latest().size
    except NotFoundError:
        size = 0
    return int(SAVES * size * 1.1) + config.reserve_mb * 1_000_000


def guard(keeper: Keeper, dropper: Dropper) -> Guarded:
    """Free space when there is too little."""
    root = keeper.realm.root
    found = Guarded(needed(keeper), store.free_bytes(root))
    found.free_after = found.free
    if found.is_enough:
        return found
    for one in dropper.empty_trash(LOCAL):
        found.deeds.append(f"{one.record.id} was in the trash too long")
    found.free_after = store.free_bytes(root)
    if not found.is_enough:
        keeper.scan()
        _drop_by_rules(keeper, dropper, found)
    restorable = sum(one.record.size for one in dropper.trash(LOCAL))
    if restorable and not found.is_enough:
        found.deeds.append(f"{restorable / 1e9:.2f} GB in the trash can still be restored and stay (trash_days)")
    return found


def _drop_by_rules(keeper: Keeper, dropper: Dropper, found: Guarded) -> None:
    """The oldest first; without rules for the realm, what a battle itself would not keep."""
    rules = keeper.places.config(LOCAL).keep or {
        "checkpoint": KeepRules(last=keeper.realm.config.training.keep_last, best=1)
    }
    for verdict in reversed(plan(keeper.realm, keeper, dropper, LOCAL, rules)):
        if found.is_enough:
            return
        if not verdict.drop:
            continue
        try:
            dropper.drop(verdict.asset, LOCAL, "the disk is nearly full and no rule keeps it")
        except RealmError as error:
            found.deeds.append(f"{verdict.asset} stays: {error.message}")
            continue
        dropper.delete(_newest(dropper, verdict.asset))
        found.deeds.append(f"{verdict.asset}: no rule keeps it")
        found.free_after = store.free_bytes(keeper.realm.root)


def _newest(dropper: Dropper, asset: str) -> Trashed:
    return next(one for one in dropper.trash(LOCAL) if one.record.id == asset)
