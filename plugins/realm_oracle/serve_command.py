"""`realm oracle serve`."""

from __future__ import annotations

import click

from realm_cli import services, store
from realm_cli.terminal import Context, note, pass_context_realm, quiet_option


@click.command("serve")
@click.option("--port", type=click.IntRange(0, 65535), help="Instead of oracle.port; 0 = any free one.")
@click.option("--host", help="Instead of web.host; 0.0.0.0 = all networks, where the token is asked for.")
@quiet_option
@pass_context_realm
def serve_command(ctx: Context, port: int | None, host: str | None, quiet: bool) -> None:
    """Answer as exact checkpoints until Ctrl-C."""
    from realm_cli.web import Door
    from realm_cli.websafety import is_loopback, token_path
    from realm_cli.webserver import serve
    from realm_oracle.server import make_server

    realm, config = ctx.realm, ctx.realm.config
    door = Door(host or config.web.host, config.oracle.port if port is None else port, tuple(config.web.names))
    store.make_folders(realm.folders())
    app = make_server(realm, ctx.manager, door)

    def ready() -> None:
        services.announce(realm, "oracle", door.url)
        if not quiet:
            note("Ctrl-C ends it; load a checkpoint: realm oracle load STEP")
            if not is_loopback(door.host):
                note(f"others need the token in {token_path(realm)}; the connection is not encrypted")
        click.echo(door.url)

    serve(app, door, ready, app.extensions["oracle"].pool.close)
