"""Which evals a checkpoint gets, and the making of those that are pending with a generator that stands at it."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from realm_cli import profiles, skillstate
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.errors import NotFoundError, SkillAwayError
from realm_cli.events import emit
from realm_cli.generation import Generator
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skill_records import EvalLine, SkillState
from realm_cli.skillbook import GuildSkill
from realm_guild import canary, evalsets, requests, results, standing
from realm_guild.examiner import examine
from realm_guild.records import EvalRequest, EvalResult

log = logging.getLogger("realm.guild")
BASE = "base"
"""The name of step 0 in results: it has no canonical name."""


def ask_for_checkpoint(realm: Realm, entry: GuildSkill, record: LedgerRecord) -> None:
    """Ask for the evals that a checkpoint gets, once. They depend on what was known before it, and on nothing else."""
    state = standing.meet(realm, record.hero, entry.config.id)
    if state.reviewed_step == record.step:
        _ask_again(realm, entry, record)
        return
    for level, why in _due(realm, entry, state):
        requests.ask(realm, record.hero, record.step, entry.config.id, level, why)
    reviews = state.reviews + 1
    standing.change(realm, record.hero, entry.config.id, reviewed_step=record.step, reviews=reviews)


def _ask_again(realm: Realm, entry: GuildSkill, record: LedgerRecord) -> None:
    """Evals of other weights under the same step, which was trained and saved again, do not stand."""
    for result in results.of_checkpoint(realm, record.hero, record.step):
        if result.skill == entry.config.id and result.weights_sha256 != record.weights_sha256:
            requests.ask(realm, record.hero, record.step, result.skill, result.level, "training")


def ask_for_missed(realm: Realm, entry: GuildSkill, record: LedgerRecord) -> None:
    """Ask for what a checkpoint would have got, had all evals of earlier ones been known when it was saved."""
    state = standing.meet(realm, record.hero, entry.config.id)
    level = min((one.level for one in state.mastered if one.step >= record.step), default=state.level)
    _ask_if_missing(realm, entry, record, level, "training")
    lines = skillstate.lines(realm, state.hero, state.skill, recent=True)
    if _is_nearly_mastered(entry, [line for line in lines if line.step < record.step], level):
        _ask_if_missing(realm, entry, record, level + 1, "ahead")


def _ask_if_missing(realm: Realm, entry: GuildSkill, record: LedgerRecord, level: int, why: str) -> None:
    found = results.read(realm, record.hero, record.step, entry.config.id, level)
    try:
        stands = results.stands(found, record.weights_sha256, evalsets.hash_of(evalsets.ensure(realm, entry, level)))
    except SkillAwayError:
        stands = False  # whoever makes the eval looks again
    if not stands:
        requests.ask(realm, record.hero, record.step, entry.config.id, level, why)


def _due(realm: Realm, entry: GuildSkill, state: SkillState) -> list[tuple[int, str]]:
    """(level, why): the level in training, the next one when that is about to be mastered, a mastered one by turns."""
    due = [(state.level, "training")]
    lines = skillstate.lines(realm, state.hero, state.skill, recent=True)
    if _is_nearly_mastered(entry, lines, state.level):
        due.append((state.level + 1, "ahead"))
    earlier = [level for level in state.mastered_levels if level != state.level]
    if earlier:
        due.append((earlier[state.reviews % len(earlier)], "replay"))
    return due


def _is_nearly_mastered(entry: GuildSkill, lines: list[EvalLine], level: int) -> bool:
    """Whether the last eval of a level reached the threshold, and there is a level above it."""
    last = skillstate.standing([line for line in lines if line.level == level][-1:], level)
    return level < entry.config.max_level and (last.accuracy or 0.0) >= entry.config.eval.threshold


def ask_for_mastered(realm: Realm, entry: GuildSkill, record: LedgerRecord) -> None:
    """After a level-up: every mastered level is examined at that checkpoint, to see what it cost."""
    state = standing.meet(realm, record.hero, entry.config.id)
    for level in state.mastered_levels:
        _ask_if_missing(realm, entry, record, level, "level_up")


def make_pending(
    realm: Realm,
    manager: Manager,
    entries: dict[str, GuildSkill],
    generator: Generator,
    breathe: Callable[[str], None],
) -> list[EvalResult]:
    """Make every pending eval of the generator's checkpoint. What leaves by an exception stays pending."""
    made = []
    for path, request in requests.pending(realm):
        entry = entries.get(request.skill)
        if (request.hero, request.step) != (generator.hero, generator.step) or entry is None:
            continue
        with requests.claimed(realm, path) as mine:
            if mine:
                made.append(evaluate(realm, manager, entry, request, generator, breathe))
    return made


def evaluate(
    realm: Realm,
    manager: Manager,
    entry: GuildSkill,
    request: EvalRequest,
    generator: Generator,
    breathe: Callable[[str], None],
) -> EvalResult:
    """One eval, stored; a stored one of the same weights, set and data profile is not made again."""
    skill, level = entry.config.id, request.level
    stored = results.read(realm, request.hero, request.step, skill, level)
    eval_set = evalsets.ensure(realm, entry, level)
    present, under = evalsets.hash_of(eval_set), profiles.of_generator(generator).stamp
    if stored is not None and results.stands(stored, generator.weights_sha256, present, under):
        results.ensure_line(realm, stored)
        return stored
    record = _record(realm, request.hero, request.step)
    doing = f"{skill} level {level}: {len(eval_set.problems)} problems"
    result = examine(
        entry, eval_set, generator, record.canonical_name if record else BASE, lambda: breathe(f"evaluating {doing}")
    )
    if record is not None:
        result = msgspec.structs.replace(result, flagged=canary.contradiction(realm, result, record))
    results.write(realm, result)
    _tell(realm, manager, result)
    return result


def _record(realm: Realm, hero: str, step: int) -> LedgerRecord | None:
    try:
        return Ledger(realm, hero).get(step) if step else None
    except NotFoundError:
        return None


def _tell(realm: Realm, manager: Manager, result: EvalResult) -> None:
    facts = {
        "hero": result.hero, "step": result.step, "skill": result.skill, "level": result.level, "state": result.state,
        "correct": result.correct, "size": result.size, "closed": result.closed,
    }  # fmt: skip
    log.info("eval %s level %d: %d of %d right", result.skill, result.level, result.correct, result.size)
    emit(realm, manager, "eval_done", **facts, **({"reason": result.reason} if result.reason else {}))
    if result.state != "ok":
        log.warning("eval %s level %d does not count (%s): %s", result.skill, result.level, result.state, result.reason)
    if result.flagged:
        log.warning("eval %s level %d contradicts the loss: %s", result.skill, result.level, result.flagged)
        shown = [
            {"prompt": item.prompt, "expected": item.expected, "reply": item.reply}
            for item in canary.samples_of(result)
        ]
        emit(realm, manager, "eval_suspicious", **facts, reason=result.flagged, samples=shown)
