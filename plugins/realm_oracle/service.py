"""The Oracle as a service."""

from __future__ import annotations

from realm_cli.services import Service

SERVICE = Service(name="oracle", command=("oracle", "serve"), title="the Oracle")
