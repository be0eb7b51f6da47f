"""The guild's part of the Python face: `list_skills`, `get_skill`, `get_trainer`, and `Guild` with all of it for one realm."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from realm_cli import champions, skillbook, skillstate
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.sampling import sample
from realm_cli.skill_records import ChampionRecord
from realm_cli.skills import Problem


@dataclass(frozen=True)
class SkillInfo:
    """What people set for a skill."""

    id: str
    name: str
    icon: str
    color: str
    max_level: int
    api_url: str | None
    """Where its skill server listens; None for a skill that runs in this process."""


@dataclass(frozen=True)
class SkillTrainer:
    """Gives problems of one skill."""

    entry: skillbook.GuildSkill

    def sample(self, level: int, count: int, seed: int | None = None) -> list[Problem]:
        """`count` problems of the training split; without a seed they differ at every call."""
        self.entry.check_level(level)
        return sample(self.entry.skill, level, count, secrets.randbits(32) if seed is None else seed, "train")


def list_skills(realm: Realm | None = None) -> list[str]:
    """The ids of the realm's skills, sorted."""
    return skillbook.skill_ids(realm or Realm.find())


def get_skill(skill_id: str, realm: Realm | None = None) -> SkillInfo:
    """A skill's settings. Raises `NotFoundError`."""
    config = skillbook.load_config(realm or Realm.find(), skill_id)
    return SkillInfo(config.id, config.name, config.icon, config.color, config.max_level, config.api)


def get_trainer(skill_id: str, realm: Realm | None = None) -> SkillTrainer:
    """The source of a skill's problems. Raises `NotFoundError`."""
    realm = realm or Realm.find()
    return SkillTrainer(skillbook.open_skill(realm, Manager.of(realm), skill_id))


class Guild:
    """Skills, levels and champion of a realm: the nearest one, unless another is given."""

    def __init__(self, realm: Realm | None = None) -> None:
        self._realm = realm or Realm.find()

    def list_skills(self) -> list[str]:
        """The ids of the skills, sorted."""
        return list_skills(self._realm)

    def get_skill(self, skill_id: str) -> SkillInfo:
        """A skill's settings. Raises `NotFoundError`."""
        return get_skill(skill_id, self._realm)

    def get_trainer(self, skill_id: str) -> SkillTrainer:
        """The source of a skill's problems. Raises `NotFoundError`."""
        return get_trainer(skill_id, self._realm)

    def level(self, skill_id: str, hero: str | None = None) -> int:
        """The level in training of the active hero, or of another; 1 = nothing mastered. Raises `NotFoundError`."""
        skillbook.load_config(self._realm, skill_id)
        state = skillstate.read(self._realm, hero or self._realm.config.hero, skill_id)
        return state.level if state else 1

    def champion(self, hero: str | None = None) -> ChampionRecord | None:
        """The champion of the active hero, or of another."""
        return champions.read(self._realm, hero or self._realm.config.hero)
