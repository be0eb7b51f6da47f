"""The champion: which checkpoint may be one, and the recording of it."""

from __future__ import annotations

from typing import Any

from realm_cli import champions, journal, risks, skillstate
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.errors import NotFoundError, RefusedError, SkillAwayError
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.process import user_name
from realm_cli.realm import Realm
from realm_cli.records import JournalRecord, now
from realm_cli.skill_records import ChampionRecord
from realm_cli.skillbook import GuildSkill
from realm_guild import evalsets, results
from realm_guild.telling import tell_once

GUILD = "guild"


def flaws(realm: Realm, entries: dict[str, GuildSkill], record: LedgerRecord) -> list[str]:
    """Why a checkpoint should not be the champion: a mastered level that it lost, or that nobody examined it on."""
    found = []
    for skill in skillstate.met(realm, record.hero):
        state = skillstate.read(realm, record.hero, skill)
        entry = entries.get(skill)
        if state is None or not state.mastered:
            continue
        if entry is None:
            found.append(f"{skill} cannot be examined here, but has mastered levels")
            continue
        for level in state.mastered_levels:
            result = results.read(realm, record.hero, record.step, skill, level)
            threshold = entry.config.eval.threshold
            try:
                present = evalsets.hash_of(evalsets.ensure(realm, entry, level))
            except SkillAwayError as error:
                found.append(f"{skill} level {level} cannot be examined now: {error.message}")
                continue
            if not results.stands(result, record.weights_sha256, present) or result is None:
                found.append(f"{skill} level {level} was not examined on it")
            elif result.accuracy < threshold:
                found.append(f"it lost {skill} level {level}: {result.accuracy:.0%}, mastered from {threshold:.0%}")
    return found


def promote(
    realm: Realm, manager: Manager, entries: dict[str, GuildSkill], hero: str, step: int, override: str = ""
) -> ChampionRecord:
    """Make a checkpoint the champion. Raises `RefusedError` for one with flaws, unless `override` says why."""
    record = Ledger(realm, hero).get(step)
    if Ledger(realm, hero).path_of(record) is None:
        raise NotFoundError(f"checkpoint {record.canonical_name} is not on this machine", "only one that is can lead")
    refused = flaws(realm, entries, record)
    if refused and not override:
        raise RefusedError(
            f"{record.canonical_name} cannot be champion: {'; '.join(refused)}",
            f"examine it: realm skill eval SKILL --checkpoint {step} --mastered; or give a reason: --override REASON",
        )
    risks.before(realm, manager, f"promoting step {step}")
    return _record(realm, manager, record, user_name(), override, refused)


def crown(realm: Realm, manager: Manager, entries: dict[str, GuildSkill], record: LedgerRecord) -> list[str]:
    """At a level-up: make the checkpoint champion unless it has flaws, which are returned, or a person chose another."""
    present = champions.read(realm, record.hero)
    if present is not None and present.by != GUILD:
        return [f"{present.checkpoint} was chosen by {present.by}"]
    found = flaws(realm, entries, record)
    if not found and present is not None and present.checkpoint == record.canonical_name:
        _tell(realm, manager, present)  # a kill may have come before it was told
    elif not found:
        _record(realm, manager, record, GUILD, "", [])
    return found


def _record(
    realm: Realm, manager: Manager, record: LedgerRecord, by: str, override: str, refused: list[str]
) -> ChampionRecord:
    evals: dict[str, dict[str, float]] = {}
    for result in results.of_checkpoint(realm, record.hero, record.step):
        if results.stands(result, record.weights_sha256):
            evals.setdefault(result.skill, {})[str(result.level)] = round(result.accuracy, 4)
    champion = ChampionRecord(
        hero=record.hero, step=record.step, checkpoint=record.canonical_name, weights_sha256=record.weights_sha256,
        promoted_at=now(), by=by, override=override, refused_for=refused, evals=evals,
    )  # fmt: skip
    champions.write(realm, champion)
    _tell(realm, manager, champion)
    return champion


def _tell(realm: Realm, manager: Manager, champion: ChampionRecord) -> None:
    facts = {
        "checkpoint": champion.checkpoint, "by": champion.by, "override": champion.override,
        "refused_for": champion.refused_for,
    }  # fmt: skip
    entry = JournalRecord(
        entry="champion", time=champion.promoted_at, hero=champion.hero, step=champion.step, facts=facts
    )
    tell_once(realm, manager, entry, "new_champion")


def history(realm: Realm, hero: str) -> list[dict[str, Any]]:
    """The chronicle: every champion of a hero, newest first, with its time and the reason."""
    rows: list[dict[str, Any]] = []
    for entry in journal.read(realm.journal):
        if entry.entry != "champion" or entry.hero != hero:
            continue
        facts = entry.facts
        refused = f" (although {'; '.join(facts['refused_for'])})" if facts.get("refused_for") else ""
        why = (
            f"{facts['override']}{refused}"
            if facts.get("override")
            else "a level-up"
            if facts["by"] == GUILD
            else "chosen"
        )
        if rows:
            rows[-1]["until"] = entry.time
        rows.append({
            "step": entry.step, "checkpoint": facts["checkpoint"], "since": entry.time, "until": None, "by": facts["by"],
            "why": why,
        })  # fmt: skip
    return rows[::-1]
