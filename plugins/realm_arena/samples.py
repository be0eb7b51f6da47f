"""From a quest file to samples: rows read in chunks, encoded, fitted to max_length and counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from msgspec import UNSET

from realm_arena import dressing, rows
from realm_arena.encoding import Encoded, Flags, HeroTokenizer, Ids
from realm_arena.records import LineCount, TokenStatistics
from realm_arena.rows import Row
from realm_arena.templates import ConversationError
from realm_cli import datafiles
from realm_cli.errors import FormatError
from realm_cli.inspection import KEPT_PER_CHECK
from realm_cli.profiles import Profile

CHUNK_ROWS = 1000
CHUNK_BYTES = 512 << 10
"""A chunk ends here as well, so that long rows do not fill the memory."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What is trained as one sequence."""

    line: int
    ids: Ids
    trained: Flags


@dataclass
class Tally:
    """Counts of one pass over a file, and the first lines of each trouble."""

    rows: int = 0
    samples: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    chat_rows: int = 0
    chat_tokens: int = 0
    chat_trained_tokens: int = 0
    longest: int = 0
    too_long: int = 0
    first_too_long: list[LineCount] = field(default_factory=list)
    untrained: int = 0
    first_untrained: list[LineCount] = field(default_factory=list)
    problems: int = 0
    """Rows that could not be encoded; with one of them no cache is kept."""
    first_problems: list[tuple[int, str]] = field(default_factory=list)

    def problem(self, line: int, message: str) -> None:
        """Note a row that could not be encoded."""
        self.problems += 1
        if len(self.first_problems) < KEPT_PER_CHECK:
            self.first_problems.append((line, message))

    def statistics(self) -> TokenStatistics:
        """The counts as they are kept in a cache."""
        return TokenStatistics(**{name: getattr(self, name) for name in TokenStatistics.__struct_fields__})


def read_samples(
    path: Path, tokenizer: HeroTokenizer, max_length: int, tally: Tally, profile: Profile
) -> Iterator[list[Sample]]:
    """The samples of a quest file under a data profile, chunk by chunk, while `tally` counts. Memory stays flat.

    A row that cannot be encoded is noted in the tally. Damaged compression and a missing template raise.
    """
    for chunk in _chunks(path, tally, profile):
        found: list[Sample] = []
        for line, row, encoded in _encoded(chunk, tokenizer, tally, profile.own_thoughts):
            found += _fitted(line, row, encoded, max_length, tally)
        yield found


def _chunks(path: Path, tally: Tally, profile: Profile) -> Iterator[list[tuple[int, Row]]]:
    chunk: list[tuple[int, Row]] = []
    size = 0
    for number, line in datafiles.read_rows(path):
        if not line.strip():
            continue
        tally.rows += 1
        try:
            chunk.append((number, dressing.row(rows.decode(line), profile, tally.rows - 1)))
        except rows.RowError:
            tally.problem(number, rows.explain(line))
        except FormatError as error:
            tally.problem(number, error.message)
        size += len(line)
        if len(chunk) >= CHUNK_ROWS or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    yield chunk


def _encoded(
    chunk: list[tuple[int, Row]], tokenizer: HeroTokenizer, tally: Tally, own_thoughts: bool
) -> Iterator[tuple[int, Row, Encoded]]:
    """All rows at once; one by one where the template refuses one, to know which."""
    try:
        encoded = tokenizer.encode([row for _, row in chunk], own_thoughts=own_thoughts)
    except ConversationError:
        for line, row in chunk:
            try:
                yield line, row, tokenizer.encode([row], own_thoughts=own_thoughts)[0]
            except ConversationError as error:
                tally.problem(line, error.message)
        return
    for (line, row), one in zip(chunk, encoded, strict=True):
        yield line, row, one


def _fitted(line: int, row: Row, encoded: Encoded, max_length: int, tally: Tally) -> list[Sample]:
    """The samples of one row: itself, the pieces of a long text, or nothing. A chat is never cut."""
    length = len(encoded.ids)
    tally.longest = max(tally.longest, length)
    if length > max_length and row.text is UNSET:
        tally.too_long += 1
        if len(tally.first_too_long) < KEPT_PER_CHECK:
            tally.first_too_long.append(LineCount(line, length))
        return []
    trained = int(encoded.trained.sum())
    if row.messages is not UNSET:
        tally.chat_rows += 1
        tally.chat_tokens += length
        tally.chat_trained_tokens += trained
    if not trained:
        tally.untrained += 1
        if len(tally.first_untrained) < KEPT_PER_CHECK:
            tally.first_untrained.append(LineCount(line, length))
        return []
    samples = []
    for start, end in cuts(length, max_length):
        flags = encoded.trained[start:end]
        flags[0] = False
        if flags.any():
            samples.append(Sample(line, encoded.ids[start:end], flags))
            tally.tokens += end - start
            tally.trained_tokens += int(flags.sum())
    tally.samples += len(samples)
    return samples


def cuts(length: int, max_length: int) -> list[tuple[int, int]]:
    """Where a long text is cut: pieces of `max_length`, and a last one of two tokens at least (one predicts nothing)."""
    bounds = [*range(0, length, max_length), length]
    if len(bounds) > 2 and length - bounds[-2] == 1 and max_length > 2:
        bounds[-2] -= 1
    return list(pairwise(bounds))
