"""What this plugin offers."""

from __future__ import annotations

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part

_C = "realm_vault.commands"
_T = "realm_vault.transfer_commands"


@hookimpl
def realm_commands() -> list[Part]:
    """Looking, sending, fetching, verifying."""
    return [
        Part("vault scan", f"{_C}:scan_command", "Look what lies in the zones."),
        Part("vault list", f"{_C}:list_command", "List assets and their copies."),
        Part("vault locate", f"{_C}:locate_command", "Show where an asset is, the nearest first."),
        Part("vault whereis", f"{_C}:whereis_command", "Show which zones hold which asset."),
        Part("vault zones", f"{_C}:zones_command", "List the zones and how they are."),
        Part("vault verify", f"{_C}:verify_command", "Hash copies again and set damaged ones aside."),
        Part("vault push", f"{_T}:push_command", "Send assets to a zone."),
        Part("vault fetch", f"{_T}:fetch_command", "Bring an asset here, verified."),
        Part("vault pull", f"{_T}:pull_command", "Bring assets here from one zone."),
        Part("vault transfers", f"{_T}:transfers_command", "List transfers and send what waits."),
    ]


@hookimpl
def realm_records() -> list[Part]:
    """The vault's own files."""
    module = "realm_vault.records"
    return [
        Part("vault_catalog", f"{module}:CatalogRecord", "Every asset and its copies."),
        Part("vault_scan", f"{module}:ScanRecord", "What the last scan of a zone read."),
        Part("vault_asset", f"{module}:AssetRecord", "An asset in the register of a zone."),
        Part("vault_transfer", f"{module}:TransferRecord", "An asset on its way."),
        Part("vault_zone", f"{module}:ZoneMark", "The mark by which a zone is recognised."),
    ]
