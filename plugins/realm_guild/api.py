"""The guild's part of the Python face: `list_skills`, `get_skill`, `get_trainer`."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from realm_cli import skillbook
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.sampling import sample
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
