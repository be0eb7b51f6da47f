"""Results of evals on disk: one for each checkpoint, skill and level, and a short line of each for curves and levels."""

from __future__ import annotations

from pathlib import Path

from realm_cli import skillstate, store
from realm_cli.errors import FormatError
from realm_cli.realm import Realm
from realm_cli.skill_records import EvalLine
from realm_guild.records import EvalResult


def path_of(realm: Realm, hero: str, step: int, skill: str, level: int) -> Path:
    """Where a result lies."""
    return realm.evals / hero / str(step) / f"{skill}-{level}.json"


def read(realm: Realm, hero: str, step: int, skill: str, level: int) -> EvalResult | None:
    """The stored result; None when there is none. A damaged one is set aside, so that the eval is made again."""
    return store.read_or_set_aside(path_of(realm, hero, step, skill, level), EvalResult)


def stands(
    result: EvalResult | None, weights_sha256: str, set_sha256: str | None = None, profile: str | None = None
) -> bool:
    """Whether a result need not be made again: it is ok, of these very weights, and of that eval set and data profile
    where they are named.
    """
    return (
        result is not None
        and result.state == "ok"
        and result.weights_sha256 == weights_sha256
        and set_sha256 in (None, result.set_sha256)
        and profile in (None, result.profile)
    )


def write(realm: Realm, result: EvalResult) -> None:
    """Store the result, then its line. Doing it twice counts once."""
    path = path_of(realm, result.hero, result.step, result.skill, result.level)
    path.parent.mkdir(parents=True, exist_ok=True)
    # On one line: an hour of play makes hundreds of them.
    store.write_atomic(path, store.to_line(result.to_dict()), durable=True)
    ensure_line(realm, result)


def ensure_line(realm: Realm, result: EvalResult) -> None:
    """Append the result's line unless it stands there: a kill may have come between the two."""
    line = _line(result)
    known = {(one.step, one.level): one for one in skillstate.lines(realm, result.hero, result.skill, recent=True)}
    if known.get((line.step, line.level)) != line:
        path = skillstate.lines_path(realm, result.hero, result.skill)
        path.parent.mkdir(parents=True, exist_ok=True)
        store.append_line(path, line.to_dict(), durable=True)


def _line(result: EvalResult) -> EvalLine:
    return EvalLine(
        step=result.step, level=result.level, state=result.state, correct=result.correct, size=result.size,
        closed=result.closed, set_sha256=result.set_sha256, at=result.at, profile=result.profile,
        flagged=result.flagged,
    )  # fmt: skip


def of_checkpoint(realm: Realm, hero: str, step: int) -> list[EvalResult]:
    """All results of one checkpoint, by skill and level."""
    found = []
    for path in (realm.evals / hero / str(step)).glob("*.json"):
        try:
            found.append(store.read_record(path, EvalResult))
        except FormatError as error:
            store.quarantine(path, error.problem)
    return sorted(found, key=lambda result: (result.skill, result.level))
