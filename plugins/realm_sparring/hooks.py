"""What this plugin offers."""

from __future__ import annotations

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part


@hookimpl
def realm_commands() -> list[Part]:
    """Sparring, and looking at what came of it."""
    return [
        Part("spar run", "realm_sparring.commands:run_command", "Make a quest of a checkpoint's wrong answers."),
        Part("spar validate", "realm_sparring.commands:validate_command", "Check files of sparring rows."),
    ]


@hookimpl
def realm_callbacks() -> list[Part]:
    """In a battle: sparring quests expire."""
    return [Part("sparring", "realm_sparring.expiring:SparringCallback", "Old sparring quests expire.")]


@hookimpl
def realm_tasks() -> list[Part]:
    """Sparring while a GPU is idle."""
    module = "realm_sparring.tasks"
    return [
        Part("sparring_binary", f"{module}:BINARY", "100 problems of BIN."),
        Part("sparring_sy", f"{module}:SY", "100 problems of SY."),
        Part("sparring_binary_large", f"{module}:BINARY_LARGE", "500 problems of BIN."),
    ]
