"""What this plugin offers."""

from __future__ import annotations

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part


@hookimpl
def realm_commands() -> list[Part]:
    """Serving a skill, and beginning a new one."""
    return [
        Part("skill serve", "realm_http_skill.serve_command:serve_command", "Serve a skill over HTTP."),
        Part("skill new", "realm_http_skill.new_command:new_command", "Begin a new skill from the template."),
    ]


@hookimpl
def realm_skill_clients() -> list[Part]:
    """Skills whose YAML says `api: http://…` or `https://…`."""
    target = "realm_http_skill.skill:open_skill"
    return [
        Part("http", target, "Skills on an HTTP server."),
        Part("https", target, "Skills on an HTTPS server."),
    ]


@hookimpl
def realm_records() -> list[Part]:
    """What is known of skill servers."""
    return [Part("skill_server", "realm_http_skill.records:ServerRecord", "What a skill server says of itself.")]


@hookimpl
def realm_services() -> list[Part]:
    """The two skills that the original served, for whatever keeps services alive; not started unless asked for."""
    return [
        Part("skill-bin", "realm_http_skill.service:BIN", "The skill bin for other machines."),
        Part("skill-sy", "realm_http_skill.service:SY", "The skill sy for other machines."),
    ]
