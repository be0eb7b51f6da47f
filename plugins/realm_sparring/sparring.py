"""One sparring: fresh problems of the training split, a checkpoint's answers, and a quest of those that are wrong.

A kill at any moment leaves no half quest and no second one: all that decides the problems is in the quest's source, and
a sparring whose quest is on the board already is not made again.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec

from realm_cli import __version__, inbox, inference, leases, skillstate, store
from realm_cli.errors import NotFoundError, RealmError, RefusedError
from realm_cli.generation import Generator
from realm_cli.intake import add
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord, now
from realm_cli.sampling import distinct
from realm_cli.skill_records import SparringRun, SparringSample
from realm_cli.skillbook import GuildSkill, open_skill
from realm_cli.skills import Problem, Skill
from realm_sparring import answering, expiring, history, rows, sources
from realm_sparring.answering import Answers
from realm_sparring.rows import Row, Stamp, Wrong
from realm_sparring.sources import WEIGHTS_DIGITS, Source

SPARE = 3
"""Problems drawn for each that is asked, at most, to find those whose golden answers are confirmed."""
SHOWN = 3
SHOWN_LETTERS = 400
"""Wrong answers that the record keeps to look at, and of each text so much."""


_OTHERS = "spar with other problems: another --seed, or none"


@dataclass(frozen=True)
class Order:
    """What is wanted."""

    skill: str
    count: int
    level: int | None = None
    """None = the level in training."""
    checkpoint: str | None = None
    """A step or a canonical name; None = the newest."""
    queue: bool = True
    """Otherwise the rows are left in `data/sparring/`."""
    seed: int | None = None
    """None = the next number of this checkpoint, skill and level."""


@dataclass(frozen=True)
class Result:
    """What came of it."""

    run: SparringRun
    was_queued: bool = False
    """A sparring that was killed had queued the quest; nothing was asked again."""
    expired: list[QuestRecord] = field(default_factory=list)


def spar(realm: Realm, manager: Manager, order: Order) -> Result:
    """One sparring of the active hero, from the checkpoint to the quest."""
    entry, hero = open_skill(realm, manager, sources.skill_of(order.skill)), realm.config.hero
    state = skillstate.read(realm, hero, entry.config.id)
    level = order.level or (state.level if state else 1)
    entry.check_level(level)
    newest, step = _steps(realm, hero, order)
    with store.locked(realm.status / ".sparring.lock", wait=False, owner="another sparring of this realm"):
        expired = expiring.expire(realm, manager, hero, newest)
        with leases.held(realm, f"checkpoint_{hero}_{step}", "sparring"):
            generator = inference.open_checkpoint(realm, manager, hero, step)
            try:
                _check_weights(realm, generator, hero, step)
                result = bout(realm, manager, entry, level, order, generator)
            finally:
                generator.close()
    return Result(result.run, result.was_queued, expired)


def _steps(realm: Realm, hero: str, order: Order) -> tuple[int, int]:
    """(the newest step, the one that is to spar)."""
    ledger = Ledger(realm, hero)
    newest = next(iter(ledger.steps()), 0)
    if order.checkpoint is None and not newest:
        raise NotFoundError(f"{hero} has no checkpoint yet", "train one first, or spar with the base: --checkpoint 0")
    step = newest if order.checkpoint is None else ledger.step_of(order.checkpoint)
    if order.queue and newest - step > realm.config.sparring.stale_steps:
        raise RefusedError(
            f"step {step} is {newest - step} steps behind {hero}: its sparring would expire at once",
            "spar with a newer checkpoint, or leave the rows in a file with --no-queue; the limit is sparring.stale_steps",
        )
    return newest, step


def _check_weights(realm: Realm, generator: Generator, hero: str, step: int) -> None:
    known = Ledger(realm, hero).get(step).weights_sha256 if step else generator.weights_sha256
    if (generator.hero, generator.step, generator.weights_sha256) != (hero, step, known):
        raise RealmError(
            f"{generator.hero} at step {generator.step} with weights {generator.weights_sha256[:12]} was opened instead"
            f" of {hero} at step {step} with weights {known[:12]}",
            f"check it: realm ledger show {step}",
        )


def bout(
    realm: Realm, manager: Manager, entry: GuildSkill, level: int, order: Order, generator: Generator
) -> Result:  # fmt: skip
    """Ask, judge, queue, write down. For a holder of the sparring's lock."""
    begun = time.monotonic()
    source = _source(realm, entry, level, order, generator)
    ever = sources.ever_queued(realm, source.hero)
    mended = mend(realm, ever, source.step)
    queued = next((record for record, other in ever if sources.same(other, source)), None) if order.queue else None
    if queued is not None and queued.id in mended:
        return Result(mended[queued.id], was_queued=True)
    if queued is not None:
        raise RefusedError(f"this very sparring is quest {queued.id} already", _OTHERS)
    asked, spare = _problems(entry, level, source)
    answers = answering.ask(entry, generator, asked)
    made, known = _rows(realm, source, entry.skill, generator, answers, spare)
    quest, file = _deliver(realm, manager, source, made, order)
    run = _run_of(
        source, weights_sha256=generator.weights_sha256, asked=len(asked), wrong=answers.wrong_count, empty=len(answers.empty),
        endless=len(answers.endless), unjudged=len(answers.unjudged), known=known, rows=len(made), quest=quest, file=file,
        seconds=round(time.monotonic() - begun, 3), samples=[_sample(one) for one in answers.wrong[:SHOWN]],
    )  # fmt: skip
    history.add(realm, run)
    return Result(run)


def mend(realm: Realm, ever: list[tuple[QuestRecord, Source]], step: int) -> dict[str, SparringRun]:
    """Write those down that were killed when their quest was queued already; by the quest's id."""
    known, mended = {run.quest for run in skillstate.sparrings(realm).runs}, dict[str, SparringRun]()
    for record, source in sorted(ever, key=lambda one: one[0].number):
        if record.id not in known and not sources.is_stale(realm, source, step):
            facts = {"quest": record.id, "rows": record.samples, "wrong": record.samples // 3, "at": record.added_at}
            mended[record.id] = _run_of(source, weights_sha256=_weights_of(realm, source), **facts)
            history.add(realm, mended[record.id])
    return mended


def _weights_of(realm: Realm, source: Source) -> str:
    """The whole hash, where the ledger still knows it."""
    try:
        known = Ledger(realm, source.hero).get(source.step).weights_sha256
    except NotFoundError:
        return source.weights
    return known if known.startswith(source.weights) else source.weights


def _source(realm: Realm, entry: GuildSkill, level: int, order: Order, generator: Generator) -> Source:
    hero, step, skill = generator.hero, generator.step, entry.config.id
    number = 0 if order.seed is not None else history.last_number(realm, hero, step, skill, level) + 1
    return Source(
        hero=hero, step=step, weights=generator.weights_sha256[:WEIGHTS_DIGITS], skill=skill, level=level, number=number,
        seed=order.seed, count=order.count,
    )  # fmt: skip


def _problems(entry: GuildSkill, level: int, source: Source) -> tuple[list[Problem], Iterator[Problem]]:
    """(those to ask, others), all with keys of their own; a closed level may have fewer than are wanted."""
    drawn = f"spar {source.hero} {source.step} {source.weights} {source.skill} {level} {source.draw}"
    found = distinct(entry.skill, level, (1 + SPARE) * source.count, random.Random(drawn), "train")
    asked = list(islice(found, source.count))
    if not asked:
        raise RealmError(f"{source.skill} level {level} gave no problem for the train split")
    return asked, found


def _rows(
    realm: Realm, source: Source, skill: Skill, generator: Generator, answers: Answers, spare: Iterator[Problem]
) -> tuple[list[Row], int]:
    """(the rows, how many wrong answers have rows in an earlier quest already)."""
    newest = next(iter(Ledger(realm, source.hero).steps()), source.step)
    known = sources.known_answers(realm, source.hero, source.skill, newest)
    new = [one for one in answers.wrong if (one.problem.key, one.proposed) not in known]
    # A problem that was not asked, else one that was answered right, else another that was answered wrong: a closed level
    # has no others. Those that earlier rows confirm come last.
    answered = [*answers.right, *answers.empty, *answers.endless, *(one.problem for one in reversed(answers.wrong))]
    others = [list(_fresh(skill, spare, new, known)), answered]
    pools = [
        [one for one in pool if ((one.key, one.answer) in known) == old] for old in (False, True) for pool in others
    ]
    stamp = Stamp(generator.hero, generator.step, generator.weights_sha256)
    made = rows.make(source.skill, source.level, stamp, new, rows.partners(new, pools))
    return made, len(answers.wrong) - len(new)


def _fresh(
    skill: Skill, spare: Iterator[Problem], wrong: list[Wrong], known: set[tuple[str, str]]
) -> Iterator[Problem]:  # fmt: skip
    """Problems that were not asked, until there is one for each wrong answer, of its sort; or all that there are."""
    lacking = Counter(rows.sort_of(one.problem) for one in wrong)
    while lacking.total() and (problem := next(spare, None)) is not None:
        if answering.is_correct(skill, problem, problem.answer):
            yield problem
            if lacking[rows.sort_of(problem)] and (problem.key, problem.answer) not in known:
                lacking[rows.sort_of(problem)] -= 1


def _deliver(realm: Realm, manager: Manager, source: Source, made: list[Row], order: Order) -> tuple[str, str]:
    """(the quest's id, the file), whichever there is; neither without rows."""
    if not made:
        return "", ""
    if order.queue:
        return _queue(realm, manager, source, made).id, ""
    path = realm.data / sources.FOLDER / source.file_name
    store.make_folders([path.parent])
    store.write_atomic(path, rows.to_jsonl(made), durable=True)
    return "", path.relative_to(realm.root).as_posix()


def _queue(realm: Realm, manager: Manager, source: Source, made: list[Row]) -> QuestRecord:
    with inbox.draft(realm, source.file_name, rows.to_jsonl(made)) as path:
        (outcome,) = add(
            realm, manager, [path], priority="high", source=str(source), provenance=_provenance(source, made)
        )
    if outcome.duplicate:
        raise RefusedError(f"{source.file_name}: {outcome.problem}", _OTHERS)
    if outcome.record is None or outcome.problem:
        raise RealmError(f"the sparring quest {source.file_name} was not accepted: {outcome.problem}", outcome.hint)
    return outcome.record


def _provenance(source: Source, made: list[Row]) -> dict[str, Any]:
    """How the quest was made."""
    return {
        "generator": "realm spar run", "version": __version__,
        "parameters": {name: value for name, value in msgspec.to_builtins(source).items() if value is not None},
        "counts": {"rows": len(made), "types": dict(sorted(Counter(row.type for row in made).items()))},
        "split": "train",
    }  # fmt: skip


def _run_of(source: Source, **facts: object) -> SparringRun:
    run = SparringRun(
        at=now(), hero=source.hero, step=source.step, weights_sha256=source.weights, skill=source.skill,
        level=source.level, number=source.number, count=source.count, asked=source.count, wrong=0,
    )  # fmt: skip
    return msgspec.structs.replace(run, **facts)


def _sample(one: Wrong) -> SparringSample:
    return SparringSample(
        one.problem.prompt[:SHOWN_LETTERS], one.problem.answer[:SHOWN_LETTERS], one.proposed[:SHOWN_LETTERS]
    )
