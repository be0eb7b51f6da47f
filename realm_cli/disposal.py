"""Deleting the data file of an ended quest. What is known of the quest stays: record, report, preview, journal."""

from __future__ import annotations

from realm_cli import store
from realm_cli.errors import NotFoundError, RefusedError
from realm_cli.events import emit
from realm_cli.manager import Manager
from realm_cli.questfiles import QuestFile
from realm_cli.quests import ENDED, Board
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord


def deletable(realm: Realm, quest_id: str) -> QuestFile:
    """The data file of an ended quest; raises for a quest that is queued, in battle, or without a file."""
    board = Board(realm)
    record = board.record(quest_id)
    file = board.find(record.id)
    if file is None:
        raise NotFoundError(f"the data file of quest {record.id} is gone already", "its record stays")
    if file.state == "processing":
        raise RefusedError(f"cannot delete quest {record.id}: it is in battle", "end it with: realm battle skip")
    if file.state not in ENDED:
        hint = f"cancel it first: realm quest cancel {record.id}"
        raise RefusedError(f"cannot delete quest {record.id}: it is queued in {file.state}", hint)
    return file


def delete(realm: Realm, manager: Manager, quest_id: str) -> QuestRecord:
    """Delete the data file of an ended quest and return the record, which stays."""
    board = Board(realm)
    _close(realm, board, deletable(realm, quest_id))
    with store.locked(realm.board_lock):  # a retry finds the file or does not; it never loses one it has found
        file = deletable(realm, quest_id)
        record = board.record(file.id)
        if not store.delete(file.path, durable=True):
            raise RefusedError(f"quest {file.id} was moved this moment", f"look again: realm quest show {file.id}")
    emit(realm, manager, "quest_deleted", quest=record.id, file=record.name)
    return record


def _close(realm: Realm, board: Board, file: QuestFile) -> None:
    """Complete what a kill or a person's `mv` left open of the quest's end: without the file nothing would tell of it."""
    record = board.record(file.id)
    told = {(line.get("quest"), line.get("time")) for line in store.read_lines(realm.journal)}
    if not record.outcome or (record.outcome != "held" and (record.id, record.ended_at) not in told):
        board.end(file, record.outcome or "cancelled", record.reason or "its file was moved by hand, then deleted")
