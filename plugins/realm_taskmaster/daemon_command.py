"""`realm task daemon`."""

from __future__ import annotations

import click

from realm_cli import services, store
from realm_cli.terminal import Context, FiniteRange, note, pass_context_realm, quiet_option
from realm_taskmaster.service import NAME, PORT


@click.command("daemon")
@click.option(
    "--interval",
    type=FiniteRange(min=0.1, max=86_400),
    default=60.0,
    show_default=True,
    help="Seconds between looks.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 = any free one.")
@click.option("--host", help="Instead of web.host; 0.0.0.0 = all networks, where the token is asked for.")
@quiet_option
@pass_context_realm
def daemon_command(ctx: Context, interval: float, port: int, host: str | None, quiet: bool) -> None:
    """Run tasks as their turn comes, and serve the GPU Task Scheduler API, until Ctrl-C; /api/openapi.json describes it."""
    from realm_cli.web import Door
    from realm_cli.webserver import serve
    from realm_taskmaster.daemon import Daemon
    from realm_taskmaster.master import only_master
    from realm_taskmaster.saying import once_an_hour
    from realm_taskmaster.server import make_server

    realm = ctx.realm
    door = Door(host or realm.config.web.host, port, tuple(realm.config.web.names))
    store.make_folders(realm.folders())
    with only_master(realm), once_an_hour():
        daemon = Daemon(realm, ctx.manager, interval)
        app = make_server(realm, ctx.manager, daemon, door)

        def ready() -> None:
            daemon.start()
            services.announce(realm, NAME, door.url)
            if not quiet:
                note("Ctrl-C ends it; what runs goes on")
            click.echo(door.url)

        serve(app, door, ready, daemon.close)
