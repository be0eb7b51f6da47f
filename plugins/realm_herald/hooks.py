"""What this plugin offers."""

from __future__ import annotations

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part

_C = "realm_herald.commands"


@hookimpl
def realm_commands() -> list[Part]:
    """Telling others what happens."""
    return [
        Part("herald run", f"{_C}:run_command", "Tell the heralds what happens, until it is stopped."),
        Part("herald list", f"{_C}:list_command", "List the heralds and what they are told."),
        Part("herald test", f"{_C}:test_command", "Send a message to a herald, or to all."),
    ]


@hookimpl
def realm_services() -> list[Part]:
    """The process that tells them."""
    return [Part("herald", "realm_herald.service:SERVICE", "Notifications.")]


@hookimpl
def realm_records() -> list[Part]:
    """What was told already."""
    return [
        Part("herald_cursor", "realm_herald.records:HeraldRecord", "How far a herald has read, what it has to say.")
    ]


@hookimpl
def realm_checks() -> list[Part]:
    """What the doctor asks the heralds."""
    return [Part("heralds", "realm_herald.checks:HERALDS", "Heralds that are not heard.")]


@hookimpl
def realm_settings() -> list[Part]:
    """Who is told what."""
    return [Part("heralds.yaml", "realm_herald.settings:load", "The heralds.")]
