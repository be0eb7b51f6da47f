"""The skills of a realm: what people set in `configs/skills/<id>.yaml`, joined with the code behind them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from realm_cli import yamlfile
from realm_cli.embedded_tokenizer import CIRCLED_DIGITS
from realm_cli.errors import FormatError, NotFoundError, RealmError, RefusedError, UsageError, nearest
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skills import CLOSED_BELOW, Problem, Skill, is_closed

ALIASES = {"binary": "bin", "syllo": "sy"}
"""Names that the command line understands beside the ids."""
SKILL_ID = re.compile(r"(?=.{1,64}\Z)[a-z0-9][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)?")
"""A name, or the name of a family and, behind a dot, of one of its skills."""

_ONE_TOKEN = str.maketrans(dict.fromkeys(CIRCLED_DIGITS, "0"))

Positive = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=0.9)]


class EvalConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a skill is examined."""

    size: Positive = 50
    """Problems of one eval."""
    threshold: Annotated[float, Meta(gt=0, le=1)] = 0.8
    """Mean accuracy that masters a level."""
    max_tokens: Positive | None = None
    """Most tokens of a reply; none = half more than the longest golden answer of the set may have."""


class ForgeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What quests are made of that are forged when the board is empty."""

    samples: dict[Positive, Positive] = msgspec.field(default_factory=lambda: {1: 2000})
    """Rows of a quest, from this level on."""
    replay: Share = 0.3
    """Share of the rows from mastered levels."""
    ahead: dict[Positive, Share] = msgspec.field(default_factory=dict)
    """Share of the rows from the two levels above, training split, from this level on."""

    def samples_at(self, level: int) -> int:
        """Rows of a quest at `level`; the lowest entry counts below it."""
        starts = sorted(self.samples)
        return self.samples[max((start for start in starts if start <= level), default=starts[0])]

    def ahead_at(self, level: int) -> float:
        """Share of the rows from the levels above, at `level`."""
        starts = [start for start in self.ahead if start <= level]
        return self.ahead[max(starts)] if starts else 0.0


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
    forge: ForgeConfig = ForgeConfig()
    unlock: dict[str, Positive] = {}
    """Skills and the level of each that has to be mastered before this one shows."""
    settings: dict[str, Any] = {}
    """The skill's own settings, checked by its plugin."""
    plugin: str | None = None
    """The name under which a plugin offers the skill."""
    api: str | None = None
    """Where a skill server listens."""
    judge: Literal["exact", "number", "json", "lines"] | None = None
    """How replies to a server's problems are judged; none = by the server."""


class GuildSkill(msgspec.Struct, frozen=True):
    """A skill of this realm, ready to use."""

    config: SkillConfig
    skill: Skill

    def check_level(self, level: int) -> None:
        """Raise `UsageError` for a level that the skill does not have."""
        if not 1 <= level <= self.config.max_level:
            raise UsageError(f"{self.config.id} has no level {level}", f"its levels are 1 to {self.config.max_level}")

    def with_settings(self, settings: Mapping[str, Any], level: int, where: str) -> GuildSkill:
        """The same skill with some of its settings changed. Raises `FormatError` that names `where` for bad ones.

        Refused where they make the level so small that it would be trained whole: its evals count on unseen problems.
        """
        other = GuildSkill(self.config, _configured(self.skill, {**self.config.settings, **settings}, where))
        if is_closed(other.skill, level) and not is_closed(self.skill, level):
            few = f"{where}: {self.config.id} level {level} would have fewer than {CLOSED_BELOW} problems"
            raise RefusedError(f"{few}, and its evals need unseen ones", "leave it more kinds of problems")
        return other

    def reply_tokens(self, problems: Iterable[Problem]) -> int:
        """Room for a right answer and half as much again, for who rambles is wrong."""
        return self.config.eval.max_tokens or 8 + max(3 * _most_tokens(problem.answer) // 2 for problem in problems)

    def closed_levels(self) -> list[int]:
        """The levels that are small enough to be learned by heart."""
        return [level for level in range(1, self.config.max_level + 1) if is_closed(self.skill, level)]


def _most_tokens(text: str) -> int:
    """What a text may have: ASCII and circled digits one for a character at most, all else one for each byte."""
    return len(text.translate(_ONE_TOKEN).encode())


def skill_ids(realm: Realm) -> list[str]:
    """All skills that have a configuration, sorted."""
    return sorted(path.stem for path in realm.skills.glob("*.yaml") if SKILL_ID.fullmatch(path.stem))


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
    if not config.forge.samples:
        raise FormatError(str(path), "forge.samples is empty", "say how many rows a quest has: `samples: {1: 2000}`")
    if config.forge.replay + max(config.forge.ahead.values(), default=0.0) >= 1:
        raise FormatError(str(path), "forge.replay and forge.ahead leave nothing for the level itself", "lower them")
    if config.id in config.unlock:
        raise FormatError(str(path), "unlock names the skill itself", "name another skill")
    beyond = [level for level in config.levels if not 1 <= level <= config.max_level]
    if beyond:
        raise FormatError(str(path), f"levels names level {beyond[0]}, but max_level is {config.max_level}")


def open_skill(realm: Realm, manager: Manager, skill_id: str) -> GuildSkill:
    """The skill with its code. Raises `NotFoundError` for an unknown one and `FormatError` for a bad configuration."""
    path = realm.skills / f"{skill_id}.yaml"
    if not path.exists() and skill_id in manager.parts("realm_skills"):
        raise NotFoundError(
            f"there is no skill '{skill_id}' in {realm.skills}; a plugin offers it",
            f"enable it: realm skill new {skill_id}",
        )
    config = load_config(realm, skill_id)
    if config.plugin is None:
        served = _served(realm, manager, config, path)
        return GuildSkill(config, _configured(served, config.settings, f"{path}: settings"))
    skill = _configured(_plugged(manager, config.plugin, path), config.settings, f"{path}: settings")
    if skill.id != config.id:
        raise FormatError(str(path), f"the plugin '{config.plugin}' gives the skill '{skill.id}', not '{config.id}'")
    if config.max_level > skill.max_level:
        raise FormatError(str(path), f"max_level is {config.max_level}, but the plugin has {skill.max_level} levels")
    return GuildSkill(config, skill)


def _plugged(manager: Manager, name: str, path: Path) -> Skill:
    """The skill that a plugin offers. Raises `RealmError` where that plugin says why it must not be used."""
    if name not in manager.parts("realm_skills"):
        raise NotFoundError(
            f"there is no skill '{name}' in any installed plugin; {path} names it",
            "what is there, and what can be installed: realm skill list --all",
        )
    skill = manager.skill(name)
    why = trouble_of(skill)
    if why:
        raise RealmError(f"skill '{name}' must not be used: {why}", "use another one: realm skill list --all")
    return skill


def trouble_of(skill: Skill) -> str:
    """Why a plugin's skill must not be used, as far as its plugin knows; empty when nothing is known against it."""
    trouble = getattr(skill, "trouble", None)
    return str(trouble()) if trouble is not None else ""


def _served(realm: Realm, manager: Manager, config: SkillConfig, path: Path) -> Skill:
    """The skill that lives on a server."""
    scheme, sign, place = (config.api or "").partition("://")
    if not sign or not place.strip("/"):
        raise FormatError(str(path), f"api is '{config.api}'", "give an address, for instance http://127.0.0.1:8100")
    if scheme not in manager.parts("realm_skill_clients"):
        raise RealmError(
            f"skill '{config.id}' lives on a server ({config.api}), and no installed plugin talks to such",
            f"see: realm plugins list; or name a plugin in {path} instead: `plugin:`",
        )
    client: Callable[[SkillConfig, Realm], Skill] = manager.load_part("realm_skill_clients", scheme, "skill client")
    return client(config, realm)


def _configured(skill: Skill, settings: Mapping[str, Any], where: str) -> Skill:
    """The skill with its own settings; a skill without a method `configured` takes none."""
    configure = getattr(skill, "configured", None)
    if configure is None:
        if settings:
            raise FormatError(where, f"the skill '{skill.id}' takes no settings", "remove `settings`")
        return skill
    done: Skill = configure(settings, where)
    return done


def open_skills(realm: Realm, manager: Manager) -> tuple[list[GuildSkill], dict[str, str]]:
    """(every usable skill of the realm, what is wrong with the others by id)."""
    usable, broken = [], {}
    for skill_id in skill_ids(realm):
        try:
            usable.append(open_skill(realm, manager, skill_id))
        except RealmError as error:
            broken[skill_id] = error.message
    return usable, broken


def goals_of(realm: Realm, texts: Iterable[str]) -> dict[str, int]:
    """Goals as `bin=4`: the level in training that ends a battle. Raises `UsageError` or `NotFoundError`."""
    goals: dict[str, int] = {}
    for text in texts:
        skill_id, sign, level = text.partition("=")
        if not sign or not level.isdecimal():
            raise UsageError(f"'{text}' is no goal", "write it as SKILL=LEVEL, for instance bin=4")
        skill_id = ALIASES.get(skill_id, skill_id)
        highest = load_config(realm, skill_id).max_level
        if not 1 <= int(level) <= highest:
            raise UsageError(f"{skill_id} has no level {level}", f"its levels are 1 to {highest}")
        goals[skill_id] = int(level)
    return goals
