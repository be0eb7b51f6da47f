"""`realm skill serve`."""

from __future__ import annotations

import click

from realm_cli import services, store
from realm_cli.errors import RefusedError
from realm_cli.skillbook import ALIASES, open_skill
from realm_cli.terminal import Context, note, pass_context_realm, quiet_option

PORTS = {"sy": 8080, "bin": 8090}
"""Where the original's skill servers were."""


@click.command("serve")
@click.argument("skill")
@click.option("--port", type=click.IntRange(0, 65535), help="8080 for sy, 8090 for bin; else, or with 0, any free one.")
@click.option("--host", help="Instead of web.host; 0.0.0.0 = all networks, where the token is asked for.")
@quiet_option
@pass_context_realm
def serve_command(ctx: Context, skill: str, port: int | None, host: str | None, quiet: bool) -> None:
    """Serve SKILL to other machines until Ctrl-C; /openapi.json describes it."""
    from realm_cli.web import Door
    from realm_cli.websafety import is_loopback, token_path
    from realm_cli.webserver import serve
    from realm_http_skill.server import make_server

    realm, entry = ctx.realm, open_skill(ctx.realm, ctx.manager, ALIASES.get(skill, skill))
    name = entry.config.id
    if entry.config.api is not None:
        raise RefusedError(f"skill '{name}' lives on a server already: {entry.config.api}", "give others that address")
    door = Door(
        host or realm.config.web.host, PORTS.get(name, 0) if port is None else port, tuple(realm.config.web.names)
    )
    store.make_folders(realm.folders())
    app = make_server(realm, entry, door)

    def ready() -> None:
        services.announce(realm, f"skill-{name}", door.url)
        if not quiet:
            note(f"Ctrl-C ends it; elsewhere, in configs/skills/{name}.yaml instead of `plugin:`: `api: {door.url}`")
            if not is_loopback(door.host):
                note(f"others need the token in {token_path(realm)}; the connection is not encrypted")
        click.echo(door.url)

    serve(app, door, ready)
