"""What commands share: the context, the `--json` and `-q` options, tables, messages. Results go to stdout, talk to stderr."""

from __future__ import annotations

import functools
import logging
import math
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from textwrap import TextWrapper
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from realm_cli.realm import Realm

if TYPE_CHECKING:
    from realm_cli.manager import Manager

F = TypeVar("F", bound=Callable[..., Any])

WIDTH = 80
"""Columns of the terminal that is written for."""
NARROWEST = 8
"""What is left of a text at least where a table has to be made narrower."""


class Context:
    """What a command may need, made when it asks for it."""

    def __init__(self, explicit: str | None = None) -> None:
        self.explicit = explicit

    @cached_property
    def realm(self) -> Realm:
        """The realm of this command; `NotFoundError` when there is none."""
        return Realm.find(self.explicit)

    @cached_property
    def manager(self) -> Manager:
        """The plugins, with those left out that the realm disables."""
        from realm_cli.manager import Manager

        return Manager.of(self.realm)


def pass_context_realm(function: F) -> F:
    """Give the command its `Context` as first argument."""

    @click.pass_context
    @functools.wraps(function)
    def wrapper(context: click.Context, *args: Any, **kwargs: Any) -> Any:
        return function(context.find_object(Context) or Context(), *args, **kwargs)

    return wrapper  # type: ignore[return-value]


def json_option(function: F) -> F:
    """Add `--json`, given to the command as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")(function)


def quiet_option(function: F) -> F:
    """Add `-q`, given to the command as `quiet`."""
    return click.option("-q", "--quiet", is_flag=True, help="Print only what a script needs.")(function)


def to_json_text(data: Any) -> str:
    """Indented JSON in one piece."""
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()


def emit(data: Any, as_json: bool, render: Callable[[], None]) -> None:
    """Print `data` as one JSON document, or let `render` print it for people."""
    if as_json:
        click.echo(to_json_text(data))
    else:
        render()


class FiniteRange(click.FloatRange):
    """A number within limits: click itself lets `nan`, which is below and above none, and `inf` pass."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click does, without the two."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number


def table(rows: Sequence[dict[str, Any]], columns: Sequence[str], fit: Sequence[str] = ()) -> str:
    """A plain table; None shows as a dash. Numbers are aligned by their own format, never reinterpreted.

    One that is wider than the terminal has the texts of the columns `fit` cut, in this order, until it is not.
    """
    shown = _tabulated(rows, columns)
    for column in fit:
        excess = max(map(len, shown.splitlines()), default=0) - WIDTH
        if excess > 0:
            widest = max(len(str(row.get(column) or "")) for row in rows)
            rows = [{**row, column: cut(str(row.get(column) or ""), max(NARROWEST, widest - excess))} for row in rows]
            shown = _tabulated(rows, columns)
    return shown


def cut(text: str, width: int) -> str:
    """The text, or so much of it that it has `width` characters with a mark of the cut."""
    return text if len(text) <= width else text[: width - 1] + "…"


def fold(text: str, indent: int = 2) -> str:
    """A line in as many as the terminal needs for it, the further ones indented."""
    return "\n".join(
        TextWrapper(WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False).wrap(text)
    )


def _tabulated(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    from tabulate import tabulate

    body = [["-" if row.get(column) is None else str(row[column]) for column in columns] for row in rows]
    numeric = [
        "right" if all(isinstance(row.get(c), (int, float, type(None))) for row in rows) else "left" for c in columns
    ]
    return tabulate(
        body, headers=list(columns), tablefmt="simple", disable_numparse=True, colalign=numeric if rows else None
    )


def facts(pairs: Sequence[tuple[str, Any]], columns: int = 0) -> str:
    """Lines of `name  value`, aligned; pairs whose value is None or empty are left out. Long values are folded at `columns`."""
    shown = [(name, str(value)) for name, value in pairs if value not in (None, "", [])]
    width = max((len(name) for name, _ in shown), default=0)
    if columns:
        indent = "\n" + " " * (width + 2)
        fold = TextWrapper(columns - width - 2, break_long_words=False, break_on_hyphens=False).wrap
        shown = [(name, indent.join(fold(value))) for name, value in shown]
    return "\n".join(f"{name:<{width}}  {value}" for name, value in shown)


def note(text: str) -> None:
    """Say something beside the result."""
    click.echo(text, err=True)


def human_bytes(count: float) -> str:
    """`12.3 MB` (powers of 1000)."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def human_seconds(seconds: float | None) -> str:
    """`45s`, `3m 20s`, `2h 05m`, `3d 04h`; `?` when unknown."""
    if seconds is None:
        return "?"
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02d}h"


class _StderrHandler(logging.StreamHandler[Any]):
    """Writes to whatever sys.stderr is at the time, one plain line a record."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("WARNING:", "warning:", 1).replace("ERROR:", "error:", 1)


def log_to_stderr() -> None:
    """Show warnings of the realm's own modules on stderr."""
    logger = logging.getLogger("realm")
    if not logger.handlers:
        logger.addHandler(_StderrHandler())
    logger.propagate = False


def is_interactive() -> bool:
    """Whether a person sits at a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def existing_files(paths: Sequence[str]) -> list[Path]:
    """The paths of a command line, `~` expanded; each must be a file."""
    from realm_cli.errors import NotFoundError, UsageError

    found = []
    for text in paths:
        path = Path(text).expanduser()
        if path.is_dir():
            raise UsageError(f"{path} is a folder", f"name its files: {path}/*.jsonl")
        if not path.is_file():
            raise NotFoundError(f"{path} does not exist", "check the path")
        found.append(path)
    return found
