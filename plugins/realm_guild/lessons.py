"""What `realm play` puts on an empty board: the first lessons, and the held-out rows that tell how they go."""

from __future__ import annotations

from pathlib import Path

from realm_cli import store
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import PRIORITIES, Realm
from realm_cli.records import QuestRecord
from realm_cli.skillbook import open_skill
from realm_cli.skills import Skill
from realm_guild.forge import default_seed, forge, forge_source, held_out_rows, to_jsonl

SKILL = "bin"
LESSONS = {1: 3_000, 2: 6_000, 3: 12_000}
"""Rows by level: each level has about four times the problems of the one before and takes twice the practice."""
HELD_OUT_PER_LEVEL = 60
HELD_OUT_SEED = 1


def board_is_empty(realm: Realm) -> bool:
    """Whether nothing waits for a battle."""
    board = Board(realm)
    return not any(board.files(state) for state in (*PRIORITIES, "processing"))


def make_held_out(realm: Realm, manager: Manager) -> Path | None:
    """Write the held-out set where there is none yet: problems of the lessons' levels from the eval split."""
    path = realm.path(realm.config.training.held_out)
    if path.exists():
        return None
    skill = open_skill(realm, manager, SKILL).skill
    rows = [row for level in LESSONS for row in held_out_rows(skill, level, HELD_OUT_PER_LEVEL, HELD_OUT_SEED)]
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_atomic(path, to_jsonl(rows), durable=True)
    return path


def forge_lessons(realm: Realm, manager: Manager) -> list[QuestRecord]:
    """Quests of the first levels. Each call forges other problems than the ones before."""
    skill = open_skill(realm, manager, SKILL).skill
    return [_forge_next(realm, manager, level, count, skill) for level, count in LESSONS.items()]


def _forge_next(realm: Realm, manager: Manager, level: int, count: int, skill: Skill) -> QuestRecord:
    """The first seed, from the level's own on, whose quest the board has not had."""
    known = {record.source for record in Board(realm).records()}
    seed = default_seed(SKILL, level, count)
    while forge_source(skill, level, count, seed) in known:
        seed += 1
    return forge(realm, manager, skill, level, count, seed)
