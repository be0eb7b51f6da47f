"""Checks of sparring files, row by row: what they say, whether it is so, whose answers they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from realm_cli import datafiles
from realm_cli.errors import FormatError, NotFoundError, RealmError
from realm_cli.generation import Message
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skillbook import GuildSkill, open_skill
from realm_cli.skills import belongs
from realm_sparring import rows
from realm_sparring.answering import is_correct
from realm_sparring.rows import CONFIRM, CORRECTION, IDENTIFY, Row, Stamp
from realm_sparring.sources import WEIGHTS_DIGITS, Source

_SHA256 = re.compile("[0-9a-f]{64}")


class Finding(msgspec.Struct, frozen=True):
    """Something that is wrong with a file."""

    line: int
    """0 = the file as a whole."""
    check: str
    """schema, text, golden, wrong, split, skill, stamp, duplicate, pair, balance, empty."""
    message: str


class Report(msgspec.Struct, frozen=True):
    """What was found in one file."""

    file: str
    rows: int
    findings: list[Finding]


def check_file(realm: Realm, manager: Manager, path: Path, source: Source | None = None) -> Report:
    """Every row of a file; with the source of its quest also whether that tells the same."""
    checker = _Checker(realm, manager, source)
    count = 0
    try:
        for line, text in datafiles.read_rows(path):
            if text.strip():
                count += 1
                checker.check(line, text)
    except FormatError as error:
        checker.find(0, "schema", error.problem)
    checker.check_whole()
    checker.findings.sort(key=lambda finding: finding.line)
    return Report(str(path), count, checker.findings)


class _Checker:
    """The checks of one file."""

    def __init__(self, realm: Realm, manager: Manager, source: Source | None) -> None:
        self._realm = realm
        self._manager = manager
        self._source = source
        self._skills: dict[str, GuildSkill | str] = {}
        self._stamps: dict[Stamp, int] = {}
        """Each with the line where it stands first."""
        self._seen: dict[tuple[str, str, str], int] = {}
        self._types: Counter[str] = Counter()
        self.findings: list[Finding] = []

    def find(self, line: int, check: str, message: str) -> None:
        """Something is wrong."""
        self.findings.append(Finding(line, check, message))

    def check(self, line: int, text: bytes) -> None:
        """One row."""
        try:
            row = msgspec.json.decode(text, type=Row)
        except (ValueError, RecursionError) as error:
            self.find(line, "schema", f"not a row of sparring: {error}")
            return
        self._types[row.type] += 1
        for check, message in [
            *self._text(row),
            *self._judged(row),
            *self._stamped(row, line),
            *self._single(row, line),
        ]:
            self.find(line, check, message)

    def check_whole(self) -> None:
        """What only the whole file tells."""
        if not self._types:
            self.find(0, "empty", "no row of sparring is in it")
        counts = [self._types[one] for one in (IDENTIFY, CORRECTION, CONFIRM)]
        if len(set(counts)) > 1:
            told = ", ".join(
                f"{count} {name}" for count, name in zip(counts, (IDENTIFY, CORRECTION, CONFIRM), strict=True)
            )
            self.find(0, "balance", f"the three types are not balanced: {told}")
        for (row_type, key, proposed), line in self._seen.items():
            partner = {IDENTIFY: CORRECTION, CORRECTION: IDENTIFY}.get(row_type)  # type: ignore[call-overload]
            if partner and (partner, key, proposed) not in self._seen:
                self.find(line, "pair", f"no row {partner} has the same problem and proposed answer")

    def _text(self, row: Row) -> Iterator[tuple[str, str]]:
        asked, said = rows.question(row.type, row.problem, row.proposed), rows.answer(row.type, row.problem)
        if [message.role for message in row.messages] != ["user", "assistant"]:
            yield "text", "the messages are not one of the user and one of the assistant"
            return
        user, assistant = row.messages
        if user != Message("user", asked):
            yield "text", f"the user's text is not the problem, the proposed answer and '{rows.QUESTIONS[row.type]}'"
        if assistant.content != said:
            yield ("golden" if row.type == CORRECTION else "text"), f"the assistant's text is not '{said[:80]}'"
        if row.problem_key != row.problem.key:
            yield "split", f"problem_key is '{row.problem_key[:80]}', but the problem's key is '{row.problem.key[:80]}'"

    def _judged(self, row: Row) -> Iterator[tuple[str, str]]:
        entry = self._entry(row.skill)
        if isinstance(entry, str):
            yield "skill", entry
            return
        if not 1 <= row.level <= entry.config.max_level:
            yield "skill", f"{row.skill} has no level {row.level}"
            return
        if not belongs(entry.skill, row.level, row.problem, "train"):
            yield "split", f"problem '{row.problem_key[:80]}' belongs to the eval set"
        if not is_correct(entry.skill, row.problem, row.problem.answer):
            yield "golden", f"the judge does not accept the golden answer '{row.problem.answer[:80]}'"
        if row.type == CONFIRM:
            if not is_correct(entry.skill, row.problem, row.proposed):
                yield "golden", f"the answer that is confirmed is wrong: '{row.proposed[:80]}'"
        elif is_correct(entry.skill, row.problem, row.proposed) is not False:
            yield "wrong", f"the proposed answer is not wrong: '{row.proposed[:80]}'"

    def _entry(self, name: str) -> GuildSkill | str:
        """The skill, or why it cannot be used."""
        if name not in self._skills:
            try:
                self._skills[name] = open_skill(self._realm, self._manager, name)
            except RealmError as error:
                self._skills[name] = error.message
        return self._skills[name]

    def _stamped(self, row: Row, line: int) -> Iterator[tuple[str, str]]:
        stamp = row.stamp
        if stamp in self._stamps:
            return
        if self._stamps:
            first = next(iter(self._stamps.values()))
            yield "stamp", f"hero, step or weights differ from those of line {first}"
        self._stamps[stamp] = line
        if not row.hero or row.step < 0 or not _SHA256.fullmatch(row.weights_sha256):
            yield "stamp", f"no checkpoint: hero '{row.hero}', step {row.step}, weights '{row.weights_sha256[:80]}'"
        known = self._weights_of(row.hero, row.step)
        if known and known != row.weights_sha256:
            yield "stamp", f"{row.hero} at step {row.step} has other weights: {known[:WEIGHTS_DIGITS]}"
        source = self._source
        told = (row.hero, row.step, row.weights_sha256[:WEIGHTS_DIGITS], row.skill, row.level)
        if source is not None and told != (source.hero, source.step, source.weights, source.skill, source.level):
            yield "stamp", f"the quest's record tells another origin: {source}"

    def _weights_of(self, hero: str, step: int) -> str:
        """As the ledger has it; empty where it knows nothing."""
        try:
            return Ledger(self._realm, hero).get(step).weights_sha256
        except NotFoundError:
            return ""

    def _single(self, row: Row, line: int) -> Iterator[tuple[str, str]]:
        identity = (row.type, row.problem_key, row.proposed)
        if identity in self._seen:
            yield "duplicate", f"the same as line {self._seen[identity]}"
        else:
            self._seen[identity] = line
