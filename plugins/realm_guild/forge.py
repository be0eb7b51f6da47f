"""The forge: quests of fresh problems. A quest's bytes depend on skill, level, count and seed, and on nothing else."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import msgspec

from realm_cli import __version__, inbox
from realm_cli.errors import RefusedError
from realm_cli.intake import add
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord
from realm_cli.sampling import sample
from realm_cli.skills import Problem, Skill, is_closed


def default_seed(skill_id: str, level: int, count: int) -> int:
    """The seed of a quest for which nobody named one: always the same for the same quest."""
    digest = hashlib.sha256(f"forge {skill_id} {level} {count}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def file_name(skill_id: str, level: int, count: int, moment: datetime | None = None) -> str:
    """`train_bin_level3_2000_20251127-143005.jsonl` (UTC)."""
    time = (moment or datetime.now(timezone.utc)).strftime("%Y%m%d-%H%M%S")
    return f"train_{skill_id}_level{level}_{count}_{time}.jsonl"


def forge_source(skill: Skill, level: int, count: int, seed: int) -> str:
    """Where a forged quest came from, as its record says it."""
    return f"forge {skill.id} level {level} count {count} seed {seed}"


def training_rows(skill: Skill, level: int, count: int, seed: int) -> list[dict[str, Any]]:
    """`count` rows from the training split."""
    return [row(skill, level, problem) for problem in sample(skill, level, count, seed, "train")]


def held_out_rows(skill: Skill, level: int, count: int, seed: int) -> list[dict[str, Any]]:
    """Up to `count` distinct rows from the eval split, for a fixed validation set."""
    return [row(skill, level, problem) for problem in sample(skill, level, count, seed, "eval")]


def row(skill: Skill, level: int, problem: Problem) -> dict[str, Any]:
    """One row of a quest file. It carries its key, so that whatever is made from it obeys the split."""
    messages = [{"role": "user", "content": problem.prompt}, {"role": "assistant", "content": problem.answer}]
    return {"messages": messages, "skill": skill.id, "level": level, "problem_key": problem.key}


def to_jsonl(rows: list[dict[str, Any]]) -> bytes:
    """The rows as the content of a quest file."""
    return b"".join([msgspec.json.encode(row) + b"\n" for row in rows])


def provenance(
    skill: Skill, level: int, seed: int, problems: list[Problem], difficulty: Mapping[str, Any]
) -> dict[str, Any]:
    """How a forged quest was made: what makes its bytes again, and what they hold."""
    return {
        "generator": "realm quest forge", "version": __version__,
        "parameters": {
            "skill": skill.id, "level": level, "count": len(problems), "seed": seed, "difficulty": dict(difficulty)
        },
        "counts": {
            "rows": len(problems), "problems": len({problem.key for problem in problems}),
            "kinds": dict(sorted(Counter(str(problem.meta.get("kind", "")) for problem in problems).items())),
        },
        "split": "train", "closed": is_closed(skill, level),
    }  # fmt: skip


def forge(
    realm: Realm, manager: Manager, skill: Skill, level: int, count: int, seed: int, priority: str = "normal",
    difficulty: Mapping[str, Any] | None = None,
) -> QuestRecord:  # fmt: skip
    """Make a quest and put it on the board. Raises `RefusedError` when the same one was queued before.

    `difficulty` is what was changed of the skill's settings, for the record.
    """
    name, problems = file_name(skill.id, level, count), sample(skill, level, count, seed, "train")
    made = provenance(skill, level, seed, problems, difficulty or {})
    with inbox.draft(realm, name, to_jsonl([row(skill, level, problem) for problem in problems])) as path:
        source = forge_source(skill, level, count, seed)
        (outcome,) = add(realm, manager, [path], priority=priority, source=source, provenance=made)
    if outcome.record is None:
        raise RefusedError(f"{name}: {outcome.problem}", "forge other problems with another --seed")
    if outcome.problem:
        raise RefusedError(f"{name}: {outcome.problem}", outcome.hint)
    return outcome.record
