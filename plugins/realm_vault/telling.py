"""`--events`: what happens as JSON lines, one each, for programs that watch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import click
import msgspec

EVERY = 0.5
"""Seconds between two reports of one asset's progress."""
events_option = click.option("--events", is_flag=True, help="Tell what happens as JSON lines instead of the table.")
_telling = threading.Lock()


def say_line(event: str, **facts: Any) -> None:
    """One line; several threads may tell at once."""
    line = msgspec.json.encode({"event": event, **facts}).decode()
    with _telling:
        click.echo(line)


def progress_of(asset: str) -> Callable[[int], None]:
    """Tells the bytes of an asset that are there, now and then."""
    told_at = 0.0

    def told(count: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= EVERY:
            told_at = time.monotonic()
            say_line("progress", asset=asset, bytes=count)

    return told
