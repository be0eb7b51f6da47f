"""What the quests page shows: the board's columns from folder listings, records for the quests that are shown alone."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realm_cli import phrases, store
from realm_cli.errors import NotFoundError, RealmError
from realm_cli.ledger import Ledger
from realm_cli.questfiles import FILE_NAME, ID, QuestFile, parse_name
from realm_cli.quests import ENDED, STATES, Board
from realm_cli.questview import quest_json, state_of
from realm_cli.realm import PRIORITIES, Realm
from realm_cli.records import InspectionRecord, PreviewRecord, QuestRecord

TICK_NS = 100_000_000
"""A folder that changed so recently may change again without a new time of change."""
CHECKPOINTS_LOOKED_AT = 12
WORDS = {
    "high": ("High", "queue/high"), "normal": ("Normal", "queue/normal"), "low": ("Low", "queue/low"),
    "processing": ("In battle", "in training"), "recently_completed": ("Won", "completed"),
    "failed": ("Lost", "failed, skipped, cancelled, held"),
}  # fmt: skip
"""State → its name in the game and the plain one."""


@dataclass(frozen=True)
class Column:
    """One state of the board: the names of its files in order, ended ones newest first."""

    state: str
    names: Sequence[str] = ()
    by_id: dict[str, str] = field(default_factory=dict)


class Listings:
    """The folders of the board; one that did not change is not listed again."""

    def __init__(self, realm: Realm) -> None:
        self.realm = realm
        self._kept: dict[str, tuple[tuple[int, int], Column]] = {}

    def column(self, state: str) -> Column:
        """The files of one state."""
        folder = self.realm.queue / state
        try:
            facts = os.stat(folder)
            mark = (facts.st_ino, facts.st_mtime_ns)
            kept = self._kept.get(state)
            if kept is not None and kept[0] == mark:
                return kept[1]
            is_settled = time.time_ns() - facts.st_mtime_ns > TICK_NS
            column = _listed(folder, state)
        except FileNotFoundError:
            return Column(state)
        if is_settled:
            self._kept[state] = (mark, column)
        return column

    def counts(self) -> dict[str, int]:
        """How many quests each state holds."""
        return {state: len(self.column(state).names) for state in STATES}

    def find(self, quest_id: str) -> QuestFile | None:
        """Where a quest's data file lies; None when it has none."""
        for _ in range(2):  # one that moved to an earlier folder meanwhile would be missed
            for state in STATES:
                name = self.column(state).by_id.get(quest_id)
                if name is not None:
                    return parse_name(self.realm.queue / state / name)
        return None

    def rows(self, state: str, start: int, count: int) -> list[dict[str, Any]]:
        """Quests of one state from `start` on, each with its record."""
        board = Board(self.realm)
        found = []
        for name in self.column(state).names[start : start + count]:
            file = parse_name(self.realm.queue / state / name)
            if file is not None:
                found.append(_row(board, file))
        return found


def _listed(folder: Path, state: str) -> Column:
    """List one folder, reading names alone; of ended quests also when they came."""
    by_name = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            match = FILE_NAME.fullmatch(entry.name)
            if match is not None:
                by_name[entry.name] = (match[2], _came_at(entry) if state in ENDED else 0.0)
    names = sorted(by_name)
    if state in ENDED:
        names.sort(key=lambda name: by_name[name][1], reverse=True)
    return Column(state, names, {by_name[name][0]: name for name in names})


def _came_at(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat(follow_symlinks=False).st_ctime
    except FileNotFoundError:
        return 0.0


def _row(board: Board, file: QuestFile) -> dict[str, Any]:
    """One quest as the board shows it; one whose record cannot be read is shown with the reason."""
    try:
        return quest_row(board.record(file.id), file)
    except RealmError as error:
        return {"id": file.id, "name": file.name, "state": "unreadable", "folder": file.state, "reason": error.message}


def quest_row(record: QuestRecord, file: QuestFile | None) -> dict[str, Any]:
    """The stable keys of a quest, with its folder and the share of its tokens that is trained."""
    row = quest_json(record, state_of(record, file))
    if file is not None and file.state in PRIORITIES:
        row["priority"] = file.state  # the folder tells, if a person moved it
    share = record.trained_tokens / record.tokens if record.tokens else None
    return {**row, "folder": file.state if file else None, "tokens": record.tokens, "trained_share": share}


@dataclass(frozen=True)
class Detail:
    """All that is known of one quest."""

    record: QuestRecord
    row: dict[str, Any]
    report: InspectionRecord | None
    preview: PreviewRecord | None
    checkpoints: list[int]
    """Steps of the last checkpoints that trained it."""

    def as_json(self) -> dict[str, Any]:
        """The document for programs."""
        return {
            **self.row,
            "record": self.record.to_dict(),
            "report": self.report and self.report.to_dict(),
            "preview": self.preview and self.preview.to_dict(),
            "checkpoints": self.checkpoints,
        }


def known_id(quest_id: str) -> str:
    """The id, if it has the form of one. Raises `NotFoundError`."""
    if not ID.fullmatch(quest_id):
        raise NotFoundError(f"'{phrases.one_line(quest_id)[:40]}' is not a quest's id", "the board shows the ids")
    return quest_id


def detail(listings: Listings, quest_id: str) -> Detail:
    """One quest with report, preview and its part in checkpoints."""
    realm, board, file = listings.realm, Board(listings.realm), listings.find(known_id(quest_id))
    if file is None and not board.record_path(quest_id).exists():
        raise NotFoundError(f"there is no quest '{quest_id}'", "the board shows the ids")
    record = board.record(quest_id)
    name = f"{record.id}.json"
    return Detail(
        record=record,
        row=quest_row(record, file),
        report=store.read_or_set_aside(realm.reports / name, InspectionRecord),
        preview=store.read_or_set_aside(realm.previews / name, PreviewRecord),
        checkpoints=_checkpoints(realm, record) if record.attempts else [],
    )


def _checkpoints(realm: Realm, record: QuestRecord) -> list[int]:
    """Of the active hero's checkpoints around the quest's end the ones that trained it; only few records are read."""
    ledger = Ledger(realm)
    steps = ledger.steps()
    later = [step for step in steps if record.ended_step >= 0 and step >= record.ended_step]
    near = [*later[-1:], *steps[len(later) :]][:CHECKPOINTS_LOOKED_AT]
    found = []
    for step in near:
        try:
            shares = ledger.get(step).quests
        except NotFoundError:
            continue  # deleted meanwhile
        if any(share.id == record.id for share in shares):
            found.append(step)
    return found


def visible(text: str) -> str:
    """A token's text with its white space and what else has no picture made visible."""
    return "".join(_SHOWN.get(mark) or (mark if mark.isprintable() else f"\\u{ord(mark):04x}") for mark in text)


_SHOWN = {" ": "·", "\n": "↵\n", "\t": "→\t", "\r": "␍"}
