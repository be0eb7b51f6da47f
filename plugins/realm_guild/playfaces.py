"""The two faces of `realm play`: a picture on a terminal, plain lines everywhere else."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

import click

from realm_cli.records import EventRecord
from realm_cli.terminal import note
from realm_guild import playlines
from realm_guild.playscene import Scene

PROGRESS_SECONDS = 30.0
AWAY_SECONDS = 12.0


class PlainFace:
    """A line for every event that is worth one, and now and then how it goes; no colours, no control characters."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._told_at = time.monotonic()
        self._warned: set[str] = set()
        self._leaving = False

    def __enter__(self) -> PlainFace:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        pass

    def show(self, new: list[EventRecord]) -> None:
        """Say what is new."""
        training = self._scene.training
        for event in new:
            line = playlines.event_line(event, training)
            if line is not None:
                click.echo(line)
        if training is not None and time.monotonic() - self._told_at >= PROGRESS_SECONDS:
            self._told_at = time.monotonic()
            click.echo(playlines.progress_line(training))
        if self._scene.leaving and not self._scene.watching and not self._leaving:
            self._leaving = True
            click.echo("saving and stopping; a moment")

    def warn(self, message: str) -> None:
        """Say a warning once."""
        if message not in self._warned:
            self._warned.add(message)
            note(f"warning: {message}")


class LiveFace:
    """A picture that renews itself."""

    def __init__(self, scene: Scene) -> None:
        from rich.console import Console
        from rich.live import Live

        self._scene = scene
        self._console = Console()
        self._live = Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._since = time.monotonic()
        self._warned: list[str] = []

    def __enter__(self) -> LiveFace:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException, trace: TracebackType | None) -> None:
        self._live.__exit__(kind, error, trace)
        for message in self._warned:
            note(f"warning: {message}")

    def show(self, new: list[EventRecord]) -> None:
        """Draw the scene."""
        from realm_guild.playview import picture

        if self._scene.away and time.monotonic() - self._since > AWAY_SECONDS:
            self._scene.away = []
        size = self._console.size
        self._live.update(picture(self._scene, size.width, size.height), refresh=True)

    def warn(self, message: str) -> None:
        """Show a warning; it is said again when the picture is gone."""
        self._scene.warning = message
        if message not in self._warned:
            self._warned.append(message)


Face = PlainFace | LiveFace


class _Warnings(logging.Handler):
    """Gives warnings of the realm's modules to the face, so that they do not tear the picture."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._warn = warn

    def emit(self, record: logging.LogRecord) -> None:
        self._warn(record.getMessage())


@contextmanager
def warnings_shown(face: Face) -> Iterator[None]:
    """Warnings go to the face as long as it shows."""
    logger = logging.getLogger("realm")
    before, logger.handlers = logger.handlers, [_Warnings(face.warn)]
    try:
        yield
    finally:
        logger.handlers = before
