"""DEEP inspection: what is wrong with the content of rows that are right in form.

Everything here is a warning, except a problem of an eval set: training on it would make that eval worthless.
"""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from realm_arena import fingerprints, textchecks
from realm_arena.contamination import Contamination
from realm_cli import store
from realm_cli.errors import FormatError
from realm_cli.inspection import Report, Subject
from realm_cli.records import QuestRecord


def inspect(subject: Subject, report: Report) -> None:
    """Look at every row by itself, then for duplicates within the file and among all quests."""
    contamination = Contamination(subject.realm, report)
    prints, lines = array("Q"), array("q")
    for line, row in fingerprints.read(subject.path):
        for check, message in textchecks.findings(row):
            report.warning(check, message, line)
        contamination.check(row, line)
        prints.append(fingerprints.of_row(row))
        lines.append(line)
    _duplicates(subject, report, np.frombuffer(prints, dtype=np.uint64), np.frombuffer(lines, dtype=np.int64))


def _duplicates(subject: Subject, report: Report, prints: NDArray[np.uint64], lines: NDArray[np.int64]) -> None:
    kinds, first, kind_of = np.unique(prints, return_index=True, return_inverse=True)
    original = first[kind_of]
    for index in np.flatnonzero(original != np.arange(len(prints))):
        report.warning("duplicate", f"the same row as line {lines[original[index]]}", int(lines[index]))
    known = np.zeros(len(prints), dtype=np.bool_)
    for quest, theirs in fingerprints.others(subject):
        places = np.searchsorted(kinds, theirs).clip(max=len(kinds) - 1)
        met = np.zeros(len(kinds), dtype=np.bool_)
        met[places[kinds[places] == theirs]] = True
        shared = met[kind_of] & ~known
        known |= shared
        name = _name(subject, quest) if shared.any() else ""
        for index in np.flatnonzero(shared):
            report.warning("duplicate", f"the same row is in quest {quest}{name}", int(lines[index]))


def _name(subject: Subject, quest: str) -> str:
    try:
        return f" ({store.read_record(subject.realm.quest_records / f'{quest}.json', QuestRecord).name})"
    except (FileNotFoundError, FormatError):
        return ""
