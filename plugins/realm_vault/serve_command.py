"""`realm vault serve`."""

from __future__ import annotations

import click

from realm_cli import services, store
from realm_cli.terminal import Context, note, pass_context_realm, quiet_option

PORT = 8767


@click.command("serve")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 = any free one.")
@click.option("--host", help="Instead of web.host; 0.0.0.0 = all networks, where the token is asked for.")
@quiet_option
@pass_context_realm
def serve_command(ctx: Context, port: int, host: str | None, quiet: bool) -> None:
    """Serve catalog, ledger and battle to other machines until Ctrl-C; /api/openapi.json describes it."""
    from realm_cli.web import Door
    from realm_cli.websafety import is_loopback, token_path
    from realm_cli.webserver import serve
    from realm_vault.server import make_server

    realm = ctx.realm
    door = Door(host or realm.config.web.host, port, tuple(realm.config.web.names))
    store.make_folders(realm.folders())
    app = make_server(realm, ctx.manager, door)

    def ready() -> None:
        services.announce(realm, "vault", door.url)
        if not quiet:
            note("Ctrl-C ends it")
            if not is_loopback(door.host):
                note(f"others need the token in {token_path(realm)}; the connection is not encrypted")
        click.echo(door.url)

    serve(app, door, ready, app.extensions["places"].close)
