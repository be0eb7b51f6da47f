"""Every hook of Realm, the reference for plugin authors.

A plugin is a module in the entry point group `realm` that implements some of these with `@hookimpl`. All but the last
take nothing and return parts, which are imported when they are used; so a hooks module itself imports almost nothing.
A name that two plugins offer is refused, and the message names both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

from realm_cli.parts import Part

if TYPE_CHECKING:
    from realm_cli.realm import Realm
    from realm_cli.records import EventRecord

GROUP = "realm"
PART_HOOKS = (
    "realm_commands", "realm_records", "realm_skills", "realm_inspectors", "realm_oracles", "realm_callbacks",
    "realm_pages", "realm_services", "realm_zone_types", "realm_runners", "realm_tasks", "realm_checks",
    "realm_importers", "realm_skill_clients", "realm_profiles", "realm_settings",
)  # fmt: skip

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def realm_commands() -> list[Part]:
    """Commands: the name is the whole line (`battle start`), the object a click command."""
    raise AssertionError("a specification is never called")


@hookspec
def realm_records() -> list[Part]:
    """Record classes that the plugin writes: the name is the record's kind."""
    raise AssertionError("a specification is never called")


@hookspec
def realm_skills() -> list[Part]:
    """Skills: the name is the skill's id, the object a `realm_cli.skills.Skill` or a class of one, made without arguments."""
    raise AssertionError("a specification is never called")


@hookspec
def realm_skill_clients() -> list[Part]:
    """Clients of skill servers: the name is the scheme of `api` in a skill's YAML, the object called with its `SkillConfig` and the realm gives a `Skill`."""
    raise AssertionError("a specification is never called")


@hookspec
def realm_inspectors() -> list[Part]:
    """Checks on a quest file before it is queued: the object is a `realm_cli.inspection.Inspector`, called for its depth."""
    raise AssertionError("a specification is never called")


@hookspec
def realm_oracles() -> list[Part]:
    """Inference back ends: the name is what users choose, the object a `realm_cli.generation.Backend` or a class of one."""
    raise AssertionError("a specification is never called")


@hookspec
def realm_callbacks() -> list[Part]:
    """Work in a battle's process between steps: the object is a class of `realm_cli.callbacks.BattleCallback`."""
    raise AssertionError("a specification is never called")


@hookspec
def realm_pages() -> list[Part]:
    """Pages of the Tavern: the object is a `realm_cli.pages.Page`, which makes a Flask blueprint."""
    raise AssertionError("a specification is never called")


@hookspec
def realm_services() -> list[Part]:
    """Services that the weaver keeps alive: the object is a `realm_cli.services.Service`."""
    raise AssertionError("a specification is never called")


@hookspec
def realm_zone_types() -> list[Part]:
    """Places where assets can lie: the name is `type` in `zones.yaml`, the object a `realm_cli.zones.ZoneType`."""
    raise AssertionError("a specification is never called")


@hookspec
def realm_runners() -> list[Part]:
    """Where jobs run: the name is what stands before the colon of a place (`ssh:3090`), the object a `realm_cli.jobs.RunnerType`."""
    raise AssertionError("a specification is never called")


@hookspec
def realm_tasks() -> list[Part]:
    """Background work for idle GPUs and processors: the name is the task's id, the object a `realm_cli.tasks.Task`."""
    raise AssertionError("a specification is never called")


@hookspec
def realm_checks() -> list[Part]:
    """Checks of health: the name is the check's, the object a `realm_cli.checks.Check`."""
    raise AssertionError("a specification is never called")


@hookspec
def realm_settings() -> list[Part]:
    """Files of settings that the plugin reads: the name is the file's in `configs/`, the object loads it from a realm and raises `FormatError` for a mistake."""
    raise AssertionError("a specification is never called")


@hookspec
def realm_importers() -> list[Part]:
    """Formats of other tools' data files: the name is what users choose, the object a `realm_cli.importing.Importer` or a class of one."""
    raise AssertionError("a specification is never called")


@hookspec
def realm_profiles() -> list[Part]:
    """Data profiles: the name is `profile` in a hero's YAML, the object called with its `system_prompt` gives a `realm_cli.profiles.Profile`."""
    raise AssertionError("a specification is never called")


@hookspec
def realm_before_risk(realm: Realm, reason: str) -> None:
    """Called before something that cannot be undone by itself; what it raises keeps that from happening."""
    raise AssertionError("a specification is never called")


@hookspec
def realm_event(realm: Realm, event: EventRecord) -> None:
    """Called in the emitting process when an event is on disk. A listener that fails is logged; the rest still hear."""
