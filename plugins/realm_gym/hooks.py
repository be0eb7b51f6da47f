"""What this plugin offers."""

from __future__ import annotations

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part


@hookimpl
def realm_skills() -> list[Part]:
    """A skill for each task of reasoning-gym; none where that is not installed."""
    from realm_gym.tasks import FAMILY, names

    return [Part(f"{FAMILY}.{name}", f"realm_gym.offered:{name}", "A task of reasoning-gym.") for name in names()]


@hookimpl
def realm_records() -> list[Part]:
    """What is known of the library's tasks."""
    return [Part("gym", "realm_gym.records:GymRecord", "How the tasks of reasoning-gym stood their self-check.")]
