"""Skills that plugins offer, whether this realm has them or not, and what could be installed beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from realm_cli.discovery import version_of
from realm_cli.errors import RealmError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skillbook import trouble_of
from realm_guild import views

if TYPE_CHECKING:
    from importlib.metadata import Distribution


def all_rows(realm: Realm, manager: Manager) -> list[dict[str, Any]]:
    """The rows of `views.skill_rows` and one for every other skill of a plugin; `state` says how each stands here."""
    rows = {row["id"]: {**row, "state": _state(row)} for row in views.skill_rows(realm, manager)}
    for name in manager.parts("realm_skills"):
        rows.setdefault(name, _offered(manager, name))
    return [rows[name] for name in sorted(rows)]


def _state(row: dict[str, Any]) -> str:
    if row["error"]:
        return "unusable"
    return "locked" if row["locked_by"] else "enabled"


def _offered(manager: Manager, name: str) -> dict[str, Any]:
    """A skill that the realm does not have."""
    row: dict[str, Any] = {"id": name, "name": "", "max_level": None, "category": "", "plugin": name}
    try:
        skill = manager.skill(name)
        row |= {
            "name": getattr(skill, "name", ""), "category": getattr(skill, "category", ""),
            "max_level": skill.max_level, "error": trouble_of(skill),
        }  # fmt: skip
    except RealmError as error:
        row["error"] = error.message
    return {**row, "state": "unusable" if row["error"] else "not enabled"}


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row for people."""
    levels = f"1-{row['max_level']}" if row.get("max_level") else ""
    return {
        **row,
        "name": row.get("name", ""),
        "category": row.get("category", ""),
        "levels": levels,
    }


def extras(manager: Manager) -> dict[str, str]:
    """Plugins of which an extra is not installed that has their name, with the line that installs it."""
    found = {}
    for plugin in manager.plugins:
        distribution = plugin.entry.distribution()
        if plugin.enabled and _lacks(distribution, plugin.name):
            found[plugin.name] = f'pip install "{distribution.name}[{plugin.name}]"'
    return found


def _lacks(distribution: Distribution, extra: str) -> bool:
    """Whether a package of that extra is missing here."""
    from packaging.requirements import Requirement

    needed = [Requirement(text) for text in distribution.requires or []]
    return any(
        one.marker is not None
        and one.marker.evaluate({"extra": extra})
        and not one.marker.evaluate({"extra": ""})
        and not version_of(one.name)
        for one in needed
    )
