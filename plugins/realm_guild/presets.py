"""Changes of the curriculum's settings: presets, the strategy, one skill. Each gives settings from settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from realm_cli import configedit
from realm_cli.config import CurriculumConfig, SkillPlan
from realm_cli.configedit import Edit
from realm_cli.errors import NotFoundError, UsageError, nearest
from realm_cli.realm import Realm
from realm_cli.skillbook import load_config, skill_ids
from realm_cli.yamlfile import NULL

Strategy = Literal["equal", "focus", "weighted", "catch_up"]
STRATEGIES: tuple[Strategy, ...] = ("equal", "focus", "weighted", "catch_up")
FOCUS_SHARE = 0.8
HEAVY = 2.0


@dataclass(frozen=True)
class Preset:
    """A known combination of settings."""

    name: str
    title: str
    strategy: Strategy
    skill: str = ""
    """The one that it favours."""
    share: float = FOCUS_SHARE


PRESETS = {
    one.name: one
    for one in (
        Preset("balanced", "all skills in turn", "equal"),
        Preset("bin_focus", "four of five quests are of bin", "focus", "bin"),
        Preset("bin_heavy", "bin twice as often as each other skill", "weighted", "bin"),
        Preset("bin_only", "only bin", "focus", "bin", 1.0),
        Preset("sy_focus", "four of five quests are of sy", "focus", "sy"),
        Preset("sy_heavy", "sy twice as often as each other skill", "weighted", "sy"),
        Preset("sy_only", "only sy", "focus", "sy", 1.0),
        Preset("catch_up", "the skill at the lowest level first", "catch_up"),
    )
}


def preset_of(name: str) -> Preset:
    """The preset of that name. Raises `NotFoundError`."""
    if name not in PRESETS:
        raise NotFoundError(f"there is no preset '{name[:40]}'", nearest(name[:40], PRESETS))
    return PRESETS[name]


def with_preset(settings: CurriculumConfig, preset: Preset, known: Collection[str]) -> CurriculumConfig:
    """The settings that a preset makes of the present ones. Targets and priorities stay, and so does who is disabled.

    The skill that it favours is enabled; for weights all others get 1.
    """
    plans = _plans(settings, known)
    if preset.skill:
        plans[preset.skill] = _replaced(plans.get(preset.skill, SkillPlan()), enabled=True)
    if preset.strategy == "weighted":
        heavy = {preset.skill: HEAVY}
        plans = {name: _replaced(plan, weight=heavy.get(name, 1.0)) for name, plan in plans.items()}
    if preset.strategy == "focus":
        return CurriculumConfig(strategy="focus", focus=preset.skill, focus_share=preset.share, skills=plans)
    return msgspec.structs.replace(settings, strategy=preset.strategy, skills=plans)


def name_of(settings: CurriculumConfig, known: Collection[str]) -> str:
    """The preset that would change nothing; empty when there is none."""
    return next((one.name for one in PRESETS.values() if not changes(settings, with_preset(settings, one, known))), "")


Change = Callable[[CurriculumConfig], CurriculumConfig]


def preset_change(realm: Realm, name: str) -> Change:
    """What a preset does to the settings of a realm. Raises `NotFoundError`."""
    preset, known = preset_of(name), skill_ids(realm)
    return lambda settings: with_preset(settings, preset, known)


def strategy_change(realm: Realm, strategy: Strategy | None, focus: str | None, share: float | None) -> Change:
    """Other values for the strategy and its focus; None leaves one as it is. A focus alone means that strategy."""
    known = skill_ids(realm)
    if focus and focus not in known:
        raise _no_skill(focus, known)
    given = {"strategy": strategy or ("focus" if focus else None), "focus": focus, "focus_share": share}

    def change(settings: CurriculumConfig) -> CurriculumConfig:
        values = {key: value for key, value in given.items() if value is not None}
        changed: CurriculumConfig = _replaced(settings, **values)
        if changed.strategy == "focus" and not changed.focus:
            raise UsageError("the strategy focus needs a skill to focus on", f"name one of: {', '.join(known)}")
        return changed

    return change


def skill_change(realm: Realm, skill: str, given: Mapping[str, Any]) -> Change:
    """Other values for one skill: enabled, priority, weight, target."""
    known = skill_ids(realm)
    if skill not in known:
        raise _no_skill(skill, known)
    target = given.get("target")
    highest = 1 if target is None else load_config(realm, skill).max_level
    if target is not None and not 1 <= target <= highest:
        raise UsageError(f"{skill} has no level {target}", f"its levels are 1 to {highest}")

    def change(settings: CurriculumConfig) -> CurriculumConfig:
        plans = _plans(settings, known)
        plans[skill] = _replaced(plans[skill], **given)
        return msgspec.structs.replace(settings, skills=plans)

    return change


def _no_skill(name: str, known: Iterable[str]) -> NotFoundError:
    return NotFoundError(f"there is no skill '{name[:80]}'", nearest(name[:80], known))


def save(realm: Realm, change: Change, reason: str, *, dry_run: bool = False) -> Edit:
    """Write the settings that `change` makes of those in the file, after a snapshot of it."""
    return configedit.edit(
        realm, lambda config: changes(config.curriculum, change(config.curriculum)), reason, dry_run=dry_run
    )


def changes(before: CurriculumConfig, after: CurriculumConfig) -> list[tuple[list[str], Any]]:
    """Key paths and values in `realm.yaml` that lead from one to the other."""
    found: list[tuple[list[str], Any]] = [
        (["curriculum", key], getattr(after, key))
        for key in ("strategy", "focus", "focus_share")
        if getattr(after, key) != getattr(before, key)
    ]
    if isinstance(after.skills, list) or all(before.plan(name) == plan for name, plan in after.skills.items()):
        return found
    was_list = isinstance(before.skills, list)
    plans = [
        change
        for name, plan in after.skills.items()
        for change in _plan_changes(name, SkillPlan() if was_list else before.plan(name), plan)
    ]
    return found + (plans or [(["curriculum", "skills"], {})])


def _plan_changes(name: str, before: SkillPlan, after: SkillPlan) -> list[tuple[list[str], Any]]:
    old, new = msgspec.structs.asdict(before), msgspec.structs.asdict(after)
    return [
        (["curriculum", "skills", name, key], NULL if value is None else value)
        for key, value in new.items()
        if value != old[key]
    ]


def changed(realm: Realm, edit: Edit) -> list[dict[str, Any]]:
    """What an edit changed: `{key, before, after}`, the keys as they read below `curriculum:`."""
    before, after = edit.before.curriculum, edit.after.curriculum
    found = [
        {"key": key, "before": getattr(before, key), "after": getattr(after, key)}
        for key in ("strategy", "focus", "focus_share")
    ]
    for name in sorted({*skill_ids(realm), *before.skills, *after.skills}):
        old, new = msgspec.structs.asdict(before.plan(name)), msgspec.structs.asdict(after.plan(name))
        found += [{"key": f"skills.{name}.{key}", "before": old[key], "after": new[key]} for key in old]
    return [one for one in found if one["before"] != one["after"]]


def was_list(edit: Edit) -> str:
    """What to say when the list of skills became a mapping; empty when it did not."""
    before, after = edit.before.curriculum.skills, edit.after.curriculum.skills
    if not isinstance(before, list) or not before or isinstance(after, list):
        return ""
    return f"curriculum.skills was a list ({', '.join(before)}) and is a mapping now; a skill that is added later is enabled"


def _plans(settings: CurriculumConfig, known: Collection[str]) -> dict[str, SkillPlan]:
    """The settings of every known skill, and of those that are named besides."""
    return {name: settings.plan(name) for name in sorted({*known, *settings.skills})}


def _replaced(struct: Any, **values: Any) -> Any:
    """A copy with other values, checked as those of a file are."""
    try:
        return msgspec.convert({**msgspec.to_builtins(struct), **values}, type(struct))
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$.")
        raise UsageError(f"{place.rstrip('`') or 'the value'}: {problem[:1].lower()}{problem[1:]}") from None
