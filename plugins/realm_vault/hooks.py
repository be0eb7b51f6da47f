"""What this plugin offers."""

from __future__ import annotations

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part
from realm_cli.realm import Realm

_C = "realm_vault.commands"
_T = "realm_vault.transfer_commands"
_D = "realm_vault.drop_commands"
_A = "realm_vault.archive_commands"


@hookimpl
def realm_commands() -> list[Part]:
    """Looking, sending, fetching, verifying."""
    return [
        Part("vault scan", f"{_C}:scan_command", "Look what lies in the zones."),
        Part("vault list", f"{_C}:list_command", "List assets and their copies."),
        Part("vault locate", f"{_C}:locate_command", "Show where an asset is, the nearest first."),
        Part("vault whereis", f"{_C}:whereis_command", "Show which zones hold which asset."),
        Part("vault zones", f"{_C}:zones_command", "List the zones and how they are."),
        Part(
            "vault verify", "realm_vault.verify_command:verify_command", "Hash copies again and set damaged ones aside."
        ),
        Part("vault push", f"{_T}:push_command", "Send assets to a zone."),
        Part("vault fetch", f"{_T}:fetch_command", "Bring an asset here, verified."),
        Part("vault pull", f"{_T}:pull_command", "Bring assets here from one zone."),
        Part("vault pin", f"{_D}:pin_command", "Let an asset stay, or list what is pinned."),
        Part("vault unpin", f"{_D}:unpin_command", "Let a pinned asset go again."),
        Part("vault rm", f"{_D}:rm_command", "Move one copy into its zone's trash."),
        Part("vault prune", f"{_D}:prune_command", "Show or do what the zones' rules delete."),
        Part("vault restore", f"{_D}:restore_command", "Bring an asset back from the trash."),
        Part("vault officer", "realm_vault.serve_command:officer_command", "Answer for the assets under one folder."),
        Part("vault export", "realm_vault.export_command:export_command", "Write a checkpoint for other tools."),
        Part("vault serve", "realm_vault.serve_command:serve_command", "Serve the vault to other machines."),
        Part(
            "vault tend", "realm_vault.tend_command:tend_command", "Do what is due: transfers, archive, copies, disk."
        ),
        Part("archive make", f"{_A}:make_command", "Archive configs, ledger and curriculum."),
        Part("archive list", f"{_A}:list_command", "List the archives."),
        Part("archive restore", f"{_A}:restore_command", "Show or do what going back to an archive changes."),
        Part("vault transfers", f"{_T}:transfers_command", "List transfers and send what waits."),
    ]


@hookimpl
def realm_before_risk(realm: Realm, reason: str) -> None:
    """An archive before anything risky, which does not begin when none can be made."""
    from realm_vault import archives

    archives.make(realm, f"before {reason}")


@hookimpl
def realm_services() -> list[Part]:
    """The vault's server, for whatever keeps services alive."""
    return [Part("vault", "realm_vault.service:SERVICE", "Assets for other machines, and the vault's rounds.")]


@hookimpl
def realm_pages() -> list[Part]:
    """The vault in the Tavern."""
    return [Part("vault", "realm_vault.page:PAGE", "Assets, copies, zones, lineage.")]


@hookimpl
def realm_records() -> list[Part]:
    """The vault's own files."""
    module = "realm_vault.records"
    return [
        Part("vault_catalog", f"{module}:CatalogRecord", "Every asset and its copies."),
        Part("vault_scan", f"{module}:ScanRecord", "What the last scan of a zone read."),
        Part("vault_asset", f"{module}:AssetRecord", "An asset in the register of a zone."),
        Part("vault_transfer", f"{module}:TransferRecord", "An asset on its way."),
        Part("vault_trash", f"{module}:TrashRecord", "A deleted copy that can be brought back."),
        Part("vault_claim", f"{module}:ClaimRecord", "A copy that is being deleted."),
        Part("vault_archive", f"{module}:ArchiveRecord", "What lies in an archive."),
        Part("vault_tended", f"{module}:TendedRecord", "When daily tasks were done."),
        Part("lineage", f"{module}:LineageRecord", "Which quests the kept checkpoints are made of."),
        Part("vault_zone", f"{module}:ZoneMark", "The mark by which a zone is recognised."),
    ]


@hookimpl
def realm_checks() -> list[Part]:
    """What the doctor asks the vault."""
    module = "realm_vault.checks"
    return [
        Part("zones", f"{module}:ZONES", "Every zone answers and gets copies."),
        Part("transfers", f"{module}:TRANSFERS", "Transfers that were cut off."),
    ]


@hookimpl
def realm_tasks() -> list[Part]:
    """The vault as background work."""
    module = "realm_vault.tasks"
    return [
        Part("checkpoint_cleanup", f"{module}:CHECKPOINT_CLEANUP", "Retention of the realm itself."),
        Part("vault_scan", f"{module}:VAULT_SCAN", "Look what lies in the zones."),
        Part("lineage_report", f"{module}:LINEAGE_REPORT", "Which quests every checkpoint is made of."),
    ]
