"""What commands and pages show of skills: plain data, ready for JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from realm_cli import skillstate
from realm_cli.errors import RealmError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skill_records import EvalLine
from realm_cli.skillbook import GuildSkill, open_skill, skill_ids
from realm_cli.skills import CLOSED_BELOW, Problem
from realm_cli.skillstate import wilson
from realm_guild import results
from realm_guild.records import EvalResult


def skill_rows(realm: Realm, manager: Manager) -> list[dict[str, Any]]:
    """One row for every skill; one that cannot be used has its `error` and does not hide the others."""
    rows = []
    for skill_id in skill_ids(realm):
        try:
            entry = open_skill(realm, manager, skill_id)
            locked = skillstate.locked_by(realm, realm.config.hero, entry.config.unlock)
            rows.append({**skill_row(entry), "locked_by": locked})
        except RealmError as error:
            rows.append({"id": skill_id, "error": error.message})
    return rows


def skill_row(entry: GuildSkill) -> dict[str, Any]:
    """One skill: its configuration, and which of its levels are closed."""
    row: dict[str, Any] = msgspec.to_builtins(entry.config)
    del row["levels"]
    return {**row, "closed_levels": entry.closed_levels(), "error": ""}


def level_rows(entry: GuildSkill) -> list[dict[str, Any]]:
    """Every level: its name, how many problems it has (None = endless), and whether it is closed."""
    closed = set(entry.closed_levels())
    return [
        {
            "level": level,
            "name": entry.config.levels.get(level, ""),
            "space": entry.skill.space(level),
            "closed": level in closed,
        }
        for level in range(1, entry.config.max_level + 1)
    ]


def problem_row(problem: Problem, level: int) -> dict[str, Any]:
    """One problem as `skill sample` prints it and `skill judge` reads it."""
    return {
        "prompt": problem.prompt, "answer": problem.answer, "key": problem.key, "level": level, "meta": problem.meta,
    }  # fmt: skip


def eval_row(realm: Realm, result: EvalResult) -> dict[str, Any]:
    """One eval for scripts, without its items."""
    row = result.to_dict()
    del row["items"]
    path = results.path_of(realm, result.hero, result.step, result.skill, result.level)
    return {
        **row,
        "kinds": counted(by_kind(result)),
        "forms": counted(by_form(result)),
        "accuracy": result.accuracy,
        "interval": wilson(result.correct, result.size),
        "path": str(path),
    }


def eval_line(result: EvalResult) -> dict[str, Any]:
    """One eval for people."""
    low, high = wilson(result.correct, result.size)
    return {
        "step": result.step, "skill": result.skill, "level": result.level, "right": f"{result.correct} of {result.size}",
        "accuracy": f"{result.accuracy:.0%}", "interval": f"{100 * low:.0f}-{100 * high:.0f} %",
        "closed": "yes" if result.closed else "", "state": result.state,
    }  # fmt: skip


def by_kind(result: EvalResult) -> dict[str, tuple[int, int]]:
    """Kind of problem → (right, all), the weakest first; empty where the skill tells no kinds."""
    return _by([(item.kind, item.correct) for item in result.items if item.kind])


def by_form(result: EvalResult) -> dict[str, tuple[int, int]]:
    """How problems were asked → (right, all), the weakest first; empty where all were asked in the plain way."""
    if not any(item.form for item in result.items):
        return {}
    return _by([(item.form or "plain", item.correct) for item in result.items])


def _by(judged: list[tuple[str, bool]]) -> dict[str, tuple[int, int]]:
    counts: dict[str, tuple[int, int]] = {}
    for name, correct in judged:
        right, total = counts.get(name, (0, 0))
        counts[name] = (right + correct, total + 1)
    return dict(sorted(counts.items(), key=lambda pair: pair[1][0] / pair[1][1]))


def counted(shares: dict[str, tuple[int, int]]) -> dict[str, dict[str, int]]:
    """The same for scripts."""
    return {name: {"correct": right, "size": total} for name, (right, total) in shares.items()}


def history_row(line: EvalLine, mastered: dict[int, int]) -> dict[str, Any]:
    """One line of a skill's history for scripts."""
    row = {key: value for key, value in line.to_dict().items() if key not in ("kind", "version")}
    interval = wilson(line.correct, line.size)
    return {**row, "accuracy": line.accuracy, "interval": interval, "mastered": mastered.get(line.level) == line.step}


def shown(text: str, width: int = 200) -> str:
    """A text of the hero's own on one line, safe for a terminal: control characters as escapes, cut at `width`."""
    safe = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return safe if len(safe) <= width else safe[: width - 1] + "…"


def ranges(levels: list[int]) -> str:
    """`1-4, 7`; a dash for none."""
    parts: list[list[int]] = []
    for level in levels:
        if parts and parts[-1][-1] == level - 1:
            parts[-1].append(level)
        else:
            parts.append([level])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in parts) or "-"


CLOSED_NOTE = f"closed: fewer than {CLOSED_BELOW:,} problems, so training and evals both draw from all of them"
