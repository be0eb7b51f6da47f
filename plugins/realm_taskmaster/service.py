"""The task master as a service."""

from __future__ import annotations

from realm_cli.services import Service

NAME = "taskmaster"
PORT = 8766
TASKMASTER = Service(NAME, ("task", "daemon"), "the task master")
