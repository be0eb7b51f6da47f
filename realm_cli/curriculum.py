"""The curriculum as people set it, and what keeps a skill out of it. The choice among the others is the guild's."""

from __future__ import annotations

from realm_cli import phrases, skillstate, yamlfile
from realm_cli.config import CurriculumConfig, RealmConfig
from realm_cli.realm import Realm
from realm_cli.skillbook import load_config


def settings(realm: Realm) -> CurriculumConfig:
    """As the file has them now: people change them while a battle runs."""
    return yamlfile.load(realm.config_file, RealmConfig).curriculum


def left_out(realm: Realm, hero: str, skill: str) -> str:
    """Why a skill is not trained, whatever the strategy: disabled, locked, at its target; empty when it may be."""
    config, plan = load_config(realm, skill), settings(realm).plan(skill)
    if not plan.enabled:
        return f"{skill} is disabled in the curriculum"
    missing = skillstate.locked_by(realm, hero, config.unlock)
    if missing:
        return f"{skill} is {phrases.locked(missing)}"
    state = skillstate.read(realm, hero, skill)
    mastered = max(state.mastered_levels, default=0) if state else 0
    reached = plan.target is not None and mastered >= plan.target
    return f"{skill} has mastered its target level, {plan.target}" if reached else ""
