"""`realm vault export`."""

from __future__ import annotations

from pathlib import Path

import click

from realm_cli.errors import UsageError
from realm_cli.terminal import Context, pass_context_realm
from realm_cli.zones import LOCAL
from realm_vault.exporting import TAR, export
from realm_vault.keeper import Keeper
from realm_vault.places import opened


@click.command("export")
@click.argument("asset")
@click.argument("dest", type=click.Path(path_type=Path))
@pass_context_realm
def export_command(ctx: Context, asset: str, dest: Path) -> None:
    """Write a checkpoint to DEST, a new folder or a file *.tar.zst: weights, tokenizer and a model card.

    One that is not here is fetched into the realm first.
    """
    if dest.name.endswith((".tar", ".tgz", ".tar.gz", ".zip", ".zst")) and not dest.name.endswith(TAR):
        raise UsageError(
            f"{dest.name} is no kind of archive that is written here", f"a folder, or a name ending in {TAR}"
        )
    with opened(ctx.realm, ctx.manager) as places:
        keeper = Keeper(ctx.realm, ctx.manager, places)
        found = keeper.get(asset)
        if found.asset is None or found.asset.kind != "checkpoint":
            raise UsageError(
                f"{found.id} is no checkpoint", "only checkpoints are exported; others: realm vault fetch --to"
            )
        if LOCAL not in dict(found.copies):
            keeper.fetch(found.id)
    click.echo(export(ctx.realm, found.asset.hero, ctx.realm.root / found.asset.path, dest))
