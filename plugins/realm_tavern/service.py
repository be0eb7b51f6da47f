"""The Tavern as a service."""

from __future__ import annotations

from realm_cli.services import Service

SERVICE = Service(name="tavern", command=("tavern",), title="the Tavern", in_play=True)
