"""The curriculum: which skill is next, the quest that is forged for it, and what a level-up makes of older quests."""

from __future__ import annotations

import hashlib
import logging
import random
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from realm_cli import skillstate, store
from realm_cli.errors import NotFoundError, RealmError, RefusedError
from realm_cli.events import emit
from realm_cli.intake import add
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord
from realm_cli.sampling import draws
from realm_cli.skill_records import SkillState
from realm_cli.skillbook import GuildSkill
from realm_guild import standing
from realm_guild.forge import row, to_jsonl

log = logging.getLogger("realm.guild")
_FORGED = re.compile(r"forge hero (?P<hero>\S+) (?P<skill>\S+) level (?P<level>\d+) counter \d+")


def next_skill(realm: Realm, entries: dict[str, GuildSkill], hero: str) -> GuildSkill | None:
    """The unlocked skill for which the fewest quests were forged, by name among equals; None when there is none."""
    wanted = realm.config.curriculum.skills
    open_ones = [
        entry
        for name, entry in sorted(entries.items())
        if (not wanted or name in wanted) and not skillstate.locked_by(realm, hero, entry.config.unlock)
    ]
    return min(open_ones, key=lambda entry: standing.meet(realm, hero, entry.config.id).forged, default=None)


def rows_of(entry: GuildSkill, hero: str, level: int, counter: int) -> list[dict[str, Any]]:
    """The rows of a quest at `level`; they depend on the arguments and on the skill's YAML, and on nothing else.

    Beside the level itself come mastered levels (all below it), so that they are not forgotten, the higher ones more
    often, and problems of the two levels above, twice as many of the next.
    """
    forge = entry.config.forge
    rng = random.Random(f"forge {hero} {entry.config.id} {level} {counter}")
    levels = _mix(rng, level, forge.samples_at(level), forge.replay, forge.ahead_at(level), entry.config.max_level)
    streams = {one: draws(entry.skill, one, rng.getrandbits(64), "train") for one in sorted(set(levels))}
    return [row(entry.skill, one, next(streams[one])) for one in levels]


def _mix(rng: random.Random, level: int, count: int, replay: float, ahead: float, highest: int) -> list[int]:
    """The level of every row, in random order."""
    replayed = round(count * replay) if level > 1 else 0
    foretold = round(count * ahead) if level < highest else 0
    below, above = list(range(1, level)), [level + 1, level + 1, min(level + 2, highest)]
    chosen = rng.choices(below, weights=below, k=replayed) if replayed else []
    levels = [*chosen, *rng.choices(above, k=foretold), *[level] * (count - replayed - foretold)]
    rng.shuffle(levels)
    return levels


def file_name(entry: GuildSkill, level: int, counter: int) -> str:
    """`train_bin_level3_no17.jsonl`."""
    return f"train_{entry.config.id}_level{level}_no{counter}.jsonl"


def forge_next(realm: Realm, manager: Manager, entry: GuildSkill, hero: str) -> QuestRecord:
    """Make the next quest for the hero's level and put it on the board."""
    with _forging(realm, hero):
        state = standing.meet(realm, hero, entry.config.id)
        # Counted first: a forge that is killed from here on is made up for by `forge_missing`.
        counted = {"forged": state.forged + 1, "forged_level": state.level}
        return _queue(realm, manager, entry, standing.change(realm, hero, entry.config.id, **counted))


def forge_missing(realm: Realm, manager: Manager, entry: GuildSkill, hero: str) -> QuestRecord | None:
    """The quest that was counted last, when a kill kept it from the board; None when nothing is missing."""
    with _forging(realm, hero):
        state = standing.meet(realm, hero, entry.config.id)
        is_there = state.forged == 0 or _is_on_board(realm, entry, state)
        return None if is_there else _queue(realm, manager, entry, state)


def _is_on_board(realm: Realm, entry: GuildSkill, state: SkillState) -> bool:
    """Whether the quest that was counted last came on the board, whatever became of it."""
    board, source = Board(realm), _source(entry, state)
    # Also by its source: after a change of the skill's YAML the same counter would give other rows.
    hashes = {record.sha256 for record in board.records() if record.source == source}
    hashes.add(hashlib.sha256(_content(entry, state)).hexdigest())
    return any(board.duplicate_of(sha256) for sha256 in hashes)


@contextmanager
def _forging(realm: Realm, hero: str) -> Iterator[None]:
    """Counting and queueing are one: a battle and the task master may forge at the same time."""
    with store.locked(realm.skill_states / f".{hero}.forge.lock"):
        yield


def _source(entry: GuildSkill, state: SkillState) -> str:
    """Where the quest that was counted last comes from, as its record says it."""
    return f"forge hero {state.hero} {entry.config.id} level {state.forged_level} counter {state.forged}"


def _content(entry: GuildSkill, state: SkillState) -> bytes:
    """The quest that was counted last."""
    return to_jsonl(rows_of(entry, state.hero, state.forged_level, state.forged))


def _queue(realm: Realm, manager: Manager, entry: GuildSkill, state: SkillState) -> QuestRecord:
    with tempfile.TemporaryDirectory(prefix="realm-forge-") as folder:
        path = Path(folder) / file_name(entry, state.forged_level, state.forged)
        store.write_atomic(path, _content(entry, state))
        (outcome,) = add(realm, manager, [path], source=_source(entry, state), again=True)
    if outcome.record is None or outcome.problem:
        raise RealmError(f"the forged quest {path.name} was not accepted: {outcome.problem}", outcome.hint)
    return outcome.record


def move_stale(realm: Realm, manager: Manager, hero: str) -> list[str]:
    """Forged quests that wait in normal though their level is mastered go to low; the ids of those that were moved."""
    board, moved = Board(realm), []
    for file in board.files("normal"):
        record = board.record(file.id)
        if is_stale(realm, hero, record):
            try:
                board.change_priority(record.id, "low")
            except (NotFoundError, RefusedError) as error:
                log.info("quest %s was not moved to low: %s", record.id, error.message)
                continue  # a person was faster
            reason = f"{record.skill} level {level_of(record)} is mastered"
            log.info("quest %s (%s) moved to low: %s", record.id, record.name, reason)
            emit(realm, manager, "quest_moved", quest=record.id, file=record.name, priority="low", reason=reason)
            moved.append(record.id)
    return moved


def is_stale(realm: Realm, hero: str, record: QuestRecord) -> bool:
    """Whether a quest was forged for a level that the hero has mastered since."""
    match = _FORGED.fullmatch(record.source)
    if match is None or match["hero"] != hero:
        return False  # what a person asked for stays where it is
    state = skillstate.read(realm, hero, match["skill"])
    return state is not None and int(match["level"]) in state.mastered_levels


def level_of(record: QuestRecord) -> int:
    """The level that a quest is for; one that was forged on demand has rows of other levels beside it."""
    match = _FORGED.fullmatch(record.source)
    return int(match["level"]) if match else record.level


def only_stale_left(realm: Realm, hero: str) -> bool:
    """Whether low holds nothing that someone waits for."""
    board = Board(realm)
    return all(is_stale(realm, hero, board.record(file.id)) for file in board.files("low"))
