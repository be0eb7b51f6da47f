"""`configs/tasks.yaml`: when background tasks run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from realm_cli import yamlfile
from realm_cli.errors import FormatError
from realm_cli.realm import Realm

Percent = Annotated[float, Meta(ge=0, le=100)]
Seconds = Annotated[float, Meta(ge=0, le=10 * 365 * 86_400)]
Megabytes = Annotated[int, Meta(ge=0, le=10**9)]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what people write."""


class TaskConfig(_Strict, frozen=True, kw_only=True):
    """One task. What is not given is as its plugin says."""

    enabled: bool | None = None
    priority: Annotated[int, Meta(ge=-1000, le=1000)] | None = None
    cooldown_s: Seconds | None = None
    free_mb: Megabytes | None = None
    """GPU memory that has to be free."""


class TasksConfig(_Strict, frozen=True, kw_only=True):
    """The whole file."""

    window_s: Annotated[float, Meta(gt=0, le=86_400)] = 30.0
    idle_percent: Percent = 40.0
    busy_percent: Percent = 80.0
    free_mb: Megabytes = 4000
    cpu_inference: bool = False
    tasks: dict[str, TaskConfig] = {}

    def of(self, task: str) -> TaskConfig:
        """What is set for one task."""
        return self.tasks.get(task, TaskConfig())


def tasks_file(realm: Realm) -> Path:
    """Where people say when tasks run."""
    return realm.configs / "tasks.yaml"


def configured(realm: Realm) -> TasksConfig:
    """The file, checked; defaults without one. Raises `FormatError` with file and line."""
    path = tasks_file(realm)
    if not path.exists():
        return TasksConfig()
    data, node = yamlfile.read(path)
    data = data if data is not None else {}
    if isinstance(data, dict):
        yamlfile.check_each(data, "tasks", TaskConfig, path, node)
    config = yamlfile.check(data, TasksConfig, path, node)
    if config.busy_percent < config.idle_percent:
        where = f"{path}:{yamlfile.line_of(node, ['busy_percent'])}"
        raise FormatError(where, "busy_percent is below idle_percent", "what is busy cannot be idle")
    return config
