"""The ledger: one record a checkpoint, with the statistics it had when it was saved. Written once, by the battle."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from realm_cli import checkpoints, store
from realm_cli.checkpoint_records import LedgerRecord, Tombstone
from realm_cli.errors import FormatError, NotFoundError, UsageError, nearest
from realm_cli.realm import Realm
from realm_cli.records import now

METRICS = ("train_loss", "val_loss")
_FILE = re.compile(r"(\d+)\.json")


class Ledger:
    """The ledger of one hero."""

    def __init__(self, realm: Realm, hero: str | None = None) -> None:
        self.realm = realm
        self.hero = hero or realm.config.hero
        self.folder = realm.ledger / self.hero

    def steps(self) -> list[int]:
        """All recorded steps, newest first; reads names only."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        return sorted((int(match[1]) for name in names if (match := _FILE.fullmatch(name))), reverse=True)

    def get(self, step: int) -> LedgerRecord:
        """One checkpoint's record; `NotFoundError` names the nearest steps."""
        path = self.folder / f"{step}.json"
        try:
            return store.read_record(path, LedgerRecord)
        except FileNotFoundError:
            raise NotFoundError(self._missing(step), "`realm ledger list` shows what there is") from None
        except FormatError as error:
            if "newer Realm" in error.problem:
                raise
            store.quarantine(path, error.problem)
            return self._from_mirror(step)

    def step_of(self, checkpoint: str) -> int:
        """The step that a user names, as number or canonical name; 0 is the base model. Never another checkpoint."""
        if checkpoint == "0":
            return 0
        is_number = checkpoints.is_step(checkpoint)
        step = int(checkpoint) if is_number else checkpoints.extract_step(checkpoint)
        record = self.get(step)
        if not is_number and record.canonical_name != checkpoint.rstrip("/").rpartition("/")[2]:
            raise NotFoundError(
                f"there is no {checkpoint}; step {step} is {record.canonical_name}", "name that, or the step"
            )
        return step

    def _missing(self, step: int) -> str:
        grave = self.tombstone(step)
        if grave is not None:
            return f"checkpoint {step} of {self.hero} was deleted at {grave.deleted_at} ({grave.reason})"
        near = sorted(sorted(self.steps(), key=lambda known: abs(known - step))[:3])
        return f"{self.hero} has no checkpoint at step {step}" + (
            f"; near it: {', '.join(map(str, near))}" if near else ""
        )

    def _from_mirror(self, step: int) -> LedgerRecord:
        """A damaged record made again from the copy in its checkpoint."""
        for folder in checkpoints.folders(self.realm, self.hero):
            if checkpoints.extract_step(folder.name) == step:
                try:
                    record = store.read_record(folder / checkpoints.LEDGER_MIRROR, LedgerRecord)
                except FileNotFoundError:
                    continue
                store.write_record(self.folder / f"{step}.json", record, durable=True)
                return record
        raise NotFoundError(self._missing(step))

    def list_all(self, limit: int | None = 20) -> list[LedgerRecord]:
        """Records, newest first. One that is deleted meanwhile, or damaged for good, is passed over."""
        found: list[LedgerRecord] = []
        for step in self.steps():
            if len(found) == limit:
                break
            with suppress(NotFoundError):
                found.append(self.get(step))
        return found

    def get_latest(self) -> LedgerRecord:
        """The newest record."""
        newest = self.list_all(1)
        if not newest:
            raise NotFoundError(f"{self.hero} has no checkpoint yet", "train one: realm battle start")
        return newest[0]

    def get_best(self, metric: str = "train_loss") -> LedgerRecord:
        """The record with the lowest `metric`; the newer one wins a tie."""
        if metric not in METRICS:
            raise UsageError(f"'{metric}' is not a metric", nearest(metric, METRICS))
        scored = [record for record in self.list_all(None) if getattr(record, metric) is not None]
        if not scored:
            raise NotFoundError(f"no checkpoint of {self.hero} has a {metric}")
        best: LedgerRecord = min(scored, key=lambda record: getattr(record, metric))
        return best

    def lineage(self, step: int) -> list[dict[str, Any]]:
        """Which quests the checkpoint is made of, oldest first, each with its trained samples and steps."""
        chain = self.ancestry(step)
        quests: dict[str, dict[str, Any]] = {}
        for record in reversed(chain):
            for share in record.quests:
                entry = quests.setdefault(
                    share.id,
                    {
                        "id": share.id,
                        "name": share.name,
                        "sha256": share.sha256,
                        "samples": 0,
                        "first_step": record.step,
                    },
                )
                entry["samples"] += share.samples
                entry["last_step"] = record.step
                entry["completed"] = share.completed
        return list(quests.values())

    def ancestry(self, step: int) -> list[LedgerRecord]:
        """The record and all its forebears, newest first; deleted ones too, as their records stay in the graves."""
        chain = [self.get(step)]
        while chain[-1].parent:
            parent = self._ever(chain[-1].parent)
            if parent is None or parent in chain:
                break
            chain.append(parent)
        return chain

    def _ever(self, name: str) -> LedgerRecord | None:
        """A record by canonical name, whether its checkpoint still exists or not."""
        with suppress(NotFoundError):
            record = self.get(checkpoints.extract_step(name))
            if record.canonical_name == name:
                return record
        with suppress(FileNotFoundError):
            return store.read_record(self._graves() / f"{name}.record.json", LedgerRecord)
        return None

    def saw(self, quest: str) -> list[LedgerRecord]:
        """The checkpoints between whose parent and themselves the quest (id or hash) was trained, newest first.

        Deleted ones count too: `path_of` tells which are still there.
        """
        buried = [store.read_record(path, LedgerRecord) for path in self._graves().glob("*.record.json")]
        saw = [
            record
            for record in [*self.list_all(None), *buried]
            if any(quest in (share.id, share.sha256) for share in record.quests)
        ]
        return sorted(saw, key=lambda record: (record.step, record.created_at), reverse=True)

    # -- for the writer --------------------------------------------------------------------------------------

    def record(self, entry: LedgerRecord) -> None:
        """Write a new entry, durably. An older one of the same step (saved again after a rollback) is buried."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{entry.step}.json"
        with suppress(NotFoundError):
            if path.exists() and self.get(entry.step).canonical_name != entry.canonical_name:
                self.bury(entry.step, "superseded: the step was trained and saved again")
        store.write_record(path, entry, durable=True)

    def bury(self, step: int, reason: str) -> Tombstone:
        """Leave a tombstone for a checkpoint that is deleted; its record moves beside it, for the lineage."""
        record = self.get(step)
        self._graves().mkdir(parents=True, exist_ok=True)
        grave = Tombstone(
            hero=self.hero, step=step, canonical_name=record.canonical_name, reason=reason, deleted_at=now()
        )
        store.write_record(self._graves() / f"{record.canonical_name}.record.json", record, durable=True)
        store.write_record(self._graves() / f"{record.canonical_name}.json", grave, durable=True)
        (self.folder / f"{step}.json").unlink(missing_ok=True)
        return grave

    def _graves(self) -> Path:
        return self.folder / "deleted"

    def tombstone(self, step: int) -> Tombstone | None:
        """The newest tombstone of a step."""
        graves = sorted(self._graves().glob(f"checkpoint-{step}-*.json"))
        plain = [path for path in graves if not path.name.endswith(".record.json")]
        return store.read_record(plain[-1], Tombstone) if plain else None

    def path_of(self, record: LedgerRecord) -> Path | None:
        """Where the checkpoint of a record lies on this machine; None when it is gone."""
        folder = self.realm.hero_folder(self.hero) / record.canonical_name
        return folder if folder.is_dir() else None

    def here(self, step: int) -> tuple[LedgerRecord, Path]:
        """The record and the folder of a checkpoint on this machine; one that was sent here brings its record along."""
        bring = f"where it is: realm vault locate checkpoint_{self.hero}_{step}; bring it here with realm vault fetch"
        try:
            record = self.get(step)
        except NotFoundError as error:
            for folder in checkpoints.folders(self.realm, self.hero):
                if checkpoints.extract_step(folder.name) == step:
                    with suppress(FileNotFoundError):
                        return store.read_record(folder / checkpoints.LEDGER_MIRROR, LedgerRecord), folder
            raise NotFoundError(error.message, bring) from None
        found = self.path_of(record)
        if found is None:
            raise NotFoundError(f"checkpoint {record.canonical_name} of {self.hero} is not on this machine", bring)
        return record, found

    def as_json(self, record: LedgerRecord) -> dict[str, Any]:
        """The stable keys of a record for scripts, and all others beside them."""
        path = self.path_of(record)
        return {
            **record.to_dict(),
            "name": record.canonical_name,
            "path": str(path) if path else None,
        }
