"""Pending evals as files: asked for, claimed by rename, given back when they could not be made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from realm_cli import belonging, store
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_guild.records import EvalRequest

PERSON = "request"
"""Why an eval is made that somebody asked for: it is stored, and nothing follows from it before the next checkpoint."""
_CLAIM = re.compile(rf"(.+\.json)\.({belonging.LABEL})")


def ask(realm: Realm, hero: str, step: int, skill: str, level: int, why: str) -> Path:
    """Ask for an eval; asking twice leaves one request, which a person's asking does not replace."""
    path = realm.pending_evals / f"{hero}-{step}-{skill}-{level}.json"
    if not path.exists() or (why != PERSON and _is_of_a_person(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        request = EvalRequest(hero=hero, step=step, skill=skill, level=level, why=why, requested_at=now())
        store.write_record(path, request, durable=True)
    return path


def _is_of_a_person(path: Path) -> bool:
    present = store.read_or_set_aside(path, EvalRequest)
    return present is not None and present.why == PERSON


def explain(realm: Realm, hero: str, step: int, reason: str, skill: str | None = None) -> None:
    """Keep with the requests of a checkpoint, or with those in one skill, why they were not made."""
    for path, request in pending(realm):
        meant = (request.hero, request.step) == (hero, step) and skill in (None, request.skill)
        if meant and request.reason != reason:
            store.write_record(path, msgspec.structs.replace(request, reason=reason))


def pending(realm: Realm) -> list[tuple[Path, EvalRequest]]:
    """Every eval that waits, oldest checkpoint first; what a dead process had claimed waits again."""
    for claim in orphans(realm):
        store.move(claim, _asked_as(claim))
    return waiting(realm)


def waiting(realm: Realm) -> list[tuple[Path, EvalRequest]]:
    """Every eval that nobody has taken, oldest checkpoint first."""
    found = []
    for path in realm.pending_evals.glob("*.json"):
        request = store.read_or_set_aside(path, EvalRequest)
        if request is not None:  # else another process has claimed it this moment
            found.append((path, request))
    return sorted(found, key=lambda pair: (pair[1].hero, pair[1].step, pair[1].skill, pair[1].level))


@contextmanager
def claimed(realm: Realm, path: Path) -> Iterator[bool]:
    """Hold a request while it is worked on: False when another process has it. It goes when the work is done; it is
    given back, as it was, when the work is left by an exception."""
    claim = _claims(realm) / f"{path.name}.{belonging.label(realm)}"
    claim.parent.mkdir(parents=True, exist_ok=True)
    if not store.move(path, claim):
        yield False
        return
    try:
        yield True
    except BaseException:
        store.move(claim, path)
        raise
    store.delete(claim)


@contextmanager
def held(realm: Realm, found: Iterable[tuple[Path, EvalRequest]]) -> Iterator[list[EvalRequest]]:
    """Hold several requests as `claimed` does; those that another process has are left out."""
    with ExitStack() as stack:
        yield [request for path, request in found if stack.enter_context(claimed(realm, path))]


def _claims(realm: Realm) -> Path:
    return realm.pending_evals / ".claimed"


def orphans(realm: Realm) -> list[Path]:
    """Claims of processes that are gone."""
    found = []
    for claim in _claims(realm).glob("*.json.*"):
        match = _CLAIM.fullmatch(claim.name)
        if match is not None and not belonging.is_at_work(realm, match[2]):
            found.append(claim)
    return found


def _asked_as(claim: Path) -> Path:
    """Where a claimed request lay."""
    match = _CLAIM.fullmatch(claim.name)
    assert match is not None
    return claim.parents[1] / match[1]
