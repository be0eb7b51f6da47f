"""The quest board: data files in folders. The folder is the state, a rename the transition, the record the metadata.

A queued file is called `<number>.<id>.<name>`, so that a sorted listing is the order of the board and a person can
change a quest's priority with `mv`. Records lie in `status/quests/<id>.json` and never move.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from realm_cli import datafiles, journal, store
from realm_cli.errors import FormatError, NotFoundError, RefusedError, StorageError
from realm_cli.realm import PRIORITIES, Realm
from realm_cli.records import BoardRecord, JournalRecord, QuestRecord, now

log = logging.getLogger("realm.quests")

ID = re.compile(r"[0-9a-f]{12}(?:-\d+)?")
_FILE_NAME = re.compile(rf"(\d+)\.({ID.pattern})\.(.+)")
_RELIST_SECONDS = 0.05
"""How old a listing of the queue may be; listing 10,000 names for every claim would make claiming quadratic."""


@dataclass(frozen=True, order=True)
class QuestFile:
    """A quest's data file where it lies now."""

    number: int
    id: str
    name: str
    path: Path
    origin: str = ""
    """For a claimed quest: the priority it was claimed from."""

    @property
    def state(self) -> str:
        """The folder: high, normal, low, processing, recently_completed or failed."""
        return self.path.parent.name


def parse_name(path: Path) -> QuestFile | None:
    """The quest file at `path`; None for a name that is not the board's."""
    match = _FILE_NAME.fullmatch(path.name)
    return QuestFile(int(match[1]), match[2], match[3], path) if match else None


def file_name(record: QuestRecord) -> str:
    """The name of a quest's data file on the board."""
    return f"{record.number:08d}.{record.id}.{record.name}"


@dataclass(frozen=True)
class Incoming:
    """An inspected file that waits in `queue/.intake` for its place."""

    path: Path
    record: QuestRecord
    """Complete but for id and number."""


class Board:
    """All operations on the quests of one realm. Several processes may use it at once."""

    def __init__(self, realm: Realm) -> None:
        self.realm = realm
        self._listings: dict[str, tuple[float, deque[QuestFile]]] = {}

    # -- looking ---------------------------------------------------------------------------------------------

    def folder(self, state: str) -> Path:
        """The folder of a state."""
        return self.realm.queue / state

    def files(self, state: str) -> list[QuestFile]:
        """The quest files of one state, in order."""
        try:
            names = os.listdir(self.folder(state))
        except FileNotFoundError:
            return []
        folder = self.folder(state)
        return sorted(file for name in names if (file := parse_name(folder / name)))

    def find(self, quest_id: str) -> QuestFile | None:
        """Where a quest's data file lies; None when it has none (any more)."""
        states = (*PRIORITIES, "processing", "failed", "recently_completed")
        # A second look: a file that moved from a later to an earlier folder during the first would be missed.
        for _ in range(2):
            for state in states:
                for file in self.files(state):
                    if file.id == quest_id:
                        return file
        return None

    def counts(self) -> dict[str, int]:
        """How many data files each state holds; reads names only."""
        return {
            state: sum(1 for name in _names(self.folder(state)) if _FILE_NAME.fullmatch(name))
            for state in (*PRIORITIES, "processing", "failed", "recently_completed")
        }

    def record_path(self, quest_id: str) -> Path:
        """Where the record of a quest lies."""
        return self.realm.quest_records / f"{quest_id}.json"

    def record(self, quest_id: str) -> QuestRecord:
        """A quest's record. Raises `NotFoundError` for an unknown id; `@` alone means the newest quest."""
        if quest_id == "@":
            quest_id = self._newest()
        if not ID.fullmatch(quest_id):
            raise NotFoundError(f"'{quest_id}' is not a quest's id", "`realm quest list` shows the ids")
        record = self._read(quest_id) or self._rebuilt(quest_id)
        if record is None:
            raise NotFoundError(f"there is no quest '{quest_id}'", "`realm quest list` shows the ids")
        return record

    def _read(self, quest_id: str) -> QuestRecord | None:
        """The record as it is on disk; a damaged one is set aside, reported, and counts as missing."""
        return store.read_or_set_aside(self.record_path(quest_id), QuestRecord)

    def _rebuilt(self, quest_id: str) -> QuestRecord | None:
        """A lost record made again from its data file and the journal; None when there is no data file either."""
        file = self.find(quest_id)
        if file is None:
            return None
        ends = [line for line in store.read_lines(self.realm.journal) if line.get("quest") == quest_id]
        ended = ends[-1] if ends and file.state in ("failed", "recently_completed") else {}
        try:
            sha256 = datafiles.content_hash(file.path)
            samples = sum(1 for _, line in datafiles.read_rows(file.path) if line.strip())
        except FormatError:  # a rejected file; its bytes name it, as at its acceptance
            sha256, samples = store.sha256_file(file.path), 0
        except FileNotFoundError:  # it was moved this moment; it needs another look
            return self._read(quest_id)
        record = QuestRecord(
            id=file.id, name=file.name, number=file.number, sha256=sha256, size=file.path.stat().st_size,
            priority=file.state if file.state in PRIORITIES else "normal", samples=samples,
            source="rebuilt from the data file", added_at=now(), attempts=len(ends),
            outcome=ended.get("outcome", ""), reason=ended.get("reason", ""), ended_at=ended.get("time", ""),
            ended_step=ended.get("step", -1),
        )  # fmt: skip
        store.write_record(self.record_path(quest_id), record, durable=True)
        log.warning("the record of quest %s was rebuilt from its data file", quest_id)
        return record

    def _newest(self) -> str:
        records = list(self.records())
        if not records:
            raise NotFoundError("there is no quest yet", "add one: realm quest add FILE")
        return max(records, key=lambda record: record.number).id

    def records(self) -> Iterator[QuestRecord]:
        """All records, in no order. A damaged one is set aside, reported, and rebuilt from its data file."""
        for name in _names(self.realm.quest_records):
            quest_id = name.removesuffix(".json")
            if ID.fullmatch(quest_id) and name != quest_id:
                record = self._read(quest_id) or self._rebuilt(quest_id)
                if record is not None:
                    yield record

    # -- accepting -------------------------------------------------------------------------------------------

    def duplicate_of(self, sha256: str) -> QuestRecord | None:
        """The quest that has this content already."""
        found = self._read(sha256[:12])
        if found is None or found.sha256 != sha256 or self._is_orphan(found.id):
            return None
        return found

    def accept(self, incoming: list[Incoming], state: str = "") -> list[QuestRecord]:
        """Give each file its id, number and place (its priority, or the folder `state`). Durable when this returns.

        The record is written first; the rename of the data file is what makes the quest exist.
        """
        with store.locked(self.realm.board_lock):
            number = self._last_number()
            accepted = []
            for offset, item in enumerate(incoming, start=1):
                record = msgspec.structs.replace(
                    item.record, id=self._free_id(item.record.sha256), number=number + offset
                )
                store.write_record(self.record_path(record.id), record)
                accepted.append(record)
            store.write_record(self.realm.board_counter, BoardRecord(last_number=number + len(incoming)), durable=True)
            targets = [self.folder(state or record.priority) for record in accepted]
            for item, record, target in zip(incoming, accepted, targets, strict=True):
                store.sync_file(self.record_path(record.id))
                store.move(item.path, target / file_name(record), durable=False)
            for folder in {self.realm.quest_records, *targets}:
                store.sync_folder(folder)
        return accepted

    def _free_id(self, sha256: str) -> str:
        """The first 12 digits of the hash; with -2, -3… when a quest has that id already."""
        base, twin = sha256[:12], 1
        while True:
            candidate = base if twin == 1 else f"{base}-{twin}"
            if not self.record_path(candidate).exists() or self._is_orphan(candidate):
                return candidate
            twin += 1

    def _is_orphan(self, quest_id: str) -> bool:
        """Whether a record was written but its data file never came (killed in between)."""
        return not self.record(quest_id).outcome and self.find(quest_id) is None

    def _last_number(self) -> int:
        return store.read_or_rebuild(self.realm.board_counter, BoardRecord, self._recount).last_number

    def _recount(self) -> BoardRecord:
        return BoardRecord(last_number=max((record.number for record in self.records()), default=0))

    # -- training --------------------------------------------------------------------------------------------

    def claim(self) -> QuestFile | None:
        """Take the next quest into `processing`: by priority, then first in, first out. None when there is none."""
        for state in PRIORITIES:
            listing = self._listing(state)
            while listing:
                file = listing.popleft()
                target = self.realm.processing / file.path.name
                if store.move(file.path, target):
                    return QuestFile(file.number, file.id, file.name, target, origin=state)
                if not listing:
                    listing = self._listing(state)
        return None

    def _listing(self, state: str) -> deque[QuestFile]:
        listed_at, listing = self._listings.get(state, (0.0, deque[QuestFile]()))
        if not listing or time.monotonic() - listed_at > _RELIST_SECONDS:
            listing = deque(self.files(state))
            self._listings[state] = (time.monotonic(), listing)
        return listing

    def put_back(self, file: QuestFile) -> None:
        """Return a claimed quest to the queue it came from; its number keeps its place."""
        self._listings.clear()
        store.move(file.path, self.folder(self.record(file.id).priority) / file.path.name)

    def update(self, quest_id: str, **changes: object) -> QuestRecord:
        """Change fields of a quest's record, durably."""
        with store.locked(self.realm.board_lock):
            record = msgspec.structs.replace(self.record(quest_id), **changes)
            store.write_record(self.record_path(quest_id), record, durable=True)
        return record

    def end(self, file: QuestFile, outcome: str, reason: str, *, hero: str = "", step: int = -1) -> QuestRecord:
        """File a quest under its outcome: record, then journal, then the move. Repeating it after a kill counts once."""
        record = self.record(file.id)
        if not record.outcome:
            record = self.update(file.id, outcome=outcome, reason=reason, ended_at=now(), ended_step=step)
        self._journal_end(record, hero)
        folder = self.realm.completed if record.outcome == "completed" else self.realm.failed
        store.move(file.path, folder / file.path.name)
        return record

    def _journal_end(self, record: QuestRecord, hero: str) -> None:
        if record.outcome == "held" or self._is_journalled(record):
            return
        facts = {"name": record.name, "sha256": record.sha256, "samples": record.samples, "attempt": record.attempts}
        entry = JournalRecord(
            entry=journal.QUEST_END, time=record.ended_at, hero=hero, step=record.ended_step,
            quest=record.id, outcome=record.outcome, reason=record.reason, facts=facts,
        )  # fmt: skip
        journal.append(self.realm.journal, entry)

    def _is_journalled(self, record: QuestRecord) -> bool:
        """Whether this very end stands in the journal. Ends are recent, so the file's tail decides."""
        return any(
            line.get("quest") == record.id and line.get("time") == record.ended_at
            for line in store.read_tail(self.realm.journal, 64 * 1024)
        )

    def mend(self, hero: str = "") -> list[str]:
        """Put right what a kill left half done; returns one line for each mended quest. For a battle's start."""
        mended = []
        for file in self.files("processing"):
            record = self.record(file.id)
            if record.outcome:
                self.end(file, record.outcome, record.reason, hero=hero)
                mended.append(f"{file.id}: its end ({record.outcome}) was completed")
        for file in self.files("failed"):
            if not self.record(file.id).outcome:
                self.update(
                    file.id, outcome="cancelled", reason="a command that moved it was interrupted", ended_at=now()
                )
                mended.append(f"{file.id}: an interrupted command was closed as cancelled")
        return mended

    # -- people's verbs --------------------------------------------------------------------------------------

    def cancel(self, quest_id: str, reason: str) -> QuestRecord:
        """Take a queued quest off the board."""
        file = self._queued(quest_id, "cancel")
        target = self.realm.failed / file.path.name
        if not store.move(file.path, target):
            raise RefusedError(f"quest {quest_id} was taken by a battle this moment", "end it with: realm battle skip")
        moved = QuestFile(file.number, file.id, file.name, target)
        record = self.update(quest_id, outcome="cancelled", reason=reason, ended_at=now())
        self._journal_end(record, "")
        return self.record(moved.id)

    def change_priority(self, quest_id: str, priority: str) -> QuestRecord:
        """Move a queued quest to another priority; its acceptance number decides its place there."""
        file = self._queued(quest_id, "move")
        if file.state == priority:
            raise RefusedError(f"quest {quest_id} already has priority {priority}")
        if not store.move(file.path, self.folder(priority) / file.path.name):
            raise RefusedError(f"quest {quest_id} was taken by a battle this moment")
        return self.update(quest_id, priority=priority)

    def retry(self, quest_id: str, priority: str | None = None) -> QuestRecord:
        """Queue an ended quest again, behind the others of its priority; a held one goes on where it was."""
        record = self.record(quest_id)
        file = self.find(record.id)
        if file is None:
            raise NotFoundError(f"the data file of quest {record.id} is gone", "add the file again")
        if file.state not in ("failed", "recently_completed"):
            raise RefusedError(f"quest {record.id} has not ended (it is in {file.state})")
        with store.locked(self.realm.board_lock):
            # A held quest keeps its number: its cursor in the checkpoints goes by it.
            number = record.number if record.outcome == "held" else self._last_number() + 1
            if number > record.number:
                store.write_record(self.realm.board_counter, BoardRecord(last_number=number), durable=True)
        record = self.update(
            record.id, number=number, priority=priority or record.priority, outcome="", reason="", ended_at="",
            ended_step=-1, failures=0, failed_cursor=-1,
        )  # fmt: skip
        store.move(file.path, self.folder(record.priority) / file_name(record))
        return record

    def _queued(self, quest_id: str, verb: str) -> QuestFile:
        record = self.record(quest_id)
        file = self.find(record.id)
        if file is None:
            raise NotFoundError(f"quest {record.id} has no data file any more (outcome: {record.outcome or 'none'})")
        if file.state == "processing":
            raise RefusedError(f"cannot {verb} quest {record.id}: it is in battle", "end it with: realm battle skip")
        if file.state not in PRIORITIES:
            raise RefusedError(f"cannot {verb} quest {record.id}: it ended as {record.outcome}")
        return file

    def trim_completed(self, keep: int) -> list[str]:
        """Delete the data files of all but the last `keep` completed quests; their records stay."""
        surplus = self.files("recently_completed")
        surplus.sort(key=lambda file: _modified(file.path))
        dropped = surplus[: max(0, len(surplus) - keep)]
        for file in dropped:
            try:
                file.path.unlink(missing_ok=True)
            except OSError as error:
                raise StorageError("delete", file.path, error) from error
        return [file.id for file in dropped]


def _modified(path: Path) -> float:
    """When the file came into its folder."""
    try:
        return path.stat().st_ctime
    except FileNotFoundError:
        return 0.0


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
