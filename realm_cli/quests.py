"""The quest board: data files in folders. The folder is the state, a rename the transition, the record the metadata.

A queued file is called `<number>.<id>.<name>`, so that a sorted listing is the order of the board and a person can
change a quest's priority with `mv`. Records lie in `status/quests/<id>.json` and never move.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from realm_cli import journal, store
from realm_cli.errors import NotFoundError, RealmError, RefusedError
from realm_cli.questfiles import FILE_NAME, ID, QuestFile, came_at, file_name, parse_name, rebuilt_record
from realm_cli.realm import PRIORITIES, Realm
from realm_cli.records import BoardRecord, JournalRecord, QuestRecord, now

log = logging.getLogger("realm.quests")

STATES = (*PRIORITIES, "processing", "failed", "recently_completed")
ENDED = ("failed", "recently_completed")
_RELIST_SECONDS = 0.05
"""How old a listing of the queue may be."""


class Incoming(msgspec.Struct, frozen=True):
    """An inspected file that waits in `queue/.intake` for its place."""

    path: Path
    record: QuestRecord
    """Complete but for id and number."""


class Board:
    """All operations on the quests of one realm. Several processes may use it at once."""

    def __init__(self, realm: Realm) -> None:
        self.realm = realm
        self._listings: dict[str, tuple[float, deque[str]]] = {}

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
        # A second look: a file that moved from a later to an earlier folder during the first would be missed.
        for _ in range(2):
            for state in STATES:
                candidates = (self.folder(state) / name for name in _names(self.folder(state)) if quest_id in name)
                for file in filter(None, map(parse_name, candidates)):
                    if file.id == quest_id:
                        return file
        return None

    def counts(self) -> dict[str, int]:
        """How many data files each state holds; reads names only."""
        return {state: sum(1 for name in _names(self.folder(state)) if FILE_NAME.fullmatch(name)) for state in STATES}

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
        """A lost record made again; None when there is no data file either."""
        for _ in range(2):
            file = self.find(quest_id)
            if file is None:
                return None
            try:
                record = rebuilt_record(self.realm, file)
            except FileNotFoundError:
                continue  # it moved on this moment
            store.write_record(self.record_path(quest_id), record, durable=True)
            log.warning("the record of quest %s was rebuilt from its data file", quest_id)
            return record
        return None

    def _newest(self) -> str:
        records = list(self.records())
        if not records:
            raise NotFoundError("there is no quest yet", "add one: realm quest add FILE")
        return max(records, key=lambda record: record.number).id

    def records(self) -> Iterator[QuestRecord]:
        """All records, in no order. A damaged or lost one is reported and rebuilt from its data file."""
        names = {name.removesuffix(".json") for name in _names(self.realm.quest_records) if name.endswith(".json")}
        for quest_id in names | {file.id for state in STATES for file in self.files(state)}:
            if ID.fullmatch(quest_id):
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
        """Give each file its id, number and place (its priority, or the folder `state`). Durable when this returns."""
        with store.locked(self.realm.board_lock):
            return self.place(incoming, state)

    def place(self, incoming: list[Incoming], state: str = "") -> list[QuestRecord]:
        """`accept` for a caller that holds the board's lock.

        The records are written first; the rename of the data file is what makes a quest exist. What did not come to
        that, because the disk refused, leaves nothing behind.
        """
        records: list[QuestRecord] = []
        placed = 0
        try:
            for number, item in enumerate(incoming, start=self._last_number() + 1):
                quest_id = self._free_id(item.record.sha256, {record.id for record in records})
                records.append(msgspec.structs.replace(item.record, id=quest_id, number=number))
                store.write_record(self.record_path(records[-1].id), records[-1])
            if records:
                self._count_to(records[-1].number)
            for item, record in zip(incoming, records, strict=True):
                store.sync_file(self.record_path(record.id))
                if not store.move(item.path, self._place_of(record, state), durable=False):
                    raise RealmError(f"{item.path} was deleted before it was queued", "add the file again")
                placed += 1
            for folder in {self.realm.quest_records, *(self._place_of(record, state).parent for record in records)}:
                store.sync_folder(folder)
        except BaseException:
            for record in records[placed:]:
                with suppress(OSError):
                    self.record_path(record.id).unlink(missing_ok=True)
            raise
        return records

    def _place_of(self, record: QuestRecord, state: str) -> Path:
        return self.folder(state or record.priority) / file_name(record)

    def _count_to(self, number: int) -> None:
        store.write_record(self.realm.board_counter, BoardRecord(last_number=number), durable=True)

    def forget_orphans(self, sha256: str) -> None:
        """Delete the records that an adding killed half-way left of this content."""
        with store.locked(self.realm.board_lock):
            for quest_id in self._ids_of(sha256):
                if self._is_orphan(quest_id):
                    store.delete(self.record_path(quest_id))

    def _ids_of(self, sha256: str) -> list[str]:
        """The ids of this content that have a record."""
        known: list[str] = []
        while self.record_path(candidate := _numbered(sha256, len(known) + 1)).exists():
            known.append(candidate)
        return known

    def _free_id(self, sha256: str, given: set[str]) -> str:
        """The first 12 digits of the hash; with -2, -3… when a quest has that id already, or it was just given."""
        taken = self._ids_of(sha256)
        orphan = next((quest_id for quest_id in taken if quest_id not in given and self._is_orphan(quest_id)), None)
        return orphan or _numbered(sha256, len(taken) + 1)

    def _is_orphan(self, quest_id: str) -> bool:
        """Whether the quest was never begun and has no data file: its adding was killed, or a person deleted it."""
        record = self._read(quest_id) or self._rebuilt(quest_id)
        never_begun = record is not None and not record.attempts and record.outcome in ("", "failed")
        return record is None or (never_begun and self.find(quest_id) is None)

    def _last_number(self) -> int:
        return store.read_or_rebuild(self.realm.board_counter, BoardRecord, self._recount).last_number

    def _recount(self) -> BoardRecord:
        return BoardRecord(last_number=max((record.number for record in self.records()), default=0))

    # -- training --------------------------------------------------------------------------------------------

    def claim(self, priorities: Sequence[str] = PRIORITIES) -> QuestFile | None:
        """Take the next quest into `processing`: by priority, then first in, first out. None when there is none."""
        for state in priorities:
            while (name := self._next_name(state)) is not None:
                file = parse_name(self.realm.processing / name)
                if file is not None and store.move(self.folder(state) / name, file.path):
                    file = msgspec.structs.replace(file, origin=state)
                    if not self._was_brought_back(file):
                        return file
        return None

    def _was_brought_back(self, file: QuestFile) -> bool:
        """An ended quest whose file a person moved into the queue again is queued anew, as by `retry`."""
        record = self._read(file.id)
        if record is None or not record.outcome:
            return False
        with store.locked(self.realm.board_lock):
            record = self.record(file.id)
            log.warning(
                "quest %s had ended (%s); its file was moved back, so it is queued again", file.id, record.outcome
            )
            self._requeue(file, record, file.origin)
        self._listings.clear()
        return True

    def _next_name(self, state: str) -> str | None:
        """The next file to try; from a listing that may be a moment old, as other processes claim as well."""
        expires, names = self._listings.get(state, (0.0, deque[str]()))
        if not names or time.monotonic() > expires:
            begun = time.monotonic()
            names = deque(sorted(name for name in _names(self.folder(state)) if FILE_NAME.fullmatch(name)))
            # Listing 10,000 names for every claim would make claiming quadratic: it may take a twentieth of the time.
            ended = time.monotonic()
            self._listings[state] = (ended + max(_RELIST_SECONDS, 20 * (ended - begun)), names)
        return names.popleft() if names else None

    def put_back(self, file: QuestFile) -> None:
        """Return a claimed quest to the queue it came from; its number keeps its place."""
        self._listings.clear()
        store.move(file.path, self.folder(file.origin or self.record(file.id).priority) / file.path.name)

    def update(self, quest_id: str, **changes: object) -> QuestRecord:
        """Change fields of a quest's record, durably."""
        with store.locked(self.realm.board_lock):
            return self._change(self.record(quest_id), **changes)

    def _change(self, record: QuestRecord, **changes: object) -> QuestRecord:
        """`update` for a holder of the board's lock."""
        changed = msgspec.structs.replace(record, **changes)
        store.write_record(self.record_path(record.id), changed, durable=True)
        return changed

    def end(self, file: QuestFile, outcome: str, reason: str, *, hero: str = "", step: int = -1) -> QuestRecord:
        """File a quest under its outcome: record, then journal, then the move. Repeating it after a kill counts once."""
        record = self.record(file.id)
        if not record.outcome:
            record = self.update(file.id, outcome=outcome, reason=reason, ended_at=now(), ended_step=step)
        self._journal_end(record, hero)
        folder = self.realm.completed if record.outcome == "completed" else self.realm.failed
        store.move(file.path, folder / file.path.name)
        return record

    def _journal_end(self, record: QuestRecord, hero: str = "") -> None:
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
        tail = store.read_tail(self.realm.journal, 64 * 1024)
        return any(line.get("quest") == record.id and line.get("time") == record.ended_at for line in tail)

    def mend(self, hero: str = "") -> list[str]:
        """Put right what a kill left half done; returns one line for each mended quest. For a battle's start."""
        store.make_folders(self.realm.folders())
        mended = []
        for file in self.files("processing"):
            record = self.record(file.id)
            if record.outcome:
                self.end(file, record.outcome, record.reason, hero=hero)
                mended.append(f"{file.id}: its end ({record.outcome}) was completed")
        journalled = {(line.get("quest"), line.get("time")) for line in store.read_lines(self.realm.journal)}
        for file in (file for state in ENDED for file in self.files(state)):
            record = self.record(file.id)
            if not record.outcome:
                reason = "its file was moved by hand, or a command was interrupted"
                record = self.update(file.id, outcome="cancelled", reason=reason, ended_at=now())
                mended.append(f"{file.id}: it was closed as cancelled ({reason})")
            if (record.id, record.ended_at) not in journalled:
                self._journal_end(record)
        return mended

    # -- people's verbs --------------------------------------------------------------------------------------

    def cancel(self, quest_id: str, reason: str, outcome: str = "cancelled") -> QuestRecord:
        """Take a queued quest off the board; by a rule its outcome is another."""
        file = self.queued(quest_id, "cancel")
        if not store.move(file.path, self.realm.failed / file.path.name):
            raise _just_taken(file)
        record = self.update(file.id, outcome=outcome, reason=reason, ended_at=now())
        self._journal_end(record)
        return record

    def change_priority(self, quest_id: str, priority: str) -> QuestRecord:
        """Move a queued quest to another priority; its acceptance number decides its place there."""
        file = self.movable(quest_id, priority)
        if not store.move(file.path, self.folder(priority) / file.path.name):
            raise _just_taken(file)
        return self.update(file.id, priority=priority)

    def movable(self, quest_id: str, priority: str) -> QuestFile:
        """A queued quest that is not in `priority` yet."""
        file = self.queued(quest_id, "move")
        if file.state == priority:
            raise RefusedError(f"quest {file.id} already has priority {priority}")
        return file

    def retry(self, quest_id: str, priority: str | None = None) -> QuestRecord:
        """Queue an ended quest again, behind the others of its priority; a held one goes on where it was."""
        with store.locked(self.realm.board_lock):
            file = self.ended(quest_id)
            record = self.record(file.id)
            return self._requeue(file, record, priority or record.priority)

    def ended(self, quest_id: str) -> QuestFile:
        """An ended quest whose data file is still there."""
        record = self.record(quest_id)
        file = self.find(record.id)
        if file is None:
            raise NotFoundError(f"the data file of quest {record.id} is gone", "add the file again")
        if file.state not in ENDED:
            raise RefusedError(f"quest {record.id} has not ended (it is in {file.state})")
        return file

    def _requeue(self, file: QuestFile, record: QuestRecord, priority: str) -> QuestRecord:
        """Give an ended quest a new beginning; for a holder of the board's lock."""
        # A held quest keeps its number: its cursor in the checkpoints goes by it.
        number = record.number
        if record.outcome != "held":
            number = self._last_number() + 1
            self._count_to(number)
        record = self._change(
            record, number=number, priority=priority, outcome="", reason="", ended_at="", ended_step=-1, failures=0,
            failed_cursor=-1,
        )  # fmt: skip
        store.move(file.path, self.folder(priority) / file_name(record))
        return record

    def queued(self, quest_id: str, verb: str) -> QuestFile:
        """A quest that waits in the queue; `verb` names in messages what is wanted of it."""
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
        surplus.sort(key=lambda file: came_at(file.path))
        dropped = surplus[: max(0, len(surplus) - keep)]
        for file in dropped:
            store.delete(file.path)
        return [file.id for file in dropped]


def _numbered(sha256: str, number: int) -> str:
    """The id of the first, second… quest of one content."""
    return sha256[:12] if number == 1 else f"{sha256[:12]}-{number}"


def _just_taken(file: QuestFile) -> RefusedError:
    return RefusedError(f"quest {file.id} was taken by a battle this moment", "end it with: realm battle skip")


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
