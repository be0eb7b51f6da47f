"""`realm vault serve|officer`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from realm_cli import services, store
from realm_cli.realm import Realm
from realm_cli.terminal import Context, note, pass_context_realm, quiet_option

if TYPE_CHECKING:
    from realm_cli.web import Door

PORT = 8767
OFFICER_PORT = 8768


@click.command("serve")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 = any free one.")
@click.option("--host", help="Instead of web.host; 0.0.0.0 = all networks, where the token is asked for.")
@quiet_option
@pass_context_realm
def serve_command(ctx: Context, port: int, host: str | None, quiet: bool) -> None:
    """Serve catalog, ledger and battle to other machines until Ctrl-C; /api/openapi.json describes it."""
    from realm_cli.web import Door
    from realm_cli.webserver import serve
    from realm_vault.server import make_server
    from realm_vault.tending import Tender, tend_in_background

    realm = ctx.realm
    door = Door(host or realm.config.web.host, port, tuple(realm.config.web.names))
    store.make_folders(realm.folders())
    app = make_server(realm, ctx.manager, door)

    ending: list[Callable[[], None]] = []

    def close() -> None:
        for end in ending:
            end()
        app.extensions["keeper"].places.close()

    def ready() -> None:
        ending.append(tend_in_background(Tender(realm, ctx.manager, app.extensions["keeper"])))
        _say_open(realm, "vault", door, quiet=quiet)

    serve(app, door, ready, close)


@click.command("officer")
@click.option("--zone", required=True, help="The zone's name, as it is shown to others.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=OFFICER_PORT, show_default=True, help="0 = any free one."
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="0.0.0.0 = all networks, where the token is asked for."
)
@click.option("--base-dir", required=True, type=click.Path(path_type=Path), help="The zone's root; no realm is needed.")
@quiet_option
def officer_command(zone: str, port: int, host: str, base_dir: Path, quiet: bool) -> None:
    """Answer for the assets under one folder until Ctrl-C; /api/openapi.json describes it."""
    from realm_cli.errors import NotFoundError, UsageError
    from realm_cli.web import Door
    from realm_cli.webserver import serve
    from realm_cli.zones import ZONE_ID
    from realm_vault.officer import make_officer

    if not ZONE_ID.fullmatch(zone):
        raise UsageError(f"'{zone}' cannot be a zone's name", "use letters, digits, '.', '_' and '-'")
    base = base_dir.expanduser().absolute()
    if not base.is_dir():
        raise NotFoundError(f"{base} is no folder", "make it, or name the zone's root")
    realm, door = Realm(base), Door(host, port)
    store.make_folders([realm.status])
    app = make_officer(base, zone, door)

    def ready() -> None:
        _say_open(realm, "officer", door, quiet=quiet)

    serve(app, door, ready)


def _say_open(realm: Realm, name: str, door: Door, *, quiet: bool) -> None:
    """Announce a service that listens now, and say where."""
    from realm_cli.websafety import is_loopback, token_path

    services.announce(realm, name, door.url)
    if not quiet:
        note("Ctrl-C ends it")
        if not is_loopback(door.host):
            note(f"others need the token in {token_path(realm)}; the connection is not encrypted")
    click.echo(door.url)
