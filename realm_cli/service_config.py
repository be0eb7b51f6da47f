"""`configs/services.yaml`: which services the weaver keeps alive, and how."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from realm_cli import yamlfile
from realm_cli.errors import FormatError
from realm_cli.realm import Realm

SERVICE_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
Seconds = Annotated[float, Meta(ge=0)]
Period = Annotated[float, Meta(ge=0.05)]
Count = Annotated[int, Meta(ge=1)]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what people write."""


class Readiness(_Strict, frozen=True, kw_only=True):
    """When a service that was started counts as ready. What never gets ready is ended and started again."""

    initial_delay_seconds: Seconds = 0.0
    period_seconds: Period = 0.1
    timeout_seconds: Period = 5.0
    failure_threshold: Count = 1200


class Liveness(_Strict, frozen=True, kw_only=True):
    """When a service that was ready counts as hung. It is killed and started again."""

    initial_delay_seconds: Seconds = 0.0
    period_seconds: Period | None = None
    """None: so that the threshold is reached in the time that the service's own plugin gives."""
    timeout_seconds: Period = 5.0
    failure_threshold: Count = 3


class Restart(_Strict, frozen=True, kw_only=True):
    """What follows the end of a service that nobody commanded."""

    policy: Literal["always", "on-failure", "never"] = "always"
    delay_seconds: Seconds = 1.0
    """Before the second start in a row; doubled with each further one. The first one comes at once."""
    max_delay_seconds: Seconds = 300.0
    healthy_seconds: Seconds = 60.0
    """After so long in health the next start comes at once again."""


class ServiceConfig(_Strict, frozen=True, kw_only=True):
    """One service. What is not given is as its plugin says."""

    enabled: bool | None = None
    title: str = ""
    command: list[str] = []
    """A program of your own; no plugin's service may have that name."""
    port: Annotated[int, Meta(ge=0, le=65535)] | None = None
    """`--port` of a plugin's service."""
    arguments: list[str] = []
    """Further arguments."""
    needs: list[str] | None = None
    url: Annotated[str, Meta(pattern=r"^(http://.*)?$")] = ""
    """What a program of your own answers at with 200 to 399 while it lives."""
    heartbeat: str = ""
    """A file that a program of your own changes again and again while it lives."""
    readiness: Readiness = Readiness()
    liveness: Liveness = Liveness()
    restart: Restart = Restart()
    stop_seconds: Seconds | None = None
    """How long it may take to end when it is asked to; then it is killed."""
    log_mb: Annotated[float, Meta(ge=0.01)] = 5.0
    """Its log is set aside at this size."""
    log_keep: Annotated[int, Meta(ge=0)] = 2
    """So many earlier logs stay."""


class ServicesConfig(_Strict, frozen=True, kw_only=True):
    """The whole file."""

    services: dict[str, ServiceConfig] = {}


def services_file(realm: Realm) -> Path:
    """Where people say which services run."""
    return realm.configs / "services.yaml"


def configured(realm: Realm) -> ServicesConfig:
    """The file, checked; empty without one. Raises `FormatError` with file and line."""
    path = services_file(realm)
    if not path.is_file():
        return ServicesConfig()
    data, node = yamlfile.read(path)
    data = data if data is not None else {}
    if isinstance(data, dict):
        for name, config in yamlfile.check_each(data, "services", ServiceConfig, path, node).items():
            where = f"{path}:{yamlfile.line_of(node, ['services', str(name)])}"
            if not isinstance(name, str) or not SERVICE_ID.fullmatch(name):
                raise FormatError(
                    where, f"'{name}' cannot be a service's name", "use lower-case letters, digits, - and _"
                )
            if config.url and config.heartbeat:
                raise FormatError(where, f"'{name}' has both url and heartbeat", "give one of them")
            if (config.url or config.heartbeat or config.title) and not config.command:
                raise FormatError(
                    where, f"'{name}' has url, heartbeat or title, but no command", "those are for programs of your own"
                )
            if config.port is not None and config.command:
                raise FormatError(where, f"'{name}' has a command and a port", "put the port into the command")
    return yamlfile.check(data, ServicesConfig, path, node)
