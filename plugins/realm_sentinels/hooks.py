"""What the sentinels offer."""

from __future__ import annotations

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part

_C = "realm_sentinels.checks"


@hookimpl
def realm_commands() -> list[Part]:
    """Examining, watching, practising."""
    return [
        Part("doctor", "realm_sentinels.doctor_command:doctor_command", "Examine the realm; mend what is safe."),
        Part("guardian", "realm_sentinels.guardian_command:guardian_command", "Watch the battle; start it again."),
        Part("drill", "realm_sentinels.drill_command:drill_command", "Cause a failure in a copy and see it recover."),
    ]


@hookimpl
def realm_services() -> list[Part]:
    """The guardian."""
    return [Part("guardian", "realm_sentinels.service:SERVICE", "Ends battles that hang, starts them again.")]


@hookimpl
def realm_tasks() -> list[Part]:
    """The doctor, now and then."""
    return [Part("health_check", "realm_sentinels.tasks:HEALTH_CHECK", "Examine the realm.")]


@hookimpl
def realm_records() -> list[Part]:
    """The guardian's memory."""
    return [Part("guardian", "realm_sentinels.records:GuardianRecord", "How battles died.")]


@hookimpl
def realm_checks() -> list[Part]:
    """What belongs to no other plugin."""
    return [
        Part("battle", f"{_C}.processes:BATTLE", "The battle lives, or ended as it should."),
        Part("services", f"{_C}.processes:SERVICES", "Services that should run do."),
        Part("leftovers", f"{_C}.processes:LEFTOVERS", "Leases and files of processes that are gone."),
        Part("ports", f"{_C}.processes:PORTS_CHECK", "Ports that somebody else took."),
        Part("gpu", f"{_C}.machine:GPU", "Cards and their heat."),
        Part("disk", f"{_C}.machine:DISK", "Room for the next checkpoints."),
        Part("memory", f"{_C}.machine:MEMORY", "Free memory."),
        Part("clock", f"{_C}.machine:CLOCK", "Nothing lies in the future."),
        Part("queue", f"{_C}.board:QUEUE", "Quests whole and in their places."),
        Part("config", f"{_C}.settings:CONFIG", "Mistakes in settings."),
        Part("plugins", f"{_C}.settings:PLUGINS", "Plugins that cannot be loaded."),
        Part("python", f"{_C}.settings:PYTHON", "Versions of packages."),
        Part("token", f"{_C}.settings:TOKEN", "Who may read the token."),
        Part("checkpoint", f"{_C}.training:AGE", "Age of the newest checkpoint."),
        Part("resume", f"{_C}.training:RESUME", "Proof that the next battle goes on exactly."),
        Part("state", f"{_C}.state:STATE", "State files that do not parse."),
        Part("journal", f"{_C}.state:JOURNAL", "Lines that cannot be read."),
    ]
