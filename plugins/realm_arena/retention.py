"""Which checkpoints a battle keeps: the last N, the best, champion and level-ups, what is in use. A plan first, then the deeds."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from realm_cli import champions, checkpoints, store
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.checkpoints import Checkpoint
from realm_cli.ledger import METRICS, Ledger
from realm_cli.realm import Realm


@dataclass(frozen=True)
class Plan:
    """What to drop, and why the others stay."""

    drop: list[int]
    keep: dict[int, str]


def plan(records: list[LedgerRecord], keep_last: int, protected: Mapping[int, str]) -> Plan:
    """Decide from ledger records, newest first; `protected` steps stay for the reasons given."""
    keep: dict[int, str] = {record.step: "one of the last" for record in records[:keep_last]} | dict(protected)
    for metric in METRICS:
        scored = [record for record in records if getattr(record, metric) is not None]
        if scored:
            best = min(scored, key=lambda record: getattr(record, metric))
            keep.setdefault(best.step, f"best {metric}")
    return Plan([record.step for record in records if record.step not in keep], keep)


def apply(realm: Realm, hero: str, keep_last: int) -> list[str]:
    """Drop what the plan drops, each with a tombstone first; returns the names."""
    ledger = Ledger(realm, hero)
    dropped = []
    for step in plan(ledger.list_all(None), keep_last, champions.protected_steps(realm, hero)).drop:
        name = ledger.get(step).canonical_name
        ledger.bury(step, f"retention: not one of the last {keep_last}, nor the best")
        folder = realm.hero_folder(hero) / name
        if folder.is_dir():
            # Without its manifest a half-deleted folder can never be taken for a checkpoint.
            (folder / checkpoints.MANIFEST).unlink(missing_ok=True)
            store.sync_folder(folder)
            shutil.rmtree(folder)
        dropped.append(name)
    return dropped


def drop_remains(realm: Realm, hero: str) -> None:
    """Finish deletions that a kill cut short: folders without manifest whose tombstone stands."""
    ledger = Ledger(realm, hero)
    for folder in checkpoints.folders(realm, hero):
        grave = ledger.tombstone(checkpoints.extract_step(folder.name))
        if grave is not None and grave.canonical_name == folder.name and not (folder / checkpoints.MANIFEST).exists():
            shutil.rmtree(folder)


def room_needed(checkpoint: Checkpoint | None) -> int:
    """Bytes that a save of the same size needs, with a tenth to spare."""
    return int(checkpoint.size * 1.1) if checkpoint else 0
