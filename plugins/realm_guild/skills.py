"""The skills of a realm: what people set in `configs/skills/<id>.yaml`, joined with the code behind them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from realm_cli import yamlfile
from realm_cli.errors import FormatError, NotFoundError, RealmError, UsageError, nearest
from realm_cli.manager import Manager
from realm_cli.realm import HERO_ID, Realm
from realm_cli.skills import Skill, is_closed

Positive = Annotated[int, Meta(ge=1)]


class EvalConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a skill is examined."""

    size: Positive = 50
    """Problems of one eval."""
    threshold: Annotated[float, Meta(gt=0, le=1)] = 0.8
    """Mean accuracy that masters a level."""


class SkillConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`configs/skills/<id>.yaml`."""

    id: str
    name: str
    icon: str = ""
    color: Annotated[str, Meta(pattern="^#[0-9A-Fa-f]{6}$")] = "#888888"
    category: str = ""
    max_level: Positive
    levels: dict[int, str] = {}
    """Names of levels."""
    eval: EvalConfig = EvalConfig()
    plugin: str | None = None
    """The name under which a plugin offers the skill."""
    api: str | None = None
    """Where a skill server listens."""
    judge: Literal["exact", "number", "json", "lines"] | None = None
    """How replies to a server's problems are judged; none = by the server."""


@dataclass(frozen=True)
class GuildSkill:
    """A skill of this realm, ready to use."""

    config: SkillConfig
    skill: Skill

    def check_level(self, level: int) -> None:
        """Raise `UsageError` for a level that the skill does not have."""
        if not 1 <= level <= self.config.max_level:
            raise UsageError(f"{self.config.id} has no level {level}", f"its levels are 1 to {self.config.max_level}")

    def closed_levels(self) -> list[int]:
        """The levels that are small enough to be learned by heart."""
        return [level for level in range(1, self.config.max_level + 1) if is_closed(self.skill, level)]


def skill_ids(realm: Realm) -> list[str]:
    """All skills that have a configuration, sorted."""
    return sorted(path.stem for path in realm.skills.glob("*.yaml") if HERO_ID.fullmatch(path.stem))


def load_config(realm: Realm, skill_id: str) -> SkillConfig:
    """A skill's configuration, checked."""
    known = skill_ids(realm)
    if skill_id not in known:
        raise NotFoundError(f"there is no skill '{skill_id}' in {realm.skills}", nearest(skill_id, known))
    path = realm.skills / f"{skill_id}.yaml"
    config = yamlfile.load(path, SkillConfig)
    _check(config, path)
    return config


def _check(config: SkillConfig, path: Path) -> None:
    """What the schema alone cannot say."""
    if config.id != path.stem:
        raise FormatError(str(path), f"id is '{config.id}', not '{path.stem}'", "id and file name must be the same")
    if (config.plugin is None) == (config.api is None):
        found = "neither `plugin` nor `api`" if config.plugin is None else "both `plugin` and `api`"
        raise FormatError(str(path), f"{found} is given", "name one of them: where the problems come from")
    if config.judge is not None and config.api is None:
        raise FormatError(str(path), "`judge` goes with `api`; a plugin judges itself", "remove `judge`")
    beyond = [level for level in config.levels if not 1 <= level <= config.max_level]
    if beyond:
        raise FormatError(str(path), f"levels names level {beyond[0]}, but max_level is {config.max_level}")


def open_skill(realm: Realm, manager: Manager, skill_id: str) -> GuildSkill:
    """The skill with its code. Raises `NotFoundError` for an unknown one and `FormatError` for a bad configuration."""
    config = load_config(realm, skill_id)
    path = realm.skills / f"{skill_id}.yaml"
    if config.plugin is None:
        raise RealmError(
            f"skill '{skill_id}' lives on a server ({config.api}), and no installed plugin talks to skill servers",
            f"name a plugin in {path} instead: `plugin:`",
        )
    skill = manager.skill(config.plugin)
    if skill.id != config.id:
        raise FormatError(str(path), f"the plugin '{config.plugin}' gives the skill '{skill.id}', not '{config.id}'")
    if config.max_level > skill.max_level:
        raise FormatError(str(path), f"max_level is {config.max_level}, but the plugin has {skill.max_level} levels")
    return GuildSkill(config, skill)
