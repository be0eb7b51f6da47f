"""How files become quests: from a command line or the inbox, through the inspectors, to the board.

A file first comes into `queue/.intake`, by copy or by rename, so that two takers never hold the same one. What a kill
leaves there is dealt with by the next intake: a file that was moved in is taken again, a copy is thrown away.
"""

from __future__ import annotations

import getpass
import logging
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from realm_cli import datafiles, store
from realm_cli.config import Depth
from realm_cli.errors import FormatError, RefusedError, StorageError, UsageError
from realm_cli.events import emit
from realm_cli.inspection import DEPTHS, Inspector, Report, Subject
from realm_cli.manager import Manager
from realm_cli.process import is_running, mark_of
from realm_cli.quests import Board, Incoming, parse_name
from realm_cli.realm import PRIORITIES, Realm
from realm_cli.records import InspectionRecord, QuestRecord, now

log = logging.getLogger("realm.intake")
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


@dataclass
class _Waiting:
    """A file in `.intake`, inspected."""

    outcome: Outcome
    incoming: Incoming
    report: InspectionRecord
    reason: str = ""
    state: str = field(default="")


def inspect(realm: Realm, manager: Manager, path: Path, sha256: str, depth: Depth, quest: str = "") -> InspectionRecord:
    """Run the inspectors up to `depth`; a deeper one runs only when the shallower ones found no error.

    With a quest id they also leave their by-products (tokens, preview) for the battle and the page.
    """
    report = Report(depth=depth)
    subject = Subject(realm=realm, hero=realm.config.hero, path=path, sha256=sha256, quest=quest)
    inspectors: list[Inspector] = [
        manager.load_part("realm_inspectors", name, "inspector") for name in manager.parts("realm_inspectors")
    ]
    if not inspectors:
        raise RefusedError(
            "no inspector is installed, so no quest can be checked", "enable one: realm plugins enable arena"
        )
    for wanted in DEPTHS[: DEPTHS.index(depth) + 1]:
        for inspector in inspectors:
            if inspector.depth == wanted and not report.errors:
                inspector.inspect(subject, report)
    return report.record()


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
    again: bool = False,
    depth: Depth | None = None,
) -> list[Outcome]:
    """Copy files to the board. Every file gets an outcome; one bad file does not stop the others."""
    if priority not in PRIORITIES:
        raise UsageError(f"priority '{priority}' is not one of {', '.join(PRIORITIES)}")
    outcomes = []
    batch: list[_Waiting] = []
    board = Board(realm)
    for path in paths:
        outcome = Outcome(path)
        outcomes.append(outcome)
        if not datafiles.is_quest_name(path.name):
            outcome.problem = f"not a quest file ({', '.join(datafiles.SUFFIXES)})"
            outcome.hint = "name it *.jsonl, with one JSON row a line"
            continue
        copy = _copy_in(realm, path)
        try:
            waiting = _prepare(realm, manager, board, copy, outcome, priority, source or _origin(path), again, depth)
        except BaseException:
            copy.unlink(missing_ok=True)
            raise
        if waiting is None:
            copy.unlink(missing_ok=True)
            continue
        batch.append(waiting)
        if len(batch) == BATCH:
            _accept(realm, manager, board, batch, again)
            batch = []
    _accept(realm, manager, board, batch, again)
    return outcomes


def _origin(path: Path) -> str:
    return f"{getpass.getuser()}:{path.absolute()}"


def _copy_in(realm: Realm, path: Path) -> Path:
    target = _place(realm, "copy", path.name)
    try:
        realm.intake.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        store.sync_file(target)
    except OSError as error:
        with suppress(OSError):
            target.unlink(missing_ok=True)
        at_fault = path if error.filename and Path(error.filename) == path else target
        raise StorageError("copy", at_fault, error) from error
    return target


def _place(realm: Realm, how: str, name: str) -> Path:
    """`<copy|move-PRIORITY>.<pid>.<start>.<serial>.<name>`: who brings the file; of a copy the source remains."""
    started = mark_of(os.getpid()).started.replace(":", "-")
    return realm.intake / f"{how}.{os.getpid()}.{started}.{time.monotonic_ns()}.{datafiles.safe_name(name)}"


def _prepare(
    realm: Realm, manager: Manager, board: Board, path: Path, outcome: Outcome, priority: str, source: str,
    again: bool, depth: Depth | None,
) -> _Waiting | None:  # fmt: skip
    """Hash and inspect a file in `.intake`; None when it is a duplicate."""
    name = path.name.split(".", 4)[4]
    try:
        sha256 = datafiles.content_hash(path)
    except FormatError as error:
        report = _unreadable(error)
        sha256 = store.sha256_file(path)
    else:
        twin = board.duplicate_of(sha256)
        if twin is not None and not again:
            _refuse_duplicate(outcome, twin)
            return None
        report = inspect(realm, manager, path, sha256, depth or realm.config.board.inspection, sha256[:12])
    record = QuestRecord(
        id="", number=0, name=name, sha256=sha256, size=path.stat().st_size, priority=priority, source=source,
        added_at=now(), samples=report.samples, tokens=report.tokens, trained_tokens=report.trained_tokens,
        skipped_samples=report.skipped_samples, skill=report.skill, level=report.level,
    )  # fmt: skip
    waiting = _Waiting(outcome, Incoming(path, record), report)
    if not report.ok:
        waiting.state = "failed"
        waiting.reason = rejection(report)
        ended = msgspec.structs.replace(record, outcome="failed", reason=waiting.reason, ended_at=now())
        waiting.incoming = Incoming(path, ended)
    return waiting


def _unreadable(error: FormatError) -> InspectionRecord:
    report = Report(depth="quick")
    report.error("compression", error.problem)
    return report.record()


def rejection(report: InspectionRecord) -> str:
    """The reason of a rejected quest in one line."""
    first = next(finding for finding in report.findings if finding.severity == "error")
    where = f"line {first.line}: " if first.line else ""
    more = f" (and {report.errors - 1} more)" if report.errors > 1 else ""
    return f"inspection: {where}{first.message}{more}"


def _refuse_duplicate(outcome: Outcome, twin: QuestRecord) -> None:
    outcome.problem = f"the same content is already quest {twin.id} ({twin.name}, {twin.outcome or 'not ended'})"
    outcome.hint = "queue it once more with --again" + (
        f", or: realm quest retry {twin.id}" if twin.outcome and twin.outcome != "completed" else ""
    )


def _accept(realm: Realm, manager: Manager, board: Board, batch: list[_Waiting], again: bool) -> None:
    """Bring inspected files to the board, each state in one go; twins within the batch are refused like others."""
    for state in sorted({waiting.state for waiting in batch}):
        chosen: list[_Waiting] = []
        for waiting in batch:
            if waiting.state == state:
                twin = None if again else _twin_in(chosen, waiting)
                if twin is None:
                    chosen.append(waiting)
                else:
                    _refuse_duplicate(waiting.outcome, twin.incoming.record)
                    waiting.incoming.path.unlink(missing_ok=True)
        records = board.accept([waiting.incoming for waiting in chosen], state)
        for waiting, record in zip(chosen, records, strict=True):
            _accepted(realm, manager, board, waiting, record)


def _twin_in(chosen: list[_Waiting], waiting: _Waiting) -> _Waiting | None:
    sha256 = waiting.incoming.record.sha256
    return next((other for other in chosen if other.incoming.record.sha256 == sha256), None)


def _accepted(realm: Realm, manager: Manager, board: Board, waiting: _Waiting, record: QuestRecord) -> None:
    waiting.outcome.record = record
    waiting.outcome.report = waiting.report
    store.write_record(realm.reports / f"{record.id}.json", waiting.report)
    if waiting.state == "failed":
        waiting.outcome.problem = waiting.reason
        waiting.outcome.hint = f"the report: realm quest show {record.id}"
        file = board.find(record.id)
        if file is not None:
            board.end(file, record.outcome, record.reason)
        emit(realm, manager, "quest_rejected", quest=record.id, file=record.name, reason=record.reason)
    else:
        emit(realm, manager, "quest_added", quest=record.id, file=record.name, priority=record.priority)


# -- the inbox -----------------------------------------------------------------------------------------------------


def take_inbox(realm: Realm, manager: Manager, *, settle: float | None = None) -> list[Outcome]:
    """Take in every settled file of the inbox, flattened; `inbox/high` and `inbox/low` set the priority.

    Files that someone laid straight into a queue folder under a name of their own come in the same way.
    """
    seconds = realm.config.board.settle_seconds if settle is None else settle
    outcomes = []
    for path, priority, source in [*_leftovers(realm), *_settled(realm, seconds), *_strays(realm, seconds)]:
        brought = _bring_in(realm, path, priority)
        if brought is None:
            continue
        try:
            outcome = _take(realm, manager, path, brought, priority, source)
        except BaseException:
            # Nothing may stay in a folder that only a dead process's files are taken from.
            if brought.exists() and brought != path:
                store.move(brought, path if not path.exists() else _free_name(path))
            raise
        if outcome is not None:
            path.unlink(missing_ok=True)
            outcomes.append(outcome)
    return outcomes


def _bring_in(realm: Realm, path: Path, priority: str) -> Path | None:
    """The inbox file in `.intake`: renamed, or copied where it is a link or on another disk. None when it vanished."""
    if path.parent == realm.intake:
        return path
    target = _place(realm, f"move-{priority}", path.name)
    try:
        if not path.is_symlink() and path.stat().st_dev == realm.intake.stat().st_dev:
            return target if store.move(path, target) else None
        return _copy_in(realm, path)
    except FileNotFoundError:
        return None


def _take(realm: Realm, manager: Manager, path: Path, brought: Path, priority: str, source: str) -> Outcome | None:
    """Inspect and accept one file of the inbox; None when it still grows and went back."""
    board, outcome, before = Board(realm), Outcome(path), brought.stat()
    waiting = _prepare(realm, manager, board, brought, outcome, priority, source, False, None)
    after = brought.stat()
    if (after.st_mtime_ns, after.st_size) != (before.st_mtime_ns, before.st_size):
        store.move(brought, path if not path.exists() else _free_name(path))
        log.warning("%s still grows; it waits in the inbox", path.name)
        return None
    if waiting is None:
        waiting = _rejected_twin(brought, outcome, priority, source)
    _accept(realm, manager, board, [waiting], True)
    return outcome


def _rejected_twin(path: Path, outcome: Outcome, priority: str, source: str) -> _Waiting:
    """A duplicate from the inbox has no command to refuse it: it is filed under failed, with the reason."""
    reason = f"duplicate: {outcome.problem}"
    report = Report(depth="quick")
    report.error("duplicate", outcome.problem)
    record = QuestRecord(
        id="", number=0, name=path.name.split(".", 4)[4], sha256=datafiles.content_hash(path),
        size=path.stat().st_size, priority=priority, source=source, added_at=now(), outcome="failed", reason=reason,
        ended_at=now(),
    )  # fmt: skip
    return _Waiting(outcome, Incoming(path, record), report.record(), reason, "failed")


def _settled(realm: Realm, seconds: float) -> list[tuple[Path, str, str]]:
    """Complete files of the inbox, oldest first. ctime moves with every write and rename and cannot be set back."""
    found = []
    for folder, subfolders, names in os.walk(realm.inbox):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in names:
            path = Path(folder) / name
            if datafiles.is_quest_name(name) and _is_settled(path, seconds):
                top = path.relative_to(realm.inbox).parts[0]
                priority = top if top in ("high", "low") else "normal"
                found.append((path, priority, f"inbox/{path.relative_to(realm.inbox)}"))
    return sorted(found, key=lambda item: (_changed(item[0]), item[0]))


def _strays(realm: Realm, seconds: float) -> list[tuple[Path, str, str]]:
    """Quest files in queue folders that no command put there."""
    return [
        (path, priority, f"queue/{priority}/{path.name}")
        for priority in PRIORITIES
        for path in sorted((realm.queue / priority).glob("*.jsonl*"))
        if parse_name(path) is None and datafiles.is_quest_name(path.name) and _is_settled(path, seconds)
    ]


def _changed(path: Path) -> float:
    try:
        return path.stat().st_ctime
    except FileNotFoundError:
        return 0.0


def _is_settled(path: Path, seconds: float) -> bool:
    return path.is_file() and time.time() - _changed(path) >= seconds


def _leftovers(realm: Realm) -> list[tuple[Path, str, str]]:
    """What a killed intake left: moved-in files are taken again, copies (their source remains) are dropped."""
    found = []
    for path in sorted(realm.intake.glob("*.*.*.*.*")):
        how, pid, started, _ = path.name.split(".", 4)[:4]
        mark = msgspec.structs.replace(mark_of(os.getpid()), pid=int(pid), started=started.replace("-", ":"))
        if is_running(mark):
            continue
        if how == "copy":
            path.unlink(missing_ok=True)
        else:
            found.append((path, how.removeprefix("move-"), "inbox (taken again after an interruption)"))
    return found


def _free_name(path: Path) -> Path:
    """`path`, or the same with a number when something lies there."""
    suffix = datafiles.suffix_of(path.name)
    stem, candidate, number = path.name.removesuffix(suffix), path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{stem}-{number}{suffix}")
    return candidate


def waiting_in_inbox(realm: Realm) -> int:
    """How many quest files lie in the inbox."""
    return len(_settled(realm, 0.0))
