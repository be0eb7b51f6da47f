"""The curriculum on disk: how the skills stand, the quest that is forged next, what a level-up makes of older quests."""

from __future__ import annotations

import hashlib
import logging
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec

from realm_cli import __version__, inbox, skillstate, store
from realm_cli.config import CurriculumConfig
from realm_cli.errors import NotFoundError, RealmError, RefusedError, SkillAwayError
from realm_cli.events import emit
from realm_cli.intake import add
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord
from realm_cli.sampling import draws
from realm_cli.skill_records import SkillState
from realm_cli.skillbook import GuildSkill, SkillConfig
from realm_cli.skills import is_closed
from realm_guild import schedule, standing
from realm_guild.forge import row, to_jsonl
from realm_guild.schedule import Turn
from realm_guild.strategies import Contender

log = logging.getLogger("realm.guild")
_FORGED = re.compile(r"(?P<what>forge|replay) hero (?P<hero>\S+) (?P<skill>\S+) level (?P<level>\d+) counter \d+")


def contenders(
    realm: Realm, hero: str, configs: Iterable[SkillConfig], settings: CurriculumConfig, away: Mapping[str, str]
) -> list[Contender]:  # fmt: skip
    """How the skills stand, for the decision; `away` tells of which no problems can be had, and why."""
    known = {config.id: config for config in configs}
    states = _states(realm, hero)
    last = max(states.values(), key=lambda state: state.clock, default=None)
    came = last.waiting if last else {}
    found = []
    for name in sorted({*known, *away}):
        state = states.get(name, SkillState(hero=hero, skill=name))
        one = Contender(
            name, settings.plan(name), state.level, max(state.mastered_levels, default=0), away=away.get(name, ""),
            forged=state.forged, due=came.get(name) if state.due is None else state.due, is_new=state.due is None,
            clock=state.clock,
        )  # fmt: skip
        if name in known:
            locked_by = skillstate.locked_by(realm, hero, known[name].unlock)
            one = replace(
                one, locked_by=locked_by, replay=known[name].forge.replay, max_level=known[name].max_level
            )  # fmt: skip
        found.append(one)
    return found


def _states(realm: Realm, hero: str) -> dict[str, SkillState]:
    """The standings of all skills that the hero has met."""
    return {name: state for name in skillstate.met(realm, hero) if (state := skillstate.read(realm, hero, name))}


def rows_of(
    entry: GuildSkill, hero: str, level: int, counter: int, *, is_replay: bool = False
) -> list[dict[str, Any]]:  # fmt: skip
    """The rows of a quest at `level`; they depend on the arguments and on the skill's YAML, and on nothing else.

    Beside the level itself come mastered levels (all below it), so that they are not forgotten, the higher ones more
    often, and problems of the two levels above, twice as many of the next. A replay has rows of `level` and of those
    below it, which are mastered, and no others.
    """
    forge = entry.config.forge
    rng = random.Random(f"{_what(is_replay)} {hero} {entry.config.id} {level} {counter}")
    if is_replay:
        levels = rng.choices(range(1, level + 1), weights=range(1, level + 1), k=forge.samples_at(level))
    else:
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


def _what(is_replay: bool) -> str:
    return "replay" if is_replay else "forge"


def file_name(entry: GuildSkill, level: int, counter: int, *, is_replay: bool = False) -> str:
    """`train_bin_level3_no17.jsonl`."""
    return f"{'replay' if is_replay else 'train'}_{entry.config.id}_level{level}_no{counter}.jsonl"


def forge_next(realm: Realm, manager: Manager, entry: GuildSkill, hero: str, turn: Turn) -> QuestRecord:
    """Make the quest of a turn, at the level at which the hero stands, and put it on the board."""
    with _forging(realm, hero):
        name = entry.config.id
        state = standing.meet(realm, hero, name)
        now = schedule.clock_of(one.clock for one in _states(realm, hero).values())
        due, clock = schedule.charge(turn.due if state.due is None else state.due, now, turn.share)
        level = max(state.mastered_levels, default=state.level) if turn.is_replay else state.level
        # Counted first: a forge that is killed from here on is made up for by `forge_missing`.
        counted = standing.change(
            realm, hero, name, forged=state.forged + 1, forged_level=level, forged_replay=turn.is_replay, due=due, clock=clock,
            waiting=dict(turn.waiting),
        )  # fmt: skip
        return _queue(realm, manager, entry, counted)


def forge_missing(realm: Realm, manager: Manager, entry: GuildSkill, hero: str) -> QuestRecord | None:
    """The quest that was counted last, when a kill kept it from the board; None when nothing is missing."""
    with _forging(realm, hero):
        state = skillstate.read(realm, hero, entry.config.id)
        if state is None or state.forged == 0 or _is_on_board(realm, entry, state):
            return None
        return _queue(realm, manager, entry, state)


def _is_on_board(realm: Realm, entry: GuildSkill, state: SkillState) -> bool:
    """Whether the quest that was counted last came on the board, whatever became of it."""
    board, source = Board(realm), _source(entry, state)
    # Also by its source: after a change of the skill's YAML the same counter would give other rows.
    hashes = {record.sha256 for record in board.records() if record.source == source}
    hashes.add(hashlib.sha256(to_jsonl(_rows(realm, entry, state))).hexdigest())
    return any(board.duplicate_of(sha256) for sha256 in hashes)


@contextmanager
def _forging(realm: Realm, hero: str) -> Iterator[None]:
    """Counting and queueing are one: a battle and the task master may forge at the same time."""
    with store.locked(realm.skill_states / f".{hero}.forge.lock"):
        yield


def _source(entry: GuildSkill, state: SkillState) -> str:
    """Where the quest that was counted last comes from, as its record says it."""
    what = _what(state.forged_replay)
    return f"{what} hero {state.hero} {entry.config.id} level {state.forged_level} counter {state.forged}"


def _rows(realm: Realm, entry: GuildSkill, state: SkillState) -> list[dict[str, Any]]:
    """The rows of the quest that was counted last. That the skill's server is away is noted, for who asks why it is not forged."""
    try:
        return rows_of(entry, state.hero, state.forged_level, state.forged, is_replay=state.forged_replay)
    except SkillAwayError as error:
        if state.away != error.message:
            standing.change(realm, state.hero, state.skill, away=error.message)
        raise


def _queue(realm: Realm, manager: Manager, entry: GuildSkill, state: SkillState) -> QuestRecord:
    name = file_name(entry, state.forged_level, state.forged, is_replay=state.forged_replay)
    made = _rows(realm, entry, state)
    with inbox.draft(realm, name, to_jsonl(made)) as path:
        (outcome,) = add(
            realm, manager, [path], source=_source(entry, state), provenance=_provenance(entry, state, made), again=True
        )
    if outcome.record is None or outcome.problem:
        raise RealmError(f"the forged quest {name} was not accepted: {outcome.problem}", outcome.hint)
    if state.away:
        standing.change(realm, state.hero, state.skill, away="")
    return outcome.record


def _provenance(entry: GuildSkill, state: SkillState, made: list[dict[str, Any]]) -> dict[str, Any]:
    """How the quest was made; `counts.levels` tells what of it is replay."""
    level = state.forged_level
    return {
        "generator": "curriculum", "version": __version__,
        "parameters": {
            "hero": state.hero, "skill": entry.config.id, "level": level, "counter": state.forged,
            "replay": state.forged_replay, "forge": msgspec.to_builtins(entry.config.forge, str_keys=True),
        },
        "counts": {
            "rows": len(made), "problems": len({(row["level"], row["problem_key"]) for row in made}),
            "levels": {str(one): count for one, count in sorted(Counter(row["level"] for row in made).items())},
        },
        "split": "train", "closed": is_closed(entry.skill, level),
    }  # fmt: skip


def move_stale(realm: Realm, manager: Manager, hero: str) -> list[str]:
    """Forged quests that wait in normal though their level is mastered go to low; the ids of those that were moved."""
    board, moved = Board(realm), []
    for record in stale_in(realm, hero, "normal"):
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


def stale_in(realm: Realm, hero: str, priority: str) -> list[QuestRecord]:
    """The quests that wait there and were forged for a level that the hero has mastered since."""
    board = Board(realm)
    waiting = [board.record(file.id) for file in board.files(priority)]
    return [record for record in waiting if is_stale(realm, hero, record)]


def is_stale(realm: Realm, hero: str, record: QuestRecord) -> bool:
    """Whether a quest was forged for a level that the hero has mastered since."""
    match = _FORGED.fullmatch(record.source)
    if match is None or match["what"] != "forge" or match["hero"] != hero:
        return False  # what a person asked for stays where it is, and a replay is of mastered levels
    state = skillstate.read(realm, hero, match["skill"])
    return state is not None and int(match["level"]) in state.mastered_levels


def level_of(record: QuestRecord) -> int:
    """The level that a quest is for; one that was forged on demand has rows of other levels beside it."""
    match = _FORGED.fullmatch(record.source)
    return int(match["level"]) if match else record.level


def only_stale_left(realm: Realm, hero: str) -> bool:
    """Whether low holds nothing that someone waits for."""
    return len(stale_in(realm, hero, "low")) == len(Board(realm).files("low"))
