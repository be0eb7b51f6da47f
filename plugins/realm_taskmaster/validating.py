"""The task `validate_queue`: every queued quest is inspected again; one that has become bad is filed as failed."""

from __future__ import annotations

from realm_cli import gatekeeper, store
from realm_cli.events import emit
from realm_cli.inspection import Report
from realm_cli.manager import Manager
from realm_cli.questfiles import QuestFile
from realm_cli.quests import Board
from realm_cli.realm import PRIORITIES, Realm
from realm_cli.records import InspectionRecord
from realm_cli.tasks import Task


def idle(realm: Realm) -> str:
    """Why there is nothing to inspect."""
    counts = Board(realm).counts()
    return "" if any(counts[state] for state in PRIORITIES) else "no quest is queued"


def run(realm: Realm, manager: Manager) -> str:
    """Inspect them all, in the order of the board."""
    board, seen, failed = Board(realm), 0, []
    for file in [file for state in PRIORITIES for file in board.files(state)]:
        try:
            report = _inspected(realm, manager, board, file)
        except FileNotFoundError:
            continue  # it went into battle, or was moved or cancelled meanwhile
        seen += 1
        if not report.ok and _fail(realm, manager, board, file, report):
            failed.append(file.id)
    said = f"{seen} queued quests were inspected again"
    return f"{said}; failed: {', '.join(failed)}" if failed else f"{said}; all are good"


def _inspected(realm: Realm, manager: Manager, board: Board, file: QuestFile) -> InspectionRecord:
    sha256, report = gatekeeper.hash_or_report(file.path)
    if report is None and sha256 != board.record(file.id).sha256:
        found = Report(depth="quick")
        found.error("changed", "the file is no longer what was accepted: its content has another hash")
        report = found.record()
    if report is None:
        report = gatekeeper.inspect(realm, manager, file.path, sha256, realm.config.board.inspection)
    return report


def _fail(realm: Realm, manager: Manager, board: Board, file: QuestFile, report: InspectionRecord) -> bool:
    """File it under failed with its report; False when it was taken into battle or away meanwhile."""
    reason = gatekeeper.rejection(report)
    if not store.move(file.path, realm.failed / file.path.name):
        return False
    store.write_record(realm.reports / f"{file.id}.json", report)
    moved = board.find(file.id)
    if moved is not None:
        record = board.end(moved, "failed", reason)
        emit(realm, manager, "quest_rejected", quest=record.id, file=record.name, reason=reason)
    return True


VALIDATE_QUEUE = Task(
    id="validate_queue", title="Inspect every queued quest again", priority=4, gpu="none", estimate_s=60,
    cooldown_s=1800, run=run, idle=idle,
)  # fmt: skip
