"""Evals that are made outside of a battle, where inference happens: those that a person asks for, those that wait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from realm_cli import inference, profiles, skillstate, store
from realm_cli.errors import AwayError, NotFoundError, RealmError, SkillAwayError
from realm_cli.generation import Generator
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skillbook import GuildSkill, open_skills
from realm_guild import evalsets, evaluating, requests, results, settling
from realm_guild.records import EvalRequest, EvalResult

TRIES = 2
"""Checkpoints in a row for which the inference host may be away before the rest are left waiting."""


def step_of(realm: Realm, checkpoint: str | None) -> int:
    """The step that a user names, as number or canonical name; the newest checkpoint, or the base model, by default."""
    ledger = Ledger(realm)
    return next(iter(ledger.steps()), 0) if checkpoint is None else ledger.step_of(checkpoint)


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
    name = entry.config.id
    weights = Ledger(realm, hero).get(step).weights_sha256 if step else None
    under = profiles.of_step(realm, hero, step).stamp
    missing = []
    for level in levels:
        stored = results.read(realm, hero, step, name, level)
        present = evalsets.hash_of(evalsets.ensure(realm, entry, level))
        if stored is None or not results.stands(stored, weights or stored.weights_sha256, present, under):
            missing.append(level)
            requests.ask(realm, hero, step, name, level, requests.PERSON)
    if missing:
        usable = {one.config.id: one for one in open_skills(realm, manager)[0]}
        desk = _make(realm, manager, usable, hero, step, [name])
        if desk is not None and desk.away:
            raise desk.away[0][1]
    found = [results.read(realm, hero, step, name, level) for level in levels]
    return [result for result in found if result is not None]


class Outcome(NamedTuple):
    """What became of the evals that waited."""

    made: list[EvalResult]
    waiting: list[str]
    """A line for each checkpoint whose evals stay pending: why."""


def make_pending(realm: Realm, manager: Manager, skills: Iterable[str] | None = None) -> Outcome:
    """Make the pending evals of these skills, else of all, the oldest checkpoint first, with all that follows from them.

    A checkpoint that cannot be opened leaves its evals pending. Raises `LockedError` while another process makes them.
    """
    with store.locked(realm.pending_evals / ".making.lock", wait=False, owner="another process that makes evals"):
        usable = {one.config.id: one for one in open_skills(realm, manager)[0]}
        names = list(usable if skills is None else skills)
        outcome, away = Outcome([], []), list[AwayError]()
        for hero, step in _checkpoints(realm, names):
            try:
                if len(away) >= TRIES:
                    raise away[-1]
                desk = _make(realm, manager, usable, hero, step, names)
                away.clear()
                if desk is not None:
                    outcome.made.extend(desk.made)
                    outcome.waiting.extend(desk.waiting())
            except RealmError as error:
                if isinstance(error, AwayError):
                    away.append(error)
                requests.explain(realm, hero, step, error.message)
                outcome.waiting.append(f"evals of {hero} at step {step} stay pending: {error.message}")
        return outcome


def _checkpoints(realm: Realm, skills: Sequence[str]) -> list[tuple[str, int]]:
    """(hero, step) of the checkpoints whose evals wait, in order."""
    waiting = [request for _, request in requests.pending(realm) if request.skill in skills]
    return list(dict.fromkeys((request.hero, request.step) for request in waiting))


def _make(
    realm: Realm, manager: Manager, entries: dict[str, GuildSkill], hero: str, step: int, skills: Sequence[str]
) -> _Desk | None:  # fmt: skip
    """Make what waits for one checkpoint, and what follows from it; None when nothing waits.

    The requests are held until all of that is done, so that whoever is killed in the middle leaves them pending.
    """
    waiting = [pair for pair in requests.pending(realm) if (pair[1].hero, pair[1].step) == (hero, step)]
    mine = [pair for pair in waiting if pair[1].skill in skills and pair[1].skill in entries]
    with requests.held(realm, mine) as held:
        if not held:
            return None
        generator = inference.open_checkpoint(realm, manager, hero, step)
        try:
            desk = _Desk(realm, manager, entries, generator)
            desk.make(held)
            desk.settle(held)
            desk.give_back()
            return desk
        finally:
            generator.close()


class _Desk:
    """Makes evals of one opened checkpoint."""

    def __init__(self, realm: Realm, manager: Manager, entries: dict[str, GuildSkill], generator: Generator) -> None:
        self._realm, self._manager = realm, manager
        self._entries = entries
        self._generator = generator
        self.made: list[EvalResult] = []
        self.away: list[tuple[EvalRequest, SkillAwayError]] = []
        """What could not be made as the skill's server gives no problems or verdicts."""

    def make(self, held: Sequence[EvalRequest]) -> None:
        """The evals of requests that are held."""
        for request in held:
            entry = self._entries[request.skill]
            try:
                made = evaluating.evaluate(self._realm, self._manager, entry, request, self._generator, _go_on)
            except SkillAwayError as error:
                self.away.append((request, error))
            else:
                self._keep(entry, made)

    def give_back(self) -> None:
        """Ask again for what could not be made, with the reason; the requests that are held go when this is done."""
        for request, error in self.away:
            requests.ask(self._realm, request.hero, request.step, request.skill, request.level, request.why)
            requests.explain(self._realm, request.hero, request.step, error.message, request.skill)

    def waiting(self) -> list[str]:
        """A line for each skill whose evals stay pending."""
        reasons = {request.skill: error.message for request, error in self.away}
        hero, step = self._generator.hero, self._generator.step
        return [f"evals of {hero} at step {step} in {skill} stay pending: {why}" for skill, why in reasons.items()]

    def _keep(self, entry: GuildSkill, result: EvalResult) -> None:
        settling.look_for_loss(self._realm, self._manager, entry, result)
        self.made.append(result)

    def settle(self, held: Sequence[EvalRequest]) -> None:
        """What the curriculum's evals are made for. Step 0 has no record, and nothing follows from it."""
        hero, step = self._generator.hero, self._generator.step
        due = {request.skill for request in held if request.why != requests.PERSON}
        due -= {request.skill for request, _ in self.away}
        if step == 0 or not due:
            return
        record = Ledger(self._realm, hero).get(step)

        def ask(entry: GuildSkill) -> None:
            evaluating.ask_for_missed(self._realm, entry, record)

        reviewed = [entry for entry in settling.met(self._realm, self._entries, hero) if entry.config.id in due]
        settling.settle(self._realm, self._manager, self._entries, record, reviewed, ask, self._examine)

    def _examine(self, entry: GuildSkill) -> None:
        only = {entry.config.id: entry}
        try:
            for result in evaluating.make_pending(self._realm, self._manager, only, self._generator, _go_on):
                self._keep(entry, result)
        except SkillAwayError as error:
            requests.explain(self._realm, self._generator.hero, self._generator.step, error.message, entry.config.id)


def _go_on(_doing: str) -> None:
    """Outside of a battle there are no flags to look at."""
