"""A transfer is cut in the middle; nothing half is taken for whole, and the next one goes on from there."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import yaml

from realm_cli import checkpoints, store
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.errors import FormatError
from realm_cli.ledger import Ledger
from realm_cli.records import now
from realm_cli.zones import zones_file
from realm_sentinels.drills.stage import HERO, NotRecoveredError, Stage

PLAN = (
    "found a small realm with a checkpoint, and a zone in another folder",
    "push the checkpoint slowly, and kill vault and rsync (SIGKILL) in the middle",
    "look for a half checkpoint in the zone",
    "push again, and compare every file by its hash",
)
STEP = 8
SIZE = 2_000_000
FILES = 3
LIMIT_KB = 1_500
CUT_AT = SIZE // 2


def play(stage: Stage) -> None:
    """The whole drill. Raises `RealmError` when it did not recover."""
    zone = stage.folder / "zone"
    with stage.step("a checkpoint and a zone") as seen:
        checkpoint = make_checkpoint(stage)
        zone.mkdir()
        config = {"zones": {"drill": {"type": "local", "root": str(zone)}}}
        store.write_atomic(zones_file(stage.realm), yaml.safe_dump(config).encode())
        seen.evidence = f"{checkpoint.name}: {FILES} files of {SIZE:,} bytes"
    push = ("vault", "push", f"checkpoint_{HERO}_{STEP}", "--zone", "drill")
    there = zone / "models" / HERO / checkpoint.name
    with stage.step("the transfer is killed in the middle") as seen:
        process = stage.start(stage.line(*push, "--limit-kb", str(LIMIT_KB)), name="push")
        stage.wait_for(lambda: _arrived(zone) >= CUT_AT or process.poll() is not None, "the first bytes to arrive")
        if process.poll() is not None:
            raise NotRecoveredError("the transfer was over before it could be cut")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        seen.evidence = f"SIGKILL to the vault (pid {process.pid}) and its rsync, {_arrived(zone):,} bytes had arrived"
    with stage.step("nothing half is taken for whole") as seen:
        _refuse_halves(there)
        seen.evidence = f"no {there.relative_to(zone)} in the zone; what arrived waits in .vault/incoming"
    with stage.step("the next push goes on") as seen:
        stage.finish(stage.line(*push), name="push")
        seen.evidence = f"{there.relative_to(zone)} is there"
    with stage.step("every file is the same") as seen:
        copy = checkpoints.open_checkpoint(there)
        checkpoints.verify(copy)
        if copy.manifest.files != checkpoint.manifest.files:
            raise NotRecoveredError("the copy has other files than the checkpoint")
        left = list((zone / ".vault" / "incoming").iterdir())
        seen.evidence = f"{len(copy.manifest.files)} files have the hashes of the manifest, {len(left)} rests are left"


def make_checkpoint(stage: Stage) -> checkpoints.Checkpoint:
    """One of random bytes: nobody loads it."""
    name = checkpoints.canonical_name(STEP)
    folder = stage.realm.hero_folder(HERO) / name
    folder.mkdir(parents=True)
    for number in range(FILES):
        store.write_atomic(folder / f"part-{number}.safetensors", os.urandom(SIZE))
    record = LedgerRecord(hero=HERO, step=STEP, canonical_name=name, weights_sha256="0" * 64, created_at=now())
    store.write_record(folder / checkpoints.LEDGER_MIRROR, record)
    checkpoints.write_manifest(folder, name, now())
    Ledger(stage.realm, HERO).record(record)
    return checkpoints.open_checkpoint(folder)


def _arrived(zone: Path) -> int:
    """Bytes in the hidden folder of what arrives."""
    found = 0
    for path in (zone / ".vault" / "incoming").glob("*/*"):
        try:
            found += path.stat().st_size
        except FileNotFoundError:
            continue  # rsync has renamed it
    return found


def _refuse_halves(there: Path) -> None:
    if not there.exists():
        return
    try:
        checkpoints.verify(checkpoints.open_checkpoint(there))
    except FormatError as error:
        raise NotRecoveredError(f"a half checkpoint lies in the zone: {error.message}") from error
    raise NotRecoveredError("the checkpoint was whole before the cut; try again")
