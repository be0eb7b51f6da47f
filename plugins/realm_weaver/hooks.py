"""What this plugin offers."""

from __future__ import annotations

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part

_C = "realm_weaver.commands"
_H = "realm_weaver.host_commands"


@hookimpl
def realm_commands() -> list[Part]:
    """The verbs of `realm weaver` and `realm cron`."""
    return [
        Part("weaver up", f"{_C}:up_command", "Start services and keep them alive."),
        Part("weaver down", f"{_C}:down_command", "Stop services; all of them end the weaver, too."),
        Part("weaver status", f"{_C}:status_command", "Show every service and why it is as it is."),
        Part("weaver mend", f"{_C}:mend_command", "Bring back what should run and does not."),
        Part("weaver logs", f"{_C}:logs_command", "Show what a service says; -f follows it."),
        Part("weaver daemon", f"{_C}:daemon_command", "Keep services alive in the foreground."),
        Part("weaver --daemon", f"{_C}:background_command", "Start the enabled services; wait for none."),
        Part("weaver systemd", f"{_H}:systemd_command", "Print or install a user unit of systemd."),
        Part("cron show", f"{_H}:show_command", "Show the realm's lines and those in the crontab."),
        Part("cron install", f"{_H}:install_command", "Put the realm's lines into the crontab."),
        Part("cron remove", f"{_H}:remove_command", "Take the realm's lines out of the crontab."),
    ]
