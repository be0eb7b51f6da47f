"""Sparring quests on the board: known by the `source` of their records, which says whose answers they are."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from realm_cli import datafiles, skillbook
from realm_cli.errors import FormatError
from realm_cli.questfiles import QuestFile
from realm_cli.quests import Board
from realm_cli.realm import PRIORITIES, Realm
from realm_cli.records import QuestRecord
from realm_sparring.rows import Row

PREFIX = "sparring_"
"""What the names of all sparring quests begin with: other records need not be read."""
FOLDER = "sparring"
"""Below `data/`: where rows lie that are not to be queued."""
WEIGHTS_DIGITS = 12
_SOURCE = re.compile(
    r"spar hero (?P<hero>\S+) step (?P<step>\d+) weights (?P<weights>[0-9a-f]+) (?P<skill>\S+) level (?P<level>\d+)"
    r" (?P<draw>no|seed) (?P<number>-?\d+) count (?P<count>\d+)"
)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where a sparring quest comes from."""

    hero: str
    step: int
    weights: str
    """The first 12 digits of the hash."""
    skill: str
    level: int
    number: int = 0
    """Which one of this checkpoint, skill and level it is; 0 = drawn by the seed."""
    seed: int | None = None
    count: int

    @property
    def draw(self) -> str:
        """What decides the problems beside checkpoint, skill and level."""
        return f"no {self.number}" if self.seed is None else f"seed {self.seed}"

    @property
    def file_name(self) -> str:
        """`sparring_bin_level3_step1200_no1.jsonl`."""
        return f"{PREFIX}{self.skill}_level{self.level}_step{self.step}_{self.draw.replace(' ', '')}.jsonl"

    def __str__(self) -> str:
        """As it stands in the quest's record."""
        return (
            f"spar hero {self.hero} step {self.step} weights {self.weights} {self.skill} level {self.level}"
            f" {self.draw} count {self.count}"
        )


def parse(text: str) -> Source | None:
    """The source in a quest's record; None for a quest that comes from elsewhere."""
    match = _SOURCE.fullmatch(text)
    if match is None:
        return None
    number = int(match["number"])
    drawn = {"number": number} if match["draw"] == "no" else {"seed": number}
    return Source(
        hero=match["hero"], step=int(match["step"]), weights=match["weights"], skill=match["skill"],
        level=int(match["level"]), count=int(match["count"]), **drawn,
    )  # fmt: skip


def of_files(realm: Realm, states: tuple[str, ...]) -> Iterator[tuple[QuestFile, QuestRecord, Source]]:
    """The sparring quests whose data files lie in these states, in the board's order."""
    board = Board(realm)
    for file in (file for state in states for file in board.files(state) if file.name.startswith(PREFIX)):
        record = board.record(file.id)
        source = parse(record.source)
        if source is not None:
            yield file, record, source


def waiting(realm: Realm) -> Iterator[tuple[QuestFile, QuestRecord, Source]]:
    """Those that wait in the queue."""
    return of_files(realm, PRIORITIES)


def ever_queued(realm: Realm, hero: str) -> list[tuple[QuestRecord, Source]]:
    """All sparring quests of a hero, whatever became of them."""
    board, found = Board(realm), []
    for record in board.records():
        source = parse(record.source) if record.name.startswith(PREFIX) else None
        # A record without a quest is what a killed adding left.
        if source is not None and source.hero == hero and board.duplicate_of(record.sha256) is not None:
            found.append((record, source))
    return found


def same(one: Source, other: Source) -> bool:
    """Whether two sparrings draw the same problems, however many."""
    return msgspec.structs.replace(one, count=other.count) == other


def known_answers(realm: Realm, hero: str, skill: str, step: int) -> set[tuple[str, str]]:
    """(problem key, proposed answer) of the rows that the hero was given, or waits for, and that are not stale at `step`.

    An older mistake that is still made is worth another row.
    """
    known: set[tuple[str, str]] = set()
    for file, _, source in of_files(realm, (*PRIORITIES, "processing", "recently_completed")):
        if (source.hero, source.skill) == (hero, skill) and not is_stale(realm, source, step):
            try:
                rows = [msgspec.json.decode(line, type=Row) for _, line in datafiles.read_rows(file.path)]
            except (FileNotFoundError, FormatError, msgspec.DecodeError):
                continue  # it moved on this moment, or a person changed it: `spar validate` tells
            known |= {(row.problem_key, row.proposed) for row in rows}
    return known


def is_stale(realm: Realm, source: Source, step: int) -> bool:
    """Whether the hero at `step` has moved on too far."""
    return step - source.step > realm.config.sparring.stale_steps


def skill_of(name: str) -> str:
    """The id behind a name of the command line."""
    return skillbook.ALIASES.get(name, name)
