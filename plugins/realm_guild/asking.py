"""Evals that a person asks for, made in this process with the inference back end `local`."""

from __future__ import annotations

import logging
from itertools import groupby

from realm_cli import skillstate
from realm_cli.checkpoints import extract_step
from realm_cli.errors import NotFoundError, RealmError
from realm_cli.generation import open_generator
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skillbook import GuildSkill
from realm_guild import evalsets, evaluating, requests, results
from realm_guild.records import EvalRequest, EvalResult

log = logging.getLogger("realm.guild")


def step_of(realm: Realm, checkpoint: str | None) -> int:
    """The step that a user names, as number or canonical name; the newest checkpoint, or the base model, by default."""
    if checkpoint is None:
        steps = Ledger(realm).steps()
        return steps[0] if steps else 0
    if checkpoint == "0":
        return 0
    step = int(checkpoint) if checkpoint.isdecimal() else extract_step(checkpoint)
    record = Ledger(realm).get(step)
    if not checkpoint.isdecimal() and record.canonical_name != checkpoint.rstrip("/").rpartition("/")[2]:
        raise NotFoundError(
            f"there is no {checkpoint}; step {step} is {record.canonical_name}", "name that, or the step"
        )
    return step


def levels_of(realm: Realm, entry: GuildSkill, level: int | None, mastered: bool) -> list[int]:
    """The levels that a user asks for; the one in training by default."""
    hero, skill = realm.config.hero, entry.config.id
    state = skillstate.read(realm, hero, skill)
    if mastered:
        if state is None or not state.mastered:
            raise NotFoundError(f"{hero} has mastered no level of {skill}", f"see: realm skill history {skill}")
        return state.mastered_levels
    if level is not None:
        entry.check_level(level)
        return [level]
    return [state.level if state else 1]


def examine_levels(
    realm: Realm, manager: Manager, entry: GuildSkill, hero: str, step: int, levels: list[int]
) -> list[EvalResult]:
    """The results of one checkpoint at these levels; stored ones are given as they are, the others made now."""
    weights = Ledger(realm, hero).get(step).weights_sha256 if step else None
    missing = []
    for level in levels:
        stored = results.read(realm, hero, step, entry.config.id, level)
        present = evalsets.hash_of(evalsets.ensure(realm, entry, level))
        if stored is None or not results.stands(stored, weights or stored.weights_sha256, present):
            missing.append(level)
            requests.ask(realm, hero, step, entry.config.id, level, "request")
    if missing:
        _make(realm, manager, entry, hero, step)
    found = [results.read(realm, hero, step, entry.config.id, level) for level in levels]
    return [result for result in found if result is not None]


def pending_of(realm: Realm, manager: Manager, entry: GuildSkill) -> list[EvalResult]:
    """Make every pending eval of the skill. A checkpoint that cannot be opened leaves its evals pending."""

    def mine(request: EvalRequest) -> tuple[str, int]:
        return request.hero, request.step

    waiting = [request for _, request in requests.pending(realm) if request.skill == entry.config.id]
    made: list[EvalResult] = []
    for (hero, step), _ in groupby(waiting, key=mine):
        try:
            made += _make(realm, manager, entry, hero, step)
        except RealmError as error:
            log.warning("evals of %s at step %d stay pending: %s", hero, step, error.message)
    return made


def _make(realm: Realm, manager: Manager, entry: GuildSkill, hero: str, step: int) -> list[EvalResult]:
    generator = open_generator(realm, manager, hero, step)
    try:
        return evaluating.make_pending(realm, manager, {entry.config.id: entry}, generator, lambda _doing: None)
    finally:
        generator.close()
