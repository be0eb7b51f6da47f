"""Other tools' data files as quests: the face of importers (hook `realm_importers`), and the conversion of a file."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from realm_cli import __version__, datafiles, inbox, intake, store
from realm_cli.errors import FormatError, NotFoundError, UsageError, nearest
from realm_cli.manager import Manager
from realm_cli.realm import Realm

SUFFIXES = (".json", *datafiles.SUFFIXES)
LEFT_OUT_NAMED = 50
"""Most names of what is left out; so many are the keys of a format, more are data."""
_MORE = "something follows the document"
_WHITE = re.compile(r"[ \t\n\r]*")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_decoder = json.JSONDecoder()


class ConversionError(ValueError):
    """Why a row cannot be converted, in words; who calls `convert` knows its line."""


class Importer(Protocol):
    """A format of rows. What a part of `realm_importers` is, or a class of one; the part's name is what users type."""

    def recognises(self, row: dict[str, Any]) -> bool:
        """Whether the row has this format's shape, by its keys."""
        ...

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row as a quest has it: `messages`, and what else is to be kept. Raises `ConversionError`."""
        ...

    # An importer may also have `left_out(row)`: the names of what the quest's row does not have, to be told to people.


class Found(NamedTuple):
    """A row of a file."""

    line: int
    row: dict[str, Any]


@dataclass(frozen=True)
class Converted:
    """What came of a file."""

    path: Path
    format: str
    rows: int
    repeats: int
    """Rows that ask what an earlier one asked already."""
    left_out: tuple[str, ...] = ()
    """What rows tell and the quest does not, by its keys: `rubric`, `metadata.difficulty`, `messages.name`."""


def queue(
    realm: Realm, manager: Manager, path: Path, *, wanted: str = "", priority: str = "normal", dry_run: bool = False
) -> tuple[Converted, intake.Outcome | None]:
    """Convert a file and put it on the board; with `dry_run` only convert it. Raises `FormatError` with file and line."""
    with inbox.draft(realm, f"{path.name.partition('.json')[0]}.jsonl") as target:
        done = convert(manager, path, target, wanted)
        if dry_run:
            return done, None
        source = f"import {done.format} {datafiles.printable(path.absolute())}"
        provenance = {
            "generator": "realm quest import", "version": __version__, "parameters": {"format": done.format},
            "counts": {"rows": done.rows, "repeated_prompts": done.repeats}, "left_out": list(done.left_out),
        }  # fmt: skip
        (outcome,) = intake.add(realm, manager, [target], priority=priority, source=source, provenance=provenance)
        return done, outcome


def convert(manager: Manager, path: Path, target: Path, wanted: str = "") -> Converted:
    """Write the rows of `path` to `target` as a quest has them, by the importer `wanted` or the one that knows them."""
    importers = _importers(manager, wanted)
    name, rows, prompts, left_out = wanted, 0, set[int](), set[str]()
    with open(target, "wb") as file:
        for line, row in read(path):
            where = f"{path}:{line}"
            name = name or _recognised(importers, row, where)
            if not importers[name].recognises(row):
                raise FormatError(where, f"not a row of the format {name} ({_keys(row)})", "one file has one format")
            try:
                made = importers[name].convert(row)
            except ConversionError as error:
                raise FormatError(where, str(error)) from None
            file.write(_written(made, where) + b"\n")
            if len(left_out) < LEFT_OUT_NAMED:
                left_out |= _left_out(importers[name], row)
            rows += 1
            # The hash, as the texts of a million rows would fill the memory.
            prompts.add(hash(next((one["content"] for one in made["messages"] if one["role"] == "user"), "")))
    if not rows:
        raise FormatError(str(path), "it holds no row")
    return Converted(path, name, rows, rows - len(prompts), tuple(sorted(left_out))[:LEFT_OUT_NAMED])


def _left_out(importer: Importer, row: dict[str, Any]) -> set[str]:
    """What of a row does not come into the quest, as far as the importer tells; names that can be stored and shown."""
    names: Iterable[str] = getattr(importer, "left_out", lambda _: ())(row)
    return {"".join(char if char.isprintable() else "?" for char in name[:80]) for name in names}


def _written(row: dict[str, Any], where: str) -> bytes:
    try:
        text = msgspec.json.encode(row)
    except UnicodeEncodeError as error:
        raise FormatError(where, f"a text has half a character in it ({error.object[error.start]!a})") from None
    if len(text) >= datafiles.LINE_LIMIT:
        raise FormatError(
            where, f"the row has more than {datafiles.LINE_LIMIT // 2**20} MiB", "shorten it, or take it out"
        )
    return text


def _importers(manager: Manager, wanted: str) -> dict[str, Importer]:
    parts = manager.parts("realm_importers")
    if wanted and wanted not in parts:
        raise NotFoundError(f"there is no importer '{wanted}'", nearest(wanted, parts))
    made = {name: manager.load_part("realm_importers", name, "importer") for name in ([wanted] if wanted else parts)}
    return {name: one() if isinstance(one, type) else one for name, one in made.items()}


def _recognised(importers: dict[str, Importer], row: dict[str, Any], where: str) -> str:
    """The one format that the row has."""
    names = [name for name, importer in importers.items() if importer.recognises(row)]
    if not names:
        known = ", ".join(importers) or "none"
        raise FormatError(where, f"no importer knows such a row ({_keys(row)})", f"known formats: {known}")
    if len(names) > 1:
        raise UsageError(f"{where}: the row could be of {' and '.join(names)}", f"choose: --format {names[0]}")
    return names[0]


def _keys(row: dict[str, Any]) -> str:
    return f"keys: {', '.join(list(row)[:8]) or 'none'}"


# -- reading -------------------------------------------------------------------------------------------------------


def read(path: Path) -> Iterator[Found]:
    """Every row with its line: of JSON lines, of a JSON list, of the lists in a JSON object.

    What else stands in such an object (`level` beside `problems`) holds for each of its rows.
    """
    if not path.name.lower().endswith(SUFFIXES):
        raise UsageError(f"{path} is no file that can be imported", f"it has to end with {', '.join(SUFFIXES)}")
    found = _of_lines(path) if path.name.lower().endswith(datafiles.SUFFIXES) else _of_document(path)
    for line, row in found:
        if not isinstance(row, dict):
            raise FormatError(f"{path}:{line}", f"the row is {type(row).__name__}, expected an object")
        yield Found(line, row)


def _of_lines(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        for line, text in datafiles.read_rows(path):
            text = text.removeprefix(codecs.BOM_UTF8) if line == 1 else text
            _check_encoding(path, text, line)
            if text.strip():
                yield line, store.parse_json(text, f"{path}:{line}")
    except datafiles.LongLineError as error:
        raise FormatError(f"{path}:{error.line}", error.problem, error.hint) from None


def _check_encoding(path: Path, data: bytes, first_line: int) -> None:
    """Raise `FormatError` with the line where something is no UTF-8."""
    if first_line == 1 and data.startswith(_UTF16):
        raise FormatError(f"{path}:1", "it is UTF-16", "save it as UTF-8")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        raise FormatError(f"{path}:{line}", f"not UTF-8: byte {error.start + 1} is wrong", "save it as UTF-8") from None


def _of_document(path: Path) -> Iterator[tuple[int, Any]]:
    text, line, before = _text(path), 1, 0
    try:
        for start, row in _rows(text):
            line += text.count("\n", before, start)
            before = start
            yield line, row
    except json.JSONDecodeError as error:
        hint = "a file with a row a line is named .jsonl" if error.msg == _MORE else ""
        raise FormatError(f"{path}:{error.lineno}", f"not valid JSON ({error.msg})", hint) from None
    except RecursionError:
        raise FormatError(str(path), "nested too deeply") from None


def _text(path: Path) -> str:
    """A whole document, without the mark that Windows writes at its beginning."""
    data = store.read_bytes(path)
    _check_encoding(path, data, 1)
    return data.decode("utf-8-sig")


def _rows(text: str) -> Iterator[tuple[int, Any]]:
    """Every row with the place where it begins; those of a list one by one, so that they need not all be in memory."""
    at = _skip(text, 0)
    if text[at : at + 1] == "[":
        end = yield from _values(text, at)
    else:
        lists, facts, end = _object(text, at)
        for start, row in (one for rows in lists for one in rows):
            yield start, {**facts, **row} if isinstance(row, dict) else row
    end = _skip(text, end)
    if end < len(text):
        raise json.JSONDecodeError(_MORE, text, end)


def _skip(text: str, at: int) -> int:
    """The next place that is not white."""
    match = _WHITE.match(text, at)
    return match.end() if match else at


def _expect(text: str, at: int, wanted: str) -> str:
    if text[at : at + 1] not in tuple(wanted):
        raise json.JSONDecodeError(f"expected {' or '.join(wanted)}", text, at)
    return text[at]


Placed = list[tuple[int, Any]]
"""Values with the place where each begins."""


def _values(text: str, at: int) -> Generator[tuple[int, Any], None, int]:
    """The values of the list that begins at `at`; gives back the place after it."""
    _expect(text, at, "[")
    at = _skip(text, at + 1)
    while text[at : at + 1] != "]":
        value, end = _decoder.raw_decode(text, at)
        yield at, value
        at = _skip(text, end)
        if _expect(text, at, ",]") == ",":
            at = _skip(text, at + 1)
    return at + 1


def _list(text: str, at: int) -> tuple[Placed, int]:
    """(the values of the list that begins at `at`, the place after it)."""
    found: Placed = []
    values = _values(text, at)
    while True:
        try:
            found.append(next(values))
        except StopIteration as stop:
            return found, stop.value


def _object(text: str, at: int) -> tuple[list[Placed], dict[str, Any], int]:
    """(the lists of objects in an object, what else stands in it, the place after it)."""
    lists: list[Placed] = []
    facts: dict[str, Any] = {}
    _expect(text, at, "{")
    at = _skip(text, at + 1)
    while text[at : at + 1] != "}":
        _expect(text, at, '"')
        key, end = _decoder.raw_decode(text, at)
        at = _skip(text, end)
        _expect(text, at, ":")
        at = _skip(text, at + 1)
        if text[at : at + 1] == "[":
            values, end = _list(text, at)
            lists.append(values)
        else:
            facts[key], end = _decoder.raw_decode(text, at)
        at = _skip(text, end)
        if _expect(text, at, ",}") == ",":
            at = _skip(text, at + 1)
    return lists, facts, at + 1
