"""The board: files, records, what is held, what a kill left between two places."""

from __future__ import annotations

import os
import time

from realm_cli import datafiles, inbox, intake, status, store
from realm_cli.checks import Check, Finding
from realm_cli.errors import RefusedError
from realm_cli.manager import Manager
from realm_cli.questfiles import ID, QuestFile, came_at, parse_name
from realm_cli.quests import STATES, Board
from realm_cli.realm import Realm
from realm_cli.terminal import human_seconds

SHOWN = 3
LONG_SECONDS = 3600.0
TAKE_IN = "take them in again"
PUT_BACK = "put it back into the queue, at its place"
REBUILD = "make the records again from the data files"
COMPLETE = "complete what was begun: record, journal, folder"


def look(realm: Realm, manager: Manager) -> list[Finding]:
    """All that can be wrong on the board."""
    blocked = _no_folders(realm)
    if blocked:
        return blocked  # nothing of the board can be read before
    board = Board(realm)
    files = [file for state in STATES for file in board.files(state)]
    found = [*_foreign(realm), *_recordless(board, files), *_fileless(board, files), *_held(board, files)]
    return [*found, *_processing(realm, board), *_left_in_intake(realm)]


def _warn(message: str, names: list[str], remedy: str, fix: str = "") -> Finding:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return Finding(
        check="queue",
        grade="warning",
        message=message,
        evidence=", ".join(names[:SHOWN]) + more,
        remedy=remedy,
        fix=fix,
    )


def _no_folders(realm: Realm) -> list[Finding]:
    """Folders of the board whose place something else has taken."""
    paths = [realm.intake, *(realm.queue / state for state in STATES)]
    return [
        Finding(
            check="queue", grade="error", message=f"queue/{path.name} is no folder, and the board needs it",
            evidence=f"{path}: {'a link to what is not there' if path.is_symlink() else 'a file'}",
            remedy=f"move it away, then mkdir {path}",
        )
        for path in paths
        if os.path.lexists(path) and not path.is_dir()
    ]  # fmt: skip


def _foreign(realm: Realm) -> list[Finding]:
    """Files that no part of the board will ever take."""
    names = [
        f"queue/{state}/{datafiles.printable(path.name)}"
        for state in STATES
        for path in sorted((realm.queue / state).glob("*"))
        if parse_name(path) is None and not (path.is_file() and datafiles.is_quest_name(path.name))
    ]
    remedy = "name it *.jsonl and drop it into inbox/, or take it away"
    return [_warn(f"{len(names)} files in the queue are no quests", names, remedy)] if names else []


def _recordless(board: Board, files: list[QuestFile]) -> list[Finding]:
    names = [file.id for file in files if not board.record_path(file.id).is_file()]
    return [_warn(f"{len(names)} quests have no record", names, "realm doctor --fix", REBUILD)] if names else []


def _fileless(board: Board, files: list[QuestFile]) -> list[Finding]:
    """Quests that have not ended, and whose data is gone."""
    present = {file.id for file in files}
    names = []
    for path in sorted(board.realm.quest_records.glob("*.json")):
        if path.stem not in present and ID.fullmatch(path.stem):
            record = board.record(path.stem)
            if not record.outcome and board.find(record.id) is None:
                names.append(f"{record.id} {record.name}")
    return [_warn(f"the data of {len(names)} quests is gone", names, "realm quest add FILE --again")] if names else []


def _held(board: Board, files: list[QuestFile]) -> list[Finding]:
    found = []
    for file in files:
        if file.state == "failed" and board.record_path(file.id).is_file():
            record = board.record(file.id)
            if record.outcome == "held":
                remedy = f"mend the cause, then realm quest retry {record.id}"
                found.append(_warn(f"quest {record.id} is held", [record.reason], remedy))
    return found


def _processing(realm: Realm, board: Board) -> list[Finding]:
    """Quests in battle, and no battle."""
    if status.battle_process(realm) is not None:
        return []
    found = []
    for file in board.files("processing"):
        waited = time.time() - came_at(file.path)
        if board.record_path(file.id).is_file() and board.record(file.id).outcome:
            message = f"the end of quest {file.id} was begun and not completed"
            found.append(_warn(message, [str(file.path)], "realm battle start completes it", COMPLETE))
        elif waited > LONG_SECONDS:
            message = f"quest {file.id} has been in battle for {human_seconds(waited)}, and no battle runs"
            # Where a battle died in a step, the next one has to count that against this quest.
            fix = "" if _died_in_step(realm) else PUT_BACK
            found.append(_warn(message, [str(file.path)], "realm battle start goes on with it", fix))
    return found


def _died_in_step(realm: Realm) -> bool:
    try:
        return bool(realm.battle_step.read_bytes().strip())
    except OSError:
        return False


def _left_in_intake(realm: Realm) -> list[Finding]:
    moved, copies = inbox.leftovers(realm)
    names = [one.name for one in moved] + [path.name for path in copies]
    message = f"{len(names)} files were left between inbox and board by a kill"
    return [_warn(message, names, "realm quest intake", TAKE_IN)] if names else []


def mend(realm: Realm, manager: Manager, finding: Finding) -> str:
    """Bring back to its place what a kill left elsewhere."""
    board = Board(realm)
    if finding.fix == REBUILD:
        return f"{sum(1 for _ in board.records())} quests have their records"
    if finding.fix == TAKE_IN:
        outcomes = intake.take_inbox(realm, manager)
        return f"{sum(1 for one in outcomes if one.record is not None)} of {len(outcomes)} files are on the board"
    with store.locked(realm.battle_lock, wait=False, owner="a battle that is just starting"):
        if status.battle_process(realm) is not None:
            raise RefusedError("a battle runs by now", "it deals with its quests itself")
        if finding.fix == COMPLETE:
            return "; ".join(board.mend(realm.config.hero)) or "nothing was left to complete"
        back = [file for file in board.files("processing") if str(file.path) in finding.evidence]
        for file in back:
            board.put_back(file)
    return f"back in the queue: {', '.join(file.id for file in back) or 'none'}"


QUEUE = Check("queue", "every quest is whole and in its place", look, mend)
