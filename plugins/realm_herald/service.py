"""The heralds as a service."""

from __future__ import annotations

from realm_cli.services import Service

SERVICE = Service(name="herald", command=("herald", "run"), title="the heralds", speaks_http=False)
