"""Skill servers as services; `configs/services.yaml` enables them."""

from __future__ import annotations

from realm_cli.services import Service

BIN = Service(name="skill-bin", command=("skill", "serve", "bin"), title="the skill bin", enabled=False)
SY = Service(name="skill-sy", command=("skill", "serve", "sy"), title="the skill sy", enabled=False)
