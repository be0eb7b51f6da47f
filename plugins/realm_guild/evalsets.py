"""Static eval sets: the same distinct problems at every checkpoint, made once for each level."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from realm_cli import store
from realm_cli.errors import FormatError, NewerFormatError
from realm_cli.realm import Realm
from realm_cli.sampling import sample
from realm_cli.skillbook import GuildSkill
from realm_cli.skills import Problem, is_closed, split_of
from realm_guild.records import EvalSet, SetProblem

log = logging.getLogger("realm.guild")
SEED = 0


def path_of(realm: Realm, skill_id: str, level: int) -> Path:
    """Where a level's set lies."""
    return realm.eval_sets / skill_id / f"level_{level:02}.json"


def ensure(realm: Realm, entry: GuildSkill, level: int) -> EvalSet:
    """The level's set; made where there is none, and made anew where size or closedness were changed in the YAML."""
    path = path_of(realm, entry.config.id, level)
    found = read(path, entry, level)
    if found is not None and found.size == entry.config.eval.size and found.closed == is_closed(entry.skill, level):
        return found
    if found is not None:
        log.warning("%s is made anew for %d problems; evals of the old set count no more", path, entry.config.eval.size)
    return make(realm, entry, level)


def read(path: Path, entry: GuildSkill, level: int) -> EvalSet | None:
    """The set in `path`; None when there is none. One that cannot be what it says is a `FormatError`."""
    remedy = f"make it anew: realm skill eval {entry.config.id} --make"
    try:
        found = store.read_record(path, EvalSet)
    except FileNotFoundError:
        return None
    except NewerFormatError:
        raise
    except FormatError as error:
        raise FormatError(error.where, error.problem, remedy) from None
    if (found.skill, found.level) != (entry.config.id, level) or not found.problems:
        problem = f"it holds {len(found.problems)} problems of {found.skill} level {found.level}"
        raise FormatError(str(path), problem, remedy)
    if not found.closed and any(split_of(entry.skill.id, problem.key) != "eval" for problem in found.problems):
        raise FormatError(str(path), "a problem of it belongs to the training split", remedy)
    return found


def make(realm: Realm, entry: GuildSkill, level: int, seed: int = SEED) -> EvalSet:
    """Draw and write a level's set; at a small closed level it is the whole table."""
    entry.check_level(level)
    problems = sample(entry.skill, level, entry.config.eval.size, seed, "eval")
    made = EvalSet(
        skill=entry.config.id, level=level, seed=seed, size=entry.config.eval.size,
        closed=is_closed(entry.skill, level),
        problems=[SetProblem(one.prompt, one.answer, one.key, one.meta) for one in problems],
    )  # fmt: skip
    path = path_of(realm, entry.config.id, level)
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_record(path, made, durable=True)
    return made


def hash_of(eval_set: EvalSet) -> str:
    """Twelve digits that tell sets apart: over prompts and golden answers."""
    digest = hashlib.sha256()
    for problem in eval_set.problems:
        digest.update(f"{len(problem.prompt)} {problem.prompt} {problem.answer}\n".encode())
    return digest.hexdigest()[:12]


def problems_of(eval_set: EvalSet) -> list[Problem]:
    """The set's problems as the judge takes them."""
    return [Problem(one.prompt, one.answer, one.key, one.meta) for one in eval_set.problems]
