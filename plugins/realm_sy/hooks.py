"""What this plugin offers."""

from __future__ import annotations

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part


@hookimpl
def realm_skills() -> list[Part]:
    """The skill `sy`."""
    return [Part("sy", "realm_sy.skill:SySkill", "Syllacrostic word puzzles.")]
