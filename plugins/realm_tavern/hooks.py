"""What this plugin offers."""

from __future__ import annotations

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part


@hookimpl
def realm_commands() -> list[Part]:
    """The page's server."""
    return [Part("tavern", "realm_tavern.commands:tavern_command", "Serve the web page.")]


@hookimpl
def realm_services() -> list[Part]:
    """The page, for whatever keeps services alive."""
    return [Part("tavern", "realm_tavern.service:SERVICE", "The web page.")]


@hookimpl
def realm_pages() -> list[Part]:
    """The pages of the core's matters."""
    return [
        Part("hero", "realm_tavern.hero_page:PAGE", "Hero and battle."),
        Part("quests", "realm_tavern.quests_page:PAGE", "The quest board."),
        Part("checkpoints", "realm_tavern.checkpoints_page:PAGE", "The ledger."),
        Part("settings", "realm_tavern.settings_page:PAGE", "The configuration."),
    ]


@hookimpl
def realm_records() -> list[Part]:
    """The Tavern's own files."""
    module = "realm_tavern.records"
    return [
        Part("achievements", f"{module}:AchievementsRecord", "What the hero has achieved."),
        Part("tavern_seen", f"{module}:SeenRecord", "How the hero stood when the page was last looked at."),
    ]
