"""Checkpoints written so that they exist whole or not at all, and the one to go on from."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from realm_arena import statefiles
from realm_arena.quest_data import Hero
from realm_arena.trainer import Trainer
from realm_cli import checkpoints, store, weights
from realm_cli.checkpoint_records import LedgerRecord, TrainerState
from realm_cli.checkpoints import Checkpoint
from realm_cli.errors import FormatError, StorageError
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm
from realm_cli.records import now

log = logging.getLogger("realm.arena.saving")
TEMP = ".saving-"


@dataclass(frozen=True)
class Facts:
    """What the ledger says of a checkpoint beyond what its files tell."""

    state: TrainerState
    ledger: LedgerRecord
    """Complete but for canonical_name, weights_sha256, created_at and size."""


def save(hero: Hero, trainer: Trainer, facts: Facts) -> Checkpoint:
    """Write a checkpoint: beside, hashed, fsynced, renamed; then its ledger record. Raises `StorageError`, leaving nothing."""
    import msgspec

    home = hero.realm.hero_folder(hero.id)
    home.mkdir(parents=True, exist_ok=True)
    name = checkpoints.canonical_name(facts.state.step)
    temp = home / f"{TEMP}{name}"
    shutil.rmtree(temp, ignore_errors=True)
    try:
        temp.mkdir()
        statefiles.save(trainer, temp, hero.base, hero.chat_template)
        store.write_record(temp / checkpoints.TRAINER_STATE, facts.state)
        created = now()
        entry = msgspec.structs.replace(
            facts.ledger,
            canonical_name=name,
            weights_sha256=weights.weights_sha256(temp),
            created_at=created,
            size=sum(path.stat().st_size for path in temp.rglob("*")),
        )
        store.write_record(temp / checkpoints.LEDGER_MIRROR, entry)
        manifest = checkpoints.write_manifest(temp, name, created)
        final = home / name
        _make_room(hero.realm, hero.id, facts.state.step)
        temp.rename(final)
        store.sync_folder(home)
    except OSError as error:
        shutil.rmtree(temp, ignore_errors=True)
        raise StorageError("save", home / name, error) from error
    except BaseException:
        shutil.rmtree(temp, ignore_errors=True)
        raise
    Ledger(hero.realm, hero.id).record(entry)
    return Checkpoint(final, facts.state.step, manifest)


def _make_room(realm: Realm, hero: str, step: int) -> None:
    """A step that is saved again supersedes what stands there; a step beyond it belongs to an abandoned future."""
    for folder in checkpoints.folders(realm, hero):
        if checkpoints.extract_step(folder.name) >= step:
            set_aside(realm, hero, folder, "superseded: the step was trained and saved again")


def set_aside(realm: Realm, hero: str, folder: Path, reason: str) -> Path:
    """Quarantine a checkpoint folder: out of the way of resume, listing and push, but not deleted."""
    quarantine = realm.hero_folder(hero) / "quarantine"
    quarantine.mkdir(parents=True, exist_ok=True)
    target, number = quarantine / folder.name, 1
    while target.exists():
        number += 1
        target = quarantine / f"{folder.name}.{number}"
    folder.rename(target)
    store.sync_folder(quarantine)
    log.warning("%s is set aside in %s: %s", folder.name, quarantine, reason)
    ledger = Ledger(realm, hero)
    step = checkpoints.extract_step(folder.name)
    if step in ledger.steps() and ledger.get(step).canonical_name == folder.name:
        ledger.bury(step, reason)
    return target


@dataclass
class Found:
    """What a battle can go on from."""

    checkpoint: Checkpoint | None = None
    """The newest good one; None = step 0."""
    problems: list[str] = field(default_factory=list)
    """What was wrong with newer ones."""
    lost_quests: list[str] = field(default_factory=list)
    """Quests that were completed after it, whose training went with the newer ones."""


def newest_good(realm: Realm, hero: str) -> Found:
    """The checkpoint to go on from. Every file is hashed; damaged ones are set aside."""
    found = Found()
    damaged: list[LedgerRecord] = []
    clear_temps(realm, hero)
    for folder in checkpoints.folders(realm, hero):
        try:
            checkpoint = checkpoints.open_checkpoint(folder)
            checkpoints.verify(checkpoint)
            checkpoint.state()
        except FormatError as error:
            if "newer Realm" in error.problem:
                raise
            found.problems.append(error.message)
            damaged += _known_history(realm, hero, folder)
            set_aside(realm, hero, folder, f"damaged: {error.problem}")
            continue
        ensure_recorded(realm, hero, checkpoint)
        found.checkpoint = checkpoint
        break
    step = found.checkpoint.step if found.checkpoint else 0
    lost = [share.id for record in damaged if record.step > step for share in record.quests if share.completed]
    found.lost_quests = sorted(set(lost))
    return found


def _known_history(realm: Realm, hero: str, folder: Path) -> list[LedgerRecord]:
    """The ledger's records of a checkpoint and its forebears; none when the ledger does not know it."""
    ledger, step = Ledger(realm, hero), checkpoints.extract_step(folder.name)
    return ledger.ancestry(step) if step in ledger.steps() else []


def clear_temps(realm: Realm, hero: str) -> None:
    """Delete what a killed save left. For the battle, which is the only one that saves."""
    for path in realm.hero_folder(hero).glob(f"{TEMP}*"):
        shutil.rmtree(path, ignore_errors=True)


def ensure_recorded(realm: Realm, hero: str, checkpoint: Checkpoint) -> None:
    """Write the ledger record that a kill between rename and record kept from being written."""
    ledger = Ledger(realm, hero)
    if checkpoint.step not in ledger.steps() or ledger.get(checkpoint.step).canonical_name != checkpoint.name:
        ledger.record(store.read_record(checkpoint.path / checkpoints.LEDGER_MIRROR, LedgerRecord))
