"""The battle as a service, for a hero that trains whenever the machine runs."""

from __future__ import annotations

from realm_cli.services import Service

SERVICE = Service(
    name="battle", command=("battle", "start", "--forge"), title="the battle", speaks_http=False, enabled=False,
    heartbeat="status/training.json", liveness_seconds=900.0, stop_seconds=600.0,
)  # fmt: skip
