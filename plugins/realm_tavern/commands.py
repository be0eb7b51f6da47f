"""`realm tavern`."""

from __future__ import annotations

import click

from realm_cli import services, store
from realm_cli.terminal import Context, note, pass_context_realm, quiet_option


@click.command("tavern")
@click.option("--port", type=click.IntRange(0, 65535), help="Instead of tavern.port; 0 = any free one.")
@click.option("--host", help="Instead of web.host; 0.0.0.0 = all networks, where the token is asked for.")
@quiet_option
@pass_context_realm
def tavern_command(ctx: Context, port: int | None, host: str | None, quiet: bool) -> None:
    """Serve the web page until Ctrl-C."""
    from realm_cli.web import Door
    from realm_cli.websafety import is_loopback, token_path
    from realm_cli.webserver import serve
    from realm_tavern.app import close, make_app

    realm, config = ctx.realm, ctx.realm.config
    door = Door(host or config.web.host, config.tavern.port if port is None else port, tuple(config.web.names))
    store.make_folders(realm.folders())
    app = make_app(realm, ctx.manager, door)

    def ready() -> None:
        services.announce(realm, "tavern", door.url)
        if not quiet:
            note("Ctrl-C closes the Tavern")
            if not is_loopback(door.host):
                note(f"others need the token in {token_path(realm)}; the connection is not encrypted")
        click.echo(door.url)

    serve(app, door, ready, lambda: close(app))
