"""The guardian as a service."""

from __future__ import annotations

from realm_cli.services import Service

NAME = "guardian"
SERVICE = Service(
    name=NAME, command=("guardian",), title="the guardian", speaks_http=False, liveness_seconds=60.0,
)  # fmt: skip
