"""The documents as data: fenced blocks, inline code, tables, shapes of JSON; and how their commands are run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import PATIENCE, environment

ROOT = Path(__file__).parents[1]
NAMES = (
    "ARCHITECTURE.md", "CHANGELOG.md", "DEVELOPMENT.md", "QUICKSTART.md", "README.md", "REMOTE_INFERENCE.md",
    "TROUBLESHOOTING.md",
)  # fmt: skip
_FENCE = re.compile(r"^ *```(.*)\n((?:.*\n)*?) *```$", re.MULTILINE)
_SIMPLE_COMMAND = re.compile(r"(?:^|[|;&(]\s*)realm\b")


@dataclass(frozen=True)
class Block:
    """One fenced block: `sh` is run by a test, `console` and `text` are not."""

    language: str
    text: str
    exit_code: int
    """What the block ends with: `exit=3` behind the language."""


def text(name: str) -> str:
    """A document."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str) -> list[Block]:
    """The fenced blocks of a document, in order."""
    found = []
    for info, content in _FENCE.findall(text(name)):
        language, _, rest = info.partition(" ")
        found.append(Block(language, content, int(rest.removeprefix("exit=") or 0)))
    return found


def inline_code(name: str) -> list[str]:
    """What stands in backticks outside fenced blocks."""
    return re.findall(r"`([^`\n]+)`", _FENCE.sub("", text(name)))


def table(name: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = text(name).partition(f"\n{heading}\n")[2]
    assert section, f"{name} has no heading {heading!r}"
    lines = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert lines, f"{name} has no table below {heading!r}"
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[0].splitlines()]
    return rows[2:]


def code(cell: str) -> list[str]:
    """The code spans of a table's cell."""
    return re.findall(r"`([^`]+)`", cell)


def realm_lines(name: str) -> Iterator[list[str]]:
    """The words of every `realm` command line that a document shows, without `realm` itself."""
    shown = [line for block in blocks(name) if block.language == "sh" for line in block.text.splitlines()]
    for block in blocks(name):
        if block.language == "console":
            shown += [line.removeprefix("$ ") for line in block.text.splitlines() if line.startswith("$ ")]
    shown += [span for span in inline_code(name) if span == "realm" or span.startswith("realm ")]
    for line in shown:
        if _SIMPLE_COMMAND.search(line):
            yield from _commands(line)


def _commands(line: str) -> Iterator[list[str]]:
    """The simple commands of a shell line that call `realm`."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&()<>")
    lexer.whitespace_split = True
    command: list[str] = []
    for word in [*lexer, ";"]:
        if not set(word) <= set("|;&()<>"):
            command.append(word)
            continue
        if command[:1] == ["realm"]:
            yield command[1:]
        command = []


class Shell:
    """Runs blocks one after the other, as a person would type them; the folder stays from block to block."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "checkout"
        self.folder.mkdir(parents=True)

    def run(self, script: str, *, input: str = "") -> tuple[int, str]:  # noqa: A002
        """(exit code, stdout and stderr together)."""
        place = self.home / ".folder"
        env = {
            **environment(), "HOME": str(self.home), "LOGNAME": "you", "CUDA_VISIBLE_DEVICES": "",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip
        lines = f"set -e\ntrap 'pwd >{shlex.quote(str(place))}' EXIT\n{script}"
        with _one_processor():
            done = subprocess.run(
                ["bash", "-c", lines], input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                cwd=self.folder, env=env, timeout=PATIENCE, check=False,
            )  # fmt: skip
        self.folder = Path(place.read_text().strip())
        return done.returncode, done.stdout.replace(str(self.home), "/home/you")


@contextmanager
def _one_processor() -> Iterator[None]:
    """Processes that are started inside use one processor: two threads that others disturb wait for each other."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


_MASKS = (
    (re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{12}(?:-\d+)?)\b"), "#"),
    (re.compile(r"\b[\d.]+ (?:B|kB|MB|GB|TB)\b"), "# bytes"),
    (re.compile(r"\b\d+[smhd](?: \d+[smhd])?\b"), "# time"),
    (re.compile(r"\d[\d,.]*(?:e[+-]?\d+)?"), "0"),
    (re.compile(r"-{2,}|─{2,}|[━╸╺ ]*[━╸╺]+"), "--"),
    (re.compile(r"[ \t]+"), " "),
)


def _masked(line: str) -> str:
    """A line without what differs from run to run: ids, sizes, times, numbers, widths of columns."""
    for pattern, mask in _MASKS:
        line = pattern.sub(mask, line)
    return line.strip()


def same_shape(shown: str, real: str) -> bool:
    """Whether a real output has the shape that a document shows; a line `…` stands for any lines."""
    lines = [_masked(line) for line in shown.splitlines()]
    pattern = "".join(r"(?:.*\n)*?" if line == "…" else f"{re.escape(line)}\n" for line in lines)
    return re.fullmatch(pattern, "".join(f"{_masked(line)}\n" for line in real.splitlines())) is not None


def parse_shape(shape: str) -> Any:
    """`[{id, hero{name}}]` as `[{"id": None, "hero": {"name": None}}]`; a key `<id>` stands for any."""
    tokens = re.findall(r"[\[\]{},]|[^\[\]{},\s]+", shape)

    def value() -> Any:
        opening = tokens.pop(0)
        if opening == "[":
            inner = [value()]
            tokens.pop(0)
            return inner
        found = {}
        while tokens[0] != "}":
            key = tokens.pop(0)
            found[key] = value() if tokens[0] in "[{" else None
            if tokens[0] == ",":
                tokens.pop(0)
        tokens.pop(0)
        return found

    return value()


def missing_keys(shape: Any, data: Any, path: str = "") -> list[str]:
    """Where `data` lacks what `shape` names."""
    if shape is None:
        return []
    if isinstance(shape, list):
        if not isinstance(data, list) or not data:
            return [f"{path}[] is {data!r}"]
        return [gap for item in data for gap in missing_keys(shape[0], item, f"{path}[]")]
    gaps = []
    for key, inner in shape.items():
        present = data if key.startswith("<") else [key] if key in data else []
        gaps += [f"{path}.{key}"] if not present else []
        gaps += [gap for name in present for gap in missing_keys(inner, data[name], f"{path}.{name}")]
    return gaps
