"""The held-out rows that tell how a hero's first lessons go: `val_loss` is measured on them."""

from __future__ import annotations

import logging
from pathlib import Path

from realm_cli import store
from realm_cli.errors import SkillAwayError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skillbook import open_skill, skill_ids
from realm_guild.forge import held_out_rows, to_jsonl

log = logging.getLogger("realm.guild")
SKILL = "bin"
LEVELS = 5
HELD_OUT_PER_LEVEL = 40
HELD_OUT_SEED = 1


def make_held_out(realm: Realm, manager: Manager) -> Path | None:
    """Write the held-out set where there is none yet: problems of BIN's first levels from the eval split."""
    path = realm.path(realm.config.training.held_out)
    if path.exists() or SKILL not in skill_ids(realm):
        return None
    try:
        entry = open_skill(realm, manager, SKILL)
        levels = range(1, min(LEVELS, entry.config.max_level) + 1)
        rows = [row for level in levels for row in held_out_rows(entry.skill, level, HELD_OUT_PER_LEVEL, HELD_OUT_SEED)]
    except SkillAwayError as error:
        log.warning("no held-out set yet: %s", error.message)
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_atomic(path, to_jsonl(rows), durable=True)
    return path
