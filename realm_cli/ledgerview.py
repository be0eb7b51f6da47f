"""The ledger in memory: of every checkpoint the few facts that lists show, read once from each file.

A record's file is written once and replaced only as a whole, so its identity tells whether it has to be read again.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from realm_cli import store
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.errors import NotFoundError, RealmError
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm

log = logging.getLogger("realm.ledger")

GRAVES = "deleted"
_KEPT = re.compile(r"[0-9]+\.json")
_GRAVE = re.compile(r"checkpoint-.+\.record\.json")
TICK_NS = 100_000_000
"""A folder that changed so recently may change again without a new time of change."""
CHUNK = 50
"""Files that are read before other threads get their turn."""


class Share(NamedTuple):
    """A quest's part in a checkpoint."""

    id: str
    name: str
    samples: int
    completed: bool


class _Share(msgspec.Struct):
    id: str
    name: str
    samples: int
    completed: bool


class _Facts(msgspec.Struct):
    """The part of a ledger record that lists need; decoding only this takes a third of the time."""

    kind: str
    version: int
    step: int
    canonical_name: str
    created_at: str
    parent: str = ""
    train_loss: float | None = None
    val_loss: float | None = None
    skill_name: str = ""
    skill_level: int = 0
    training_file: str = ""
    quests: list[_Share] = []
    size: int = 0
    saved_for: str = ""


_DECODER = msgspec.json.Decoder(_Facts)


@dataclass(frozen=True, slots=True)
class Row:
    """One checkpoint of the ledger."""

    step: int
    name: str
    parent: str
    created_at: str
    train_loss: float | None
    val_loss: float | None
    size: int
    saved_for: str
    skill: str
    level: int
    training_file: str
    shares: tuple[Share, ...]
    is_deleted: bool

    def names(self, needle: str) -> bool:
        """Whether `needle` (lower case) is part of a quest's name."""
        return needle in self.training_file.lower() or any(needle in share.name.lower() for share in self.shares)


@dataclass(frozen=True)
class Listing:
    """All checkpoints at one moment."""

    number: int
    """Another one whenever something changed."""
    kept: list[Row]
    """Newest step first."""
    buried: list[Row]
    by_name: dict[str, Row]
    skills: list[str]
    reasons: list[str]
    """All values of `saved_for`."""
    problems: list[str]


class _Folder:
    """The rows of one folder of record files."""

    def __init__(self, ledger: Ledger, path: Path, *, of_graves: bool) -> None:
        self._ledger, self._path, self._of_graves = ledger, path, of_graves
        self._seen: tuple[int, int] | None = None
        self._rows: dict[str, tuple[tuple[int, int], Row | str]] = {}

    @property
    def rows(self) -> list[Row]:
        return [row for _, row in self._rows.values() if isinstance(row, Row)]

    @property
    def problems(self) -> list[str]:
        return [problem for _, problem in self._rows.values() if isinstance(problem, str)]

    def refresh(self) -> bool:
        """Read what is new. True when something changed."""
        try:
            facts = os.stat(self._path)
        except FileNotFoundError:
            changed = bool(self._rows)
            self._rows, self._seen = {}, None
            return changed
        seen = (facts.st_ino, facts.st_mtime_ns)
        if seen == self._seen:
            return False
        is_settled = time.time_ns() - facts.st_mtime_ns > TICK_NS
        changed = self._read_again()
        self._seen = seen if is_settled else None
        return changed

    def _read_again(self) -> bool:
        before, rows = self._rows, {}
        for number, (name, mark) in enumerate(self._files()):
            known = before.get(name)
            if known is not None and known[0] == mark:
                rows[name] = known
                continue
            row = self._row(name)
            if row is not None:
                rows[name] = (mark, row)
            if number % CHUNK == 0:
                time.sleep(0.0005)
        self._rows = rows
        return before.keys() != rows.keys() or any(before[name][0] != mark for name, (mark, _) in rows.items())

    def _files(self) -> Iterable[tuple[str, tuple[int, int]]]:
        with os.scandir(self._path) as entries:
            for entry in entries:
                if not (_GRAVE if self._of_graves else _KEPT).fullmatch(entry.name):
                    continue
                try:
                    facts = entry.stat()
                except FileNotFoundError:
                    continue
                yield entry.name, (facts.st_ino, facts.st_mtime_ns)

    def _row(self, name: str) -> Row | str | None:
        """The facts in a file; a text when they cannot be read, nothing when it is gone."""
        path = self._path / name
        try:
            content = store.read_bytes(path)
            try:
                facts = _decoded(content)
            except store.DAMAGED:
                facts = self._whole(path)
            return _row_of(facts, buried=self._of_graves)
        except (FileNotFoundError, NotFoundError):
            return None
        except RealmError as error:
            log.warning("%s", error.message)
            return error.message

    def _whole(self, path: Path) -> _Facts:
        """A file of an older format, or a damaged one, in the way of the ledger, which knows what to do about it."""
        record = store.read_record(path, LedgerRecord) if self._of_graves else self._ledger.get(int(path.stem))
        return msgspec.convert(record.to_dict(), _Facts)


def _decoded(content: bytes) -> _Facts:
    """Raises ValueError for what is not of the present format."""
    facts = _DECODER.decode(content)
    if facts.kind != LedgerRecord.kind or facts.version != LedgerRecord.version:
        raise ValueError(f"{facts.kind} {facts.version}")
    return facts


def _row_of(facts: _Facts, *, buried: bool) -> Row:
    shares = tuple(Share(share.id, share.name, share.samples, share.completed) for share in facts.quests)
    return Row(
        step=facts.step, name=facts.canonical_name, parent=facts.parent, created_at=facts.created_at,
        train_loss=facts.train_loss, val_loss=facts.val_loss, size=facts.size, saved_for=facts.saved_for,
        skill=facts.skill_name, level=facts.skill_level, training_file=facts.training_file, shares=shares,
        is_deleted=buried,
    )  # fmt: skip


class LedgerView:
    """The light facts of all checkpoints of a hero, read again only where files changed."""

    def __init__(self, realm: Realm, hero: str) -> None:
        self.ledger = Ledger(realm, hero)
        self._kept = _Folder(self.ledger, self.ledger.folder, of_graves=False)
        self._graves = _Folder(self.ledger, self.ledger.folder / GRAVES, of_graves=True)
        self._reading = threading.Lock()
        self._listing: Listing | None = None

    def listing(self) -> Listing:
        """The ledger now."""
        with self._reading:
            changed = [folder.refresh() for folder in (self._kept, self._graves)]
            if self._listing is None or any(changed):
                self._listing = self._listed(self._listing.number + 1 if self._listing else 1)
            return self._listing

    def _listed(self, number: int) -> Listing:
        kept = sorted(self._kept.rows, key=lambda row: row.step, reverse=True)
        names = {row.name for row in kept}
        # A deletion that a kill cut short leaves the record in both places: it is not deleted yet.
        buried = [row for row in self._graves.rows if row.name not in names]
        buried.sort(key=lambda row: (row.step, row.created_at), reverse=True)
        by_name = {row.name: row for row in (*buried, *kept)}
        skills = sorted({row.skill for row in by_name.values() if row.skill})
        reasons = sorted({row.saved_for for row in by_name.values() if row.saved_for})
        problems = [*self._kept.problems, *self._graves.problems]
        return Listing(number, kept, buried, by_name, skills, reasons, problems)


class Views:
    """The views of all heroes that were asked for; the active one's is read ahead."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._views: dict[str, LedgerView] = {}

    def of(self, hero: str) -> LedgerView:
        """A hero's."""
        return self._views.setdefault(hero, LedgerView(self._realm, hero))

    def active(self) -> LedgerView:
        """The active hero's."""
        return self.of(self._realm.config.hero)

    def warm(self) -> None:
        """Read the active hero's ledger in a thread of its own, so that the first page need not wait for it."""
        threading.Thread(target=self._read_ahead, name="ledger", daemon=True).start()

    def _read_ahead(self) -> None:
        try:
            self.active().listing()
        except (RealmError, OSError) as error:
            log.warning("the ledger was not read ahead: %s", error)


@lru_cache(maxsize=4)
def views_of(realm: Realm) -> Views:
    """The views of a realm, shared by all pages of an app: the same object, as its configuration is kept fresh."""
    return Views(realm)
