"""The champion of each hero: which checkpoint it is, and which checkpoints retention may not drop."""

from __future__ import annotations

from pathlib import Path

from realm_cli import leases, pins, skillstate, store
from realm_cli.realm import Realm
from realm_cli.skill_records import ChampionRecord


def path_of(realm: Realm, hero: str) -> Path:
    """Where a hero's champion is recorded."""
    return realm.status / "champions" / f"{hero}.json"


def read(realm: Realm, hero: str) -> ChampionRecord | None:
    """The champion; None when there is none."""
    try:
        return store.read_record(path_of(realm, hero), ChampionRecord)
    except FileNotFoundError:
        return None


def write(realm: Realm, record: ChampionRecord) -> None:
    """Record a champion. For the guild alone."""
    path = path_of(realm, record.hero)
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_record(path, record, durable=True)


def protected_steps(realm: Realm, hero: str) -> dict[int, str]:
    """Steps whose checkpoints have to stay, and why: the champion, level-ups, what is in use or to be examined."""
    kept: dict[int, str] = {}
    needed = {asset: f"pinned by {one.by}" for asset, one in pins.read(realm).items()} | leases.held_now(realm)
    for asset, why in needed.items():
        step = asset.removeprefix(f"checkpoint_{hero}_")
        if step.isdecimal():
            kept[int(step)] = why
    for path in [*realm.pending_evals.glob(f"{hero}-*.json"), *realm.pending_evals.glob(f".claimed/{hero}-*")]:
        step = path.name.removeprefix(f"{hero}-").partition("-")[0]
        if step.isdecimal():
            kept[int(step)] = "an eval is pending"
    for skill in skillstate.met(realm, hero):
        state = skillstate.read(realm, hero, skill)
        for mastery in state.mastered if state else []:
            kept[mastery.step] = f"mastered {skill} level {mastery.level}"
    champion = read(realm, hero)
    if champion is not None:
        kept[champion.step] = "the champion"
    return kept
