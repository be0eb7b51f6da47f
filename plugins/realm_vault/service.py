"""The vault as a service."""

from __future__ import annotations

from realm_cli.services import Service

SERVICE = Service(name="vault", command=("vault", "serve"), title="the vault")
