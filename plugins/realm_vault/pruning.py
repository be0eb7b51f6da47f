"""Retention of a zone: which rules keep which asset, and what none of them keeps. A plan, with every reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from realm_cli import skillstate
from realm_cli.errors import FormatError, NotFoundError, RealmError
from realm_cli.ledger import METRICS, Ledger
from realm_cli.realm import Realm
from realm_cli.records import seconds_since
from realm_cli.zones import KINDS, KeepRules
from realm_vault.dropping import Dropper
from realm_vault.keeper import Keeper
from realm_vault.records import Asset

Named = tuple[str, Asset]


@dataclass(frozen=True)
class Verdict:
    """What becomes of a copy, and why."""

    asset: str
    zone: str
    size: int
    drop: bool
    reason: str


def plan(
    realm: Realm, keeper: Keeper, dropper: Dropper, zone: str, rules: Mapping[str, KeepRules] | None = None
) -> list[Verdict]:
    """A verdict on every copy in a zone, the newest first. Kinds without rules in `keep` stay as they are."""
    if rules is None:
        rules = keeper.places.config(zone).keep
    verdicts = []
    for kind in KINDS:
        for group in _groups(keeper, zone, kind):
            kept = _kept(realm, group, rules[kind]) if kind in rules else {}
            for name, asset in group:
                why = dropper.protection(name, asset, zone) or kept.get(name, "")
                if kind not in rules:
                    why = why or f"zone {zone} has no rules for this kind"
                verdicts.append(Verdict(name, zone, asset.size, not why, why or "no rule keeps it"))
    return verdicts


def carry_out(dropper: Dropper, verdict: Verdict, *, apply: bool) -> str:
    """keep, drop (what would be done), dropped; or why it was refused at the last moment."""
    if not verdict.drop:
        return "keep"
    try:
        dropper.drop(verdict.asset, verdict.zone, verdict.reason, dry_run=not apply)
    except RealmError as error:
        return f"keep: {error.message}"
    return "dropped" if apply else "drop"


def _groups(keeper: Keeper, zone: str, kind: str) -> list[list[Named]]:
    """The assets of a kind with a true copy there, newest first; checkpoints hero by hero."""
    found: dict[str, list[Named]] = {}
    for name, asset in keeper.catalog.read().assets.items():
        copy = asset.locations.get(zone)
        if asset.kind == kind and copy is not None and copy.digest == asset.digest:
            found.setdefault(asset.hero, []).append((name, asset))
    return [
        sorted(group, key=lambda item: (item[1].step, item[1].created_at, item[0]), reverse=True)
        for group in found.values()
    ]


def _kept(realm: Realm, group: Sequence[Named], rules: KeepRules) -> dict[str, str]:
    """Why assets stay, by id; the first reason counts."""
    kept: dict[str, str] = {}

    def keep(name: str, why: str) -> None:
        kept.setdefault(name, why)

    for name, _ in group[: rules.last or 0]:
        keep(name, f"one of the last {rules.last}")
    if group[0][1].kind == "checkpoint":
        _keep_checkpoints(realm, group, rules, kept)
    for name, asset in group:
        if rules.days and asset.created_at and seconds_since(asset.created_at) < rules.days * 86_400:
            keep(name, f"younger than {rules.days:g} days")
    total = 0.0
    for name, asset in group if rules.under_gb else ():
        total += asset.size
        if total > (rules.under_gb or 0) * 1e9:
            break
        keep(name, f"among the newest {rules.under_gb:g} GB")
    if all(rule is None for rule in (rules.last, rules.best, rules.every, rules.days, rules.under_gb)):
        for name, _ in group:
            keep(name, "no rule drops anything")
    return kept


def _keep_checkpoints(realm: Realm, group: Sequence[Named], rules: KeepRules, kept: dict[str, str]) -> None:
    hero = group[0][1].hero
    names = {asset.step: name for name, asset in group}
    if rules.level_ups:
        for skill in skillstate.met(realm, hero):
            state = skillstate.read(realm, hero, skill)
            for mastery in state.mastered if state else []:
                if mastery.step in names:
                    kept.setdefault(names[mastery.step], f"mastered {skill} level {mastery.level}")
    for step, name in names.items():
        if rules.every and step % rules.every == 0:
            kept.setdefault(name, f"a multiple of {rules.every} steps")
    for why, steps in _best(realm, hero, rules.best or 0, names):
        for step in steps:
            kept.setdefault(names[step], why)


def _best(realm: Realm, hero: str, count: int, names: dict[int, str]) -> list[tuple[str, list[int]]]:
    """(reason, steps) for each metric, and for each skill by its newest level's accuracy."""
    if count == 0:
        return []
    found = []
    scores: dict[str, dict[int, float]] = {metric: {} for metric in METRICS}
    ledger = Ledger(realm, hero)
    for step in names:
        try:
            record = ledger.get(step)
        except (NotFoundError, FormatError):
            continue  # known to another realm only
        for metric in METRICS:
            value = getattr(record, metric)
            if value is not None:
                scores[metric][step] = -value
    for skill in skillstate.met(realm, hero):
        lines = [line for line in skillstate.lines(realm, hero, skill) if line.state == "ok"]
        top = max((line.level for line in lines), default=0)
        scores[f"accuracy of {skill} level {top}"] = {
            line.step: line.accuracy for line in lines if line.level == top and line.step in names
        }
    for what, by_step in scores.items():
        best = sorted(by_step, key=lambda step: (by_step[step], step), reverse=True)[:count]
        found.append((f"one of the best {count} by {what}", best))
    return found
