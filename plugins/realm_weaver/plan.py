"""Which services there are, and how each is kept: what plugins offer, changed by `configs/services.yaml`. Starts nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from realm_cli import services, yamlfile
from realm_cli.errors import FormatError, NotFoundError, UsageError, nearest
from realm_cli.realm import Realm
from realm_cli.service_config import Liveness, Readiness, Restart, ServiceConfig, configured, services_file
from realm_cli.services import Service
from realm_weaver import logs

if TYPE_CHECKING:
    from realm_cli.manager import Manager

HEALTH = "/health"


@dataclass(frozen=True)
class Spec:
    """One service, with every question answered."""

    name: str
    title: str
    line: tuple[str, ...]
    needs: tuple[str, ...]
    enabled: bool
    in_play: bool
    probe: Literal["http", "heartbeat", "process"]
    url: str
    """Of a program of one's own; a plugin's service announces its address."""
    heartbeat: Path | None
    readiness: Readiness
    liveness: Liveness
    live_period: float
    restart: Restart
    stop_seconds: float
    log_bytes: int
    log_keep: int


Plan = Mapping[str, Spec]
"""By name, each after those that it needs."""


def plan(realm: Realm, manager: Manager) -> Plan:
    """Every service of the realm. Raises `FormatError` for a mistake in the file, a circle of needs among them."""
    config = configured(realm).services
    offered = manager.parts("realm_services")
    for name, one in config.items():
        if name not in offered and not one.command:
            raise FormatError(
                _where(realm, name),
                f"no plugin offers the service '{name}', and it has no command",
                nearest(name, offered),
            )
        if name == logs.OWN:
            raise FormatError(_where(realm, name), f"'{name}' is the weaver itself", "give yours another name")
        if name in offered and one.command:
            raise FormatError(_where(realm, name), f"'{name}' is a plugin's service", "give yours another name")
    specs = {name: _offered(realm, manager, name, config.get(name, ServiceConfig())) for name in sorted(offered)}
    specs |= {name: _own(realm, name, one) for name, one in config.items() if one.command}
    return _in_order(realm, specs)


def _where(realm: Realm, name: str, *keys: str) -> str:
    path = services_file(realm)
    node = yamlfile.read(path)[1] if path.is_file() else None
    return f"{path}:{yamlfile.line_of(node, ['services', name, *keys])}"


def _offered(realm: Realm, manager: Manager, name: str, config: ServiceConfig) -> Spec:
    """A plugin's service."""
    service: Service = manager.load_part("realm_services", name, "service")
    port = [] if config.port is None else ["--port", str(config.port)]
    line = [sys.executable, "-m", "realm_cli", "--realm", str(realm.root), *service.command, "-q", *port]
    heartbeat = realm.root / service.heartbeat if service.heartbeat else services.beat_path(realm, name)
    return _spec(
        name, config, title=service.title, line=line, needs=service.needs, enabled=service.enabled,
        in_play=service.in_play, heartbeat=None if service.speaks_http else heartbeat,
        probe="http" if service.speaks_http else "heartbeat", live=service.liveness_seconds, stop=service.stop_seconds,
    )  # fmt: skip


def _own(realm: Realm, name: str, config: ServiceConfig) -> Spec:
    """A program that the user wrote into the file."""
    heartbeat = realm.path(config.heartbeat) if config.heartbeat else None
    return _spec(
        name, config, title=config.title, line=config.command, needs=(), enabled=True, in_play=False,
        heartbeat=heartbeat, probe="http" if config.url else "heartbeat" if heartbeat else "process",
        live=Service.liveness_seconds, stop=Service.stop_seconds,
    )  # fmt: skip


def forgotten(realm: Realm, name: str) -> Spec:
    """A service that no plugin offers and no file names any more: what runs of it can only be stopped."""
    return _own(realm, name, ServiceConfig())


def _spec(
    name: str, config: ServiceConfig, *, title: str, line: Iterable[str], needs: Iterable[str], enabled: bool,
    in_play: bool, heartbeat: Path | None, probe: Literal["http", "heartbeat", "process"], live: float, stop: float,
) -> Spec:  # fmt: skip
    given = config.liveness.period_seconds
    return Spec(
        name=name, title=title or name, line=(*line, *config.arguments),
        needs=tuple(needs if config.needs is None else config.needs),
        enabled=enabled if config.enabled is None else config.enabled, in_play=in_play, probe=probe, url=config.url,
        heartbeat=heartbeat, readiness=config.readiness, liveness=config.liveness,
        live_period=live / config.liveness.failure_threshold if given is None else given, restart=config.restart,
        stop_seconds=stop if config.stop_seconds is None else config.stop_seconds,
        log_bytes=int(config.log_mb * logs.MEGABYTE), log_keep=config.log_keep,
    )  # fmt: skip


def _in_order(realm: Realm, specs: Mapping[str, Spec]) -> Plan:
    """Each service after those that it needs."""
    ordered: dict[str, Spec] = {}

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            circle = " → ".join([*above[above.index(name) :], name])
            raise FormatError(
                _where(realm, name, "needs"),
                f"services need each other in a circle: {circle}",
                "take one of these needs out",
            )
        if name in ordered:
            return
        for need in specs[name].needs:
            if need not in specs:
                raise FormatError(
                    _where(realm, name, "needs"), f"'{name}' needs '{need}', which is no service", nearest(need, specs)
                )
            visit(need, (*above, name))
        ordered[name] = specs[name]

    for name in specs:
        visit(name, ())
    return ordered


def chosen(plan: Plan, names: Iterable[str]) -> list[str]:
    """The named services, or all enabled ones, with all that they need, in the plan's order. Raises `NotFoundError`."""
    named = list(names)
    for name in named:
        if name not in plan:
            raise NotFoundError(f"there is no service '{name[:100]}'", nearest(name, plan))
    wanted = set(named or (name for name, spec in plan.items() if spec.enabled))
    if not wanted:
        raise UsageError("no service is enabled", "name one, or enable it in configs/services.yaml")
    return with_needs(plan, wanted)


def with_needs(plan: Plan, names: Iterable[str]) -> list[str]:
    """The services and all that they need, in the plan's order."""
    wanted = set(names)
    for name in reversed(list(plan)):  # those that need others stand behind them
        if name in wanted:
            wanted |= set(plan[name].needs)
    return [name for name in plan if name in wanted]


def needing(plan: Plan, names: Iterable[str]) -> list[str]:
    """The services and all that cannot run without them, in the plan's order."""
    found = set(names)
    for name, spec in plan.items():
        if found & set(spec.needs):
            found.add(name)
    return [name for name in plan if name in found]
