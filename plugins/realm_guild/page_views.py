"""What the guild's pages show, as plain data: the same for the pages and for `/api/`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import msgspec

from realm_cli import champions, skillstate
from realm_cli.errors import NotFoundError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skill_records import EvalLine, SkillState, SparringRun
from realm_cli.skillbook import GuildSkill, open_skill
from realm_cli.skillstate import wilson
from realm_guild import requests, results
from realm_guild.views import by_form, by_kind, counted, history_row, level_rows, skill_rows

SPARRINGS = 5
"""Sparrings in a list."""
RECENT = 12
"""Evals in a list."""
POINTS = 60
"""Evals in a curve."""


def overview(realm: Realm, manager: Manager) -> dict[str, Any]:
    """Every skill with its standing, the champion, the last sparrings, the evals that wait."""
    hero = realm.config.hero
    champion = champions.read(realm, hero)
    return {
        "hero": hero,
        "skills": [_row(realm, manager, row) for row in skill_rows(realm, manager)],
        "champion": champion.to_dict() if champion else None,
        **sparrings(realm, 1, SPARRINGS),
        **_pending(realm),
    }


def sparrings(realm: Realm, page: int, size: int) -> dict[str, Any]:
    """One page of the active hero's sparrings, newest first."""
    runs = [run for run in reversed(skillstate.sparrings(realm).runs) if run.hero == realm.config.hero]
    return {
        "sparring": [_sparring(run) for run in runs[(page - 1) * size : page * size]],
        "sparring_total": len(runs), "page": page, "last_page": max(1, -(-len(runs) // size)),
    }  # fmt: skip


def _sparring(run: SparringRun) -> dict[str, Any]:
    """One sparring, with what became of the wrong answers that gave no rows."""
    counts = {
        "empty": run.empty, "without an end": run.endless, "known from before": run.known, "not judged": run.unjudged
    }  # fmt: skip
    left_out = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
    return {**msgspec.to_builtins(run), "left_out": left_out}


def _pending(realm: Realm) -> dict[str, Any]:
    """How many evals wait, and why the newest of those that were tried could not be made."""
    waiting = [request for _, request in requests.pending(realm)]
    reasons = [request.reason for request in waiting if request.reason]
    return {"pending_evals": len(waiting), "pending_reason": reasons[-1] if reasons else ""}


def _row(realm: Realm, manager: Manager, row: dict[str, Any]) -> dict[str, Any]:
    if row["error"]:
        return row
    return {**row, **_standing(realm, open_skill(realm, manager, row["id"]))}


def _standing(realm: Realm, entry: GuildSkill) -> dict[str, Any]:
    """Where the active hero stands in a skill."""
    hero, name = realm.config.hero, entry.config.id
    state = skillstate.read(realm, hero, name) or SkillState(hero=hero, skill=name)
    lines = skillstate.lines(realm, hero, name, recent=True)
    found = skillstate.standing(lines, state.level, since=state.counts_from)
    mine = skillstate.comparable(line for line in lines if line.level == state.level)
    return {
        "level": state.level,
        "accuracy": found.accuracy,
        "interval": found.interval,
        "evals": len(found.steps),
        "threshold": entry.config.eval.threshold,
        "closed": state.level in entry.closed_levels(),
        "mastered": [_mastery(entry, one, lines) for one in msgspec.to_builtins(state.mastered)],
        "curve": [[line.step, line.accuracy, *wilson(line.correct, line.size)] for line in mine[-POINTS:]],
        "flagged": lines[-1].flagged if lines else "",
    }


def _mastery(entry: GuildSkill, mastery: dict[str, Any], lines: list[EvalLine]) -> dict[str, Any]:
    """A mastered level, with its last accuracy: what was mastered may be lost again."""
    mine = [line for line in lines if line.level == mastery["level"] and line.state == "ok"]
    now = mine[-1].accuracy if mine else None
    lost = now is not None and now < entry.config.eval.threshold - 1e-9
    return {**mastery, "now": now, "lost": lost, "closed": mastery["level"] in entry.closed_levels()}


def skill(realm: Realm, manager: Manager, name: str) -> dict[str, Any]:
    """One skill: its levels, with the last eval of each, and the evals made last."""
    entry = open_skill(realm, manager, name)
    hero = realm.config.hero
    state = skillstate.read(realm, hero, entry.config.id) or SkillState(hero=hero, skill=entry.config.id)
    mastered = {one.level: one.step for one in state.mastered}
    lines = _all_lines(realm, hero, entry.config.id)
    by_level: dict[int, list[EvalLine]] = {}
    for line in lines:
        by_level.setdefault(line.level, []).append(line)
    return {
        "skill": {"id": entry.config.id, "name": entry.config.name, "icon": entry.config.icon, "color": entry.config.color,
                  "max_level": entry.config.max_level, **_standing(realm, entry)},
        "locked_by": skillstate.locked_by(realm, hero, entry.config.unlock),
        "levels": [_level(row, by_level.get(row["level"], []), mastered) for row in level_rows(entry)],
        "recent": [history_row(line, mastered) for line in lines[-RECENT:]][::-1],
    }  # fmt: skip


def _all_lines(realm: Realm, hero: str, name: str) -> tuple[EvalLine, ...]:
    """Every eval in short; thousands of them are not read again before there are more."""
    try:
        facts = skillstate.lines_path(realm, hero, name).stat()
    except FileNotFoundError:
        return ()
    return _lines_of(realm.root, hero, name, (facts.st_ino, facts.st_size, facts.st_mtime_ns))


@functools.lru_cache(maxsize=8)
def _lines_of(root: Path, hero: str, name: str, identity: tuple[int, int, int]) -> tuple[EvalLine, ...]:
    return tuple(skillstate.lines(Realm(root), hero, name))


def _level(row: dict[str, Any], lines: list[EvalLine], mastered: dict[int, int]) -> dict[str, Any]:
    good = skillstate.comparable(lines)
    last = good[-1] if good else None
    return {
        **row,
        "mastered_at": mastered.get(row["level"]),
        "evals": len(good),
        "accuracy": last.accuracy if last else None,
        "interval": wilson(last.correct, last.size) if last else None,
        "last_step": last.step if last else None,
        "curve": [[line.step, line.accuracy, *wilson(line.correct, line.size)] for line in good[-POINTS:]],
    }


def items(realm: Realm, name: str, step: int, level: int, *, page: int, size: int) -> dict[str, Any]:
    """One eval with the problems of one page: what was asked, what the hero replied, the verdict."""
    result = results.read(realm, realm.config.hero, step, name, level)
    if result is None:
        raise NotFoundError(
            f"there is no eval of {name} level {level} at step {step}",
            f"make it: realm skill eval {name} --level {level} --checkpoint {step}",
        )
    facts = result.to_dict()
    every = facts.pop("items")
    return {
        "eval": {**facts, "accuracy": result.accuracy, "interval": wilson(result.correct, result.size)},
        "kinds": counted(by_kind(result)),
        "forms": counted(by_form(result)),
        "items": every[(page - 1) * size : page * size],
        "page": page,
        "last_page": max(1, -(-len(every) // size)),
    }
