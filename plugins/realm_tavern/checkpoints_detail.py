"""Everything about one checkpoint, of one whose files were deleted as well."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from realm_cli import champions, checkpoints, skillstate, store
from realm_cli.checkpoint_records import LedgerRecord, ManifestFile, Tombstone
from realm_cli.errors import FormatError, NotFoundError
from realm_cli.ledger import METRICS, Ledger
from realm_cli.ledgerview import GRAVES, Listing, Row
from realm_cli.realm import Realm
from realm_cli.skill_records import EvalLine
from realm_tavern.checkpoints_query import best_by

ANCESTORS = 20
QUESTS = 100
_STEP = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class Detail:
    """One checkpoint."""

    record: LedgerRecord
    path: Path | None
    """Where its files lie; None when they are gone."""
    grave: Tombstone | None
    evals: list[dict[str, Any]]
    ancestors: list[Row]
    """Its forebears, the parent first."""
    forebears: int
    """How many there are in all."""
    quests: list[dict[str, Any]]
    """What it is made of, the quest trained last first."""
    quests_total: int
    files: dict[str, ManifestFile]
    flaw: str
    """Why its files are not whole; empty when they are."""
    kept_for: list[str]

    @property
    def is_here(self) -> bool:
        """Whether its files are on this machine, to stay."""
        return self.path is not None and self.grave is None

    def as_json(self) -> dict[str, Any]:
        """The document for programs; the stable keys of `realm ledger show --json` are in it."""
        parents = [{"step": row.step, "name": row.name, "deleted": row.is_deleted} for row in self.ancestors]
        return {
            **self.record.to_dict(),
            "name": self.record.canonical_name,
            "path": str(self.path) if self.path else None,
            "deleted": self.grave and {"at": self.grave.deleted_at, "reason": self.grave.reason},
            "evals": self.evals,
            "lineage": {
                "ancestors": parents, "ancestors_total": self.forebears, "quests": self.quests,
                "quests_total": self.quests_total,
            },
            "files": msgspec.to_builtins(self.files),
            "flaw": self.flaw or None,
            "kept_for": self.kept_for,
        }  # fmt: skip


def step_of(text: str) -> int:
    """The step in an address. Raises `NotFoundError` for what is none."""
    if not _STEP.fullmatch(text):
        raise NotFoundError(f"'{text[:40]}' is not a checkpoint's step", "the ledger shows the steps")
    return int(text)


def detail(realm: Realm, ledger: Ledger, listing: Listing, step: int) -> Detail:
    """All that is known of the checkpoint of a step. Raises `NotFoundError`."""
    record, grave = _record(ledger, step)
    path = ledger.path_of(record)
    files, flaw = _files(path)
    chain = _chain(listing, record.canonical_name)
    quests, quests_total = lineage(chain, QUESTS)
    return Detail(
        record=record, path=path, grave=grave, evals=_evals(realm, ledger.hero, step), ancestors=chain[1 : ANCESTORS + 1],
        forebears=max(0, len(chain) - 1), quests=quests, quests_total=quests_total, files=files, flaw=flaw,
        kept_for=[] if grave else _kept_for(realm, ledger.hero, listing, step),
    )  # fmt: skip


def _record(ledger: Ledger, step: int) -> tuple[LedgerRecord, Tombstone | None]:
    """The record of a step; where there is none any more, that of the checkpoint deleted last."""
    try:
        return ledger.get(step), None
    except NotFoundError:
        grave = ledger.tombstone(step)
        if grave is None:
            raise
        path = ledger.folder / GRAVES / f"{grave.canonical_name}.record.json"
        try:
            return store.read_record(path, LedgerRecord), grave
        except FileNotFoundError:
            pass  # what is left is the tombstone, which the first error tells
        raise


def record_of(ledger: Ledger, step: int) -> LedgerRecord:
    """The record of a step, whether its checkpoint still exists or not. Raises `NotFoundError`."""
    return _record(ledger, step)[0]


def why_deleted(ledger: Ledger, name: str) -> str:
    """The reason on a checkpoint's tombstone; empty when it has none."""
    try:
        return store.read_record(ledger.folder / GRAVES / f"{name}.json", Tombstone).reason
    except FileNotFoundError:
        return ""


def _files(path: Path | None) -> tuple[dict[str, ManifestFile], str]:
    """(the files that the manifest names, what is wrong with them)."""
    if path is None:
        return {}, ""
    try:
        return checkpoints.open_checkpoint(path).manifest.files, ""
    except FormatError as error:
        return {}, error.problem


def _chain(listing: Listing, name: str) -> list[Row]:
    """A checkpoint and all its forebears, newest first."""
    chain: list[Row] = []
    seen: set[str] = set()
    row = listing.by_name.get(name)
    while row is not None and row.name not in seen:
        chain.append(row)
        seen.add(row.name)
        row = listing.by_name.get(row.parent)
    return chain


def lineage(chain: list[Row], most: int) -> tuple[list[dict[str, Any]], int]:
    """(the quests that a checkpoint is made of, the `most` that were trained last; how many there are in all).

    As `Ledger.lineage` tells them, but from memory: a chain is as long as the ledger.
    """
    quests: dict[str, list[Any]] = {}
    for row in chain:
        for share in row.shares:
            known = quests.get(share.id)
            if known is None:
                quests[share.id] = [share.id, share.name, share.samples, row.step, row.step, share.completed]
            else:
                known[2] += share.samples
                known[3] = row.step
    names = ("id", "name", "samples", "first_step", "last_step", "completed")
    return [dict(zip(names, facts, strict=True)) for facts in islice(quests.values(), most)], len(quests)


def _evals(realm: Realm, hero: str, step: int) -> list[dict[str, Any]]:
    """The evals of one checkpoint in all skills, lowest level first."""
    found = []
    for skill in skillstate.met(realm, hero):
        for line in _lines_of(skillstate.lines_path(realm, hero, skill), step):
            low, high = skillstate.wilson(line.correct, line.size)
            facts = {"skill": skill, **line.to_dict(), "accuracy": line.accuracy, "interval": [low, high]}
            found.append({name: fact for name, fact in facts.items() if name not in ("kind", "version")})
    return found


def _lines_of(path: Path, step: int) -> list[EvalLine]:
    """The lines of one step; of a file with the evals of 10,000 checkpoints only these are decoded."""
    try:
        content = store.read_bytes(path)
    except FileNotFoundError:
        return []
    found: dict[int, EvalLine] = {}
    for match in re.finditer(rb'"step":\s*%d(?=[,}\s])' % step, content):
        end = content.find(b"\n", match.end())
        row = content[content.rfind(b"\n", 0, match.start()) + 1 : end if end >= 0 else len(content)]
        try:
            data = msgspec.json.decode(row)
        except store.DAMAGED:
            continue  # torn: who reads the whole file reports it
        line = EvalLine.from_dict(data, str(path))
        if line.step == step:
            found[line.level] = line
    return [found[level] for level in sorted(found)]


def _kept_for(realm: Realm, hero: str, listing: Listing, step: int) -> list[str]:
    """Why retention leaves a checkpoint where it is."""
    reasons = []
    protected = champions.protected_steps(realm, hero).get(step)
    if protected:
        reasons.append(protected)
    last = realm.config.training.keep_last
    if any(row.step == step for row in listing.kept[:last]):
        reasons.append(f"one of the last {last} (training.keep_last)")
    for metric in METRICS:
        best = best_by(listing.kept, metric)
        if best is not None and best.step == step:
            reasons.append(f"best {metric}")
    return reasons


def comparison(one: LedgerRecord, other: LedgerRecord) -> list[dict[str, Any]]:
    """Numbers of two checkpoints side by side, with what changed from the other to this one."""
    names = ("step", "train_loss", "val_loss", "learning_rate", "epoch", "tokens_seen", "samples_seen", "size")
    rows = []
    for name in names:
        here, there = getattr(one, name), getattr(other, name)
        change = None if here is None or there is None else here - there
        rows.append({"name": name, "this": here, "other": there, "change": change})
    return rows
