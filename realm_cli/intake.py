"""How files become quests: from a command line or the inbox, through the inspectors, to the board.

A file first comes into `queue/.intake`, by copy or by rename, so that two takers never hold the same one. What a kill
leaves there is dealt with by the next intake: a file that was moved in is taken again, a copy is thrown away.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from realm_cli import datafiles, gatekeeper, inbox, store
from realm_cli.config import Depth
from realm_cli.errors import RefusedError, StorageError, UsageError
from realm_cli.events import emit
from realm_cli.inspection import Report
from realm_cli.manager import Manager
from realm_cli.process import user_name
from realm_cli.questfiles import parse_name
from realm_cli.quests import ENDED, Board, Incoming
from realm_cli.realm import PRIORITIES, Realm
from realm_cli.records import InspectionRecord, PreviewRecord, QuestRecord, now

log = logging.getLogger("realm.intake")
_told: set[Path] = set()
BATCH = 100
"""Files that share one lock and one set of folder fsyncs."""


@dataclass
class Outcome:
    """What became of one given file."""

    path: Path
    record: QuestRecord | None = None
    """The quest, queued or failed; None for a refused duplicate."""
    report: InspectionRecord | None = None
    problem: str = ""
    """Why it is not in the queue."""
    hint: str = ""
    duplicate: bool = False
    """The problem is that the content is on the board already."""


@dataclass
class _Waiting:
    """A file in `.intake`, inspected."""

    outcome: Outcome
    incoming: Incoming
    report: InspectionRecord
    reason: str = ""
    state: str = ""

    @property
    def sha256(self) -> str:
        return self.incoming.record.sha256


def add_files(
    realm: Realm,
    manager: Manager,
    paths: Iterable[Path],
    *,
    priority: str = "normal",
    source: str = "",
    again: bool = False,
    depth: Depth | None = None,
) -> list[QuestRecord]:
    """Copy files to the board and return their quests; the first one that is refused or rejected raises."""
    records = []
    for outcome in add(realm, manager, paths, priority=priority, source=source, again=again, depth=depth):
        if outcome.problem or outcome.record is None:
            raise RefusedError(f"{outcome.path}: {outcome.problem}", outcome.hint)
        records.append(outcome.record)
    return records


def add(
    realm: Realm,
    manager: Manager,
    paths: Iterable[Path],
    *,
    priority: str = "normal",
    source: str = "",
    provenance: dict[str, Any] | None = None,
    again: bool = False,
    depth: Depth | None = None,
) -> list[Outcome]:
    """Copy files to the board. Every file gets an outcome; one bad file does not stop the others."""
    if priority not in PRIORITIES:
        raise UsageError(f"priority '{priority}' is not one of {', '.join(PRIORITIES)}")
    store.make_folders(realm.folders())
    board = Board(realm)
    outcomes = [Outcome(path) for path in paths]
    for start in range(0, len(outcomes), BATCH):
        batch: list[_Waiting] = []
        copies: list[Path] = []
        try:
            for outcome in outcomes[start : start + BATCH]:
                copy = _copy_of(realm, outcome)
                if copy is not None:
                    copies.append(copy)
                    origin = source or f"{user_name()}:{datafiles.printable(outcome.path.absolute())}"
                    batch += _prepare(
                        realm, manager, board, copy, outcome, priority, origin, provenance or {}, again, depth
                    )
            _accept(realm, manager, board, batch, again)
        finally:
            for copy in copies:
                with suppress(OSError):
                    copy.unlink(missing_ok=True)
    return outcomes


def _copy_of(realm: Realm, outcome: Outcome) -> Path | None:
    """The given file as a copy in `.intake`; None, with the problem noted, when it cannot be read."""
    if datafiles.is_partial(outcome.path.name):
        outcome.problem = "its name says that it is hidden or still being copied"
        outcome.hint = "add it under its final name"
        return None
    if not datafiles.is_quest_name(outcome.path.name):
        outcome.problem = f"not a quest file ({', '.join(datafiles.SUFFIXES)})"
        outcome.hint = "name it *.jsonl, with one JSON row a line"
        return None
    try:
        return _copy_in(realm, outcome.path)
    except StorageError as error:
        if error.path != outcome.path:
            raise
        outcome.problem, outcome.hint = error.message, error.hint
        return None


def _copy_in(realm: Realm, path: Path) -> Path:
    """Raises a `StorageError` whose path is the source's when that is what cannot be read. A draft is taken as it is."""
    if inbox.is_own_draft(realm, path):
        store.sync_file(path)
        return path
    on_board = parse_name(path)
    target = inbox.place(realm, "copy", on_board.name if on_board else path.name)
    try:
        source = open(path, "rb")  # noqa: SIM115 - whose fault a refusal is decides its message
    except OSError as error:
        raise StorageError("copy", path, error) from error
    try:
        with source, open(target, "wb") as copy:
            shutil.copyfileobj(source, copy, datafiles.CHUNK)
        store.sync_file(target)
    except BaseException as error:
        with suppress(OSError):
            target.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StorageError("write", target, error) from error
        raise
    return target


def _prepare(
    realm: Realm, manager: Manager, board: Board, path: Path, outcome: Outcome, priority: str, source: str,
    provenance: dict[str, Any], again: bool, depth: Depth | None,
) -> list[_Waiting]:  # fmt: skip
    """Hash and inspect a file in `.intake`; nothing when it is a duplicate, which spares the inspection."""
    sha256, report = gatekeeper.hash_or_report(path)
    if report is None:
        twin = board.duplicate_of(sha256)
        if twin is not None and not again:
            _refuse_duplicate(outcome, twin)
            return []
        wanted = depth or realm.config.board.inspection
        report = gatekeeper.inspect(realm, manager, path, sha256, wanted, sha256[:12])
    record = QuestRecord(
        id="", number=0, name=inbox.given_name(path), sha256=sha256, size=path.stat().st_size, priority=priority,
        source=source, provenance=provenance, added_at=now(), samples=report.samples, tokens=report.tokens, trained_tokens=report.trained_tokens,
        skipped_samples=report.skipped_samples, skill=report.skill, level=report.level,
    )  # fmt: skip
    waiting = _Waiting(outcome, Incoming(path, record), report)
    if not report.ok:
        waiting.state = "failed"
        waiting.reason = gatekeeper.rejection(report)
        ended = msgspec.structs.replace(record, outcome="failed", reason=waiting.reason, ended_at=now())
        waiting.incoming = Incoming(path, ended)
    return [waiting]


def _refuse_duplicate(outcome: Outcome, twin: QuestRecord) -> None:
    outcome.duplicate = True
    outcome.problem = f"the same content is already quest {twin.id} ({twin.name}, {twin.outcome or 'not ended'})"
    outcome.hint = "queue it once more with --again" + (
        f", or: realm quest retry {twin.id}" if twin.outcome and twin.outcome != "completed" else ""
    )


def _accept(realm: Realm, manager: Manager, board: Board, batch: list[_Waiting], again: bool) -> None:
    """Bring inspected files to the board, each state in one go; a twin that came meanwhile is refused here."""
    for state in sorted({waiting.state for waiting in batch}):
        own = [waiting for waiting in batch if waiting.state == state]
        chosen: list[_Waiting] = []
        beside: list[_Waiting] = []
        with store.locked(realm.board_lock):
            for waiting in own:
                twin = None if again else board.duplicate_of(waiting.sha256)
                if twin is not None:
                    _refuse_duplicate(waiting.outcome, twin)
                elif not again and any(other.sha256 == waiting.sha256 for other in chosen):
                    beside.append(waiting)
                else:
                    chosen.append(waiting)
            records = board.place([waiting.incoming for waiting in chosen], state)
        for waiting, record in zip(chosen, records, strict=True):
            _accepted(realm, manager, board, waiting, record)
        for waiting in beside:
            _refuse_duplicate(waiting.outcome, next(one for one in records if one.sha256 == waiting.sha256))


def _accepted(realm: Realm, manager: Manager, board: Board, waiting: _Waiting, record: QuestRecord) -> None:
    waiting.outcome.record = record
    waiting.outcome.report = waiting.report
    store.write_record(realm.reports / f"{record.id}.json", waiting.report)
    _name_preview(realm, record)
    if waiting.state == "failed":
        waiting.outcome.problem = waiting.reason
        waiting.outcome.hint = f"the report: realm quest show {record.id}"
        file = board.find(record.id)
        if file is not None:
            board.end(file, record.outcome, record.reason)
        emit(realm, manager, "quest_rejected", quest=record.id, file=record.name, reason=record.reason)
    else:
        emit(realm, manager, "quest_added", quest=record.id, file=record.name, priority=record.priority)


def _name_preview(realm: Realm, record: QuestRecord) -> None:
    """The preview was written while the quest had no id yet, under the one that its content has the first time."""
    first = record.sha256[:12]
    if record.id != first:
        preview = store.read_or_set_aside(realm.previews / f"{first}.json", PreviewRecord)
        if preview is not None:
            own = msgspec.structs.replace(preview, quest=record.id)
            store.write_record(realm.previews / f"{record.id}.json", own)


def retry(realm: Realm, manager: Manager, quest_id: str, priority: str | None = None) -> QuestRecord:
    """Queue an ended quest again; one that failed is inspected again."""
    board = Board(realm)
    record = board.record(quest_id)
    file = board.find(record.id)
    if file is not None and file.state in ENDED:
        sha256, report = gatekeeper.hash_or_report(file.path)
        if sha256 != record.sha256:
            raise RefusedError(
                f"quest {record.id} is no longer what was accepted: {file.path} has changed",
                f"add it as a new quest: realm quest add {file.path}",
            )
        if report is None and file.state == "failed":
            depth = realm.config.board.inspection
            report = gatekeeper.inspect(realm, manager, file.path, sha256, depth, record.id)
        if report is not None and not report.ok:
            store.write_record(realm.reports / f"{record.id}.json", report)
            raise RefusedError(
                f"quest {record.id} still fails: {gatekeeper.rejection(report)}", "mend the file, then add it"
            )
    record = board.retry(record.id, priority)
    emit(realm, manager, "quest_added", quest=record.id, file=record.name, priority=record.priority)
    return record


# -- the inbox -----------------------------------------------------------------------------------------------------


def take_inbox(realm: Realm, manager: Manager, *, settle: float | None = None) -> list[Outcome]:
    """Take in every settled file of the inbox, flattened; `inbox/high` and `inbox/low` set the priority.

    Files that someone laid straight into a queue folder under a name of their own come in the same way.
    """
    seconds = realm.config.board.settle_seconds if settle is None else settle
    store.make_folders(realm.folders())
    board = Board(realm)
    moved, copies = inbox.leftovers(realm)
    for copy in copies:
        _forget(board, copy)
    outcomes = []
    for found in [*moved, *inbox.settled(realm, seconds), *inbox.strays(realm, seconds)]:
        outcome = _take_found(realm, manager, board, found)
        if outcome is not None:
            outcomes.append(outcome)
    return outcomes


def _forget(board: Board, copy: Path) -> None:
    """Drop what a killed adding left: its copy, and the record that it may have written already."""
    try:
        sha256, _ = gatekeeper.hash_or_report(copy)
    except FileNotFoundError:
        return  # another intake was faster
    store.delete(copy)
    board.forget_orphans(sha256)


def _take_found(realm: Realm, manager: Manager, board: Board, found: inbox.Found) -> Outcome | None:
    """Take one file in; None when it vanished, grows or cannot be read. What is not accepted goes back."""
    copied = _needs_copy(realm, found.path)
    before = _look_of(found.path)
    brought = _bring_in(realm, found, copied)
    if brought is None:
        return None
    try:
        outcome = Outcome(found.path)
        watched = found.path if copied else brought
        batch = _prepare(realm, manager, board, brought, outcome, found.priority, found.source, {}, False, None)
        if _look_of(watched) != before:
            log.warning("%s still grows; it waits in the inbox", found.path)
            return None
        _accept(realm, manager, board, batch, False)
        if outcome.record is None:
            _accept(realm, manager, board, [_rejected_twin(brought, outcome, found)], True)
        if copied and _look_of(watched) == before:
            store.delete(found.path)
        return outcome
    except PermissionError as error:
        _stays(found, str(error.strerror))
        return None
    finally:
        if brought.exists():
            _give_back(brought, found.path, copied)


def _bring_in(realm: Realm, found: inbox.Found, copied: bool) -> Path | None:
    """The file in `.intake`; None when another taker was faster, or it cannot be read."""
    if not copied:
        target = inbox.place(realm, f"move-{found.priority}", found.name)
        return target if store.move(found.path, target) else None
    try:
        return _copy_in(realm, found.path)
    except StorageError as error:
        if error.path != found.path:
            raise
        _stays(found, error.message)
        return None


def _stays(found: inbox.Found, why: str) -> None:
    """One file that this user cannot read keeps no other from being taken; it is said once a process."""
    if found.path not in _told:
        _told.add(found.path)
        log.warning("%s stays where it is: %s", found.path, why)


def _give_back(brought: Path, origin: Path, copied: bool) -> None:
    """Nothing may stay in a folder that only a dead process's files are taken from."""
    if copied:
        store.delete(brought)
    elif not store.move(brought, _free_name(origin)):
        log.error("%s could not be returned", brought)


def _needs_copy(realm: Realm, path: Path) -> bool:
    """Whether a rename would not bring the content: a link, or a file on another disk."""
    with suppress(FileNotFoundError):
        return path.is_symlink() or path.stat().st_dev != realm.intake.stat().st_dev
    return False


def _look_of(path: Path) -> tuple[int, int] | None:
    """What changes when a file is written or replaced."""
    with suppress(FileNotFoundError):
        facts = path.stat()
        return facts.st_mtime_ns, facts.st_size
    return None


def _rejected_twin(path: Path, outcome: Outcome, found: inbox.Found) -> _Waiting:
    """A duplicate from the inbox has no command to refuse it: it is filed under failed, with the reason."""
    reason = f"duplicate: {outcome.problem}"
    report = Report(depth="quick")
    report.error("duplicate", outcome.problem)
    record = QuestRecord(
        id="", number=0, name=inbox.given_name(path), sha256=gatekeeper.hash_or_report(path)[0], size=path.stat().st_size,
        priority=found.priority, source=found.source, added_at=now(), outcome="failed", reason=reason, ended_at=now(),
    )  # fmt: skip
    return _Waiting(outcome, Incoming(path, record), report.record(), reason, "failed")


def _free_name(path: Path) -> Path:
    """`path`, or the same with a number when something lies there."""
    suffix = datafiles.suffix_of(path.name)
    stem, candidate, number = path.name.removesuffix(suffix), path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{stem}-{number}{suffix}")
    return candidate
