"""One attribute for each task of the library, its skill: the objects of the parts that this plugin offers."""

from __future__ import annotations

from realm_gym.skill import GymSkill
from realm_gym.tasks import names


def __getattr__(name: str) -> GymSkill:
    if name not in names():
        raise AttributeError(f"reasoning-gym has no task '{name}'")
    return GymSkill(name)
