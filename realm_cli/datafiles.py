"""Quest files as bytes: names, compression, line by line in bounded memory, content hash."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from realm_cli.errors import FormatError

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
PARTIAL_SUFFIXES = (".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".download", ".swp")
LINE_LIMIT = 16 * 1024 * 1024
"""Bytes that one row may have; a longer line is a file without line ends, not a sample."""
CHUNK = 1 << 20


def is_partial(name: str) -> bool:
    """Whether a name says that a copy is still under way."""
    return name.startswith(".") or name.endswith("~") or name.lower().endswith(PARTIAL_SUFFIXES)


def is_quest_name(name: str) -> bool:
    """Whether a name is that of a quest file."""
    return name.lower().endswith(SUFFIXES) and not is_partial(name)


def suffix_of(name: str) -> str:
    """`.jsonl`, `.jsonl.gz` or `.jsonl.zst`."""
    return next((suffix for suffix in reversed(SUFFIXES) if name.lower().endswith(suffix)), ".jsonl")


def safe_name(name: str) -> str:
    """A file's name reduced to what is harmless in every shell and file system; its suffix stays."""
    suffix = suffix_of(name)
    stem = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    stem = re.sub(r"[^\w.+-]+", "_", stem).strip("._") or "quest"
    while len(stem.encode()) > 120:
        stem = stem[:-1]
    return stem + suffix


@contextmanager
def open_content(path: Path) -> Iterator[BinaryIO]:
    """The decompressed bytes of a quest file. Damaged compression raises `FormatError` while reading."""
    with open(path, "rb") as raw:
        suffix = suffix_of(path.name)
        try:
            if suffix == ".jsonl.gz":
                with gzip.GzipFile(fileobj=raw) as file:
                    yield io.BufferedReader(file, CHUNK)
            elif suffix == ".jsonl.zst":
                import zstandard

                try:
                    with zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as reader:
                        yield io.BufferedReader(reader, CHUNK)
                except zstandard.ZstdError as error:
                    raise FormatError(path.name, f"damaged zst compression ({error})", "compress it again") from None
            else:
                yield raw
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FormatError(path.name, f"damaged gz compression ({error})", "compress it again") from None


def read_rows(path: Path) -> Iterator[tuple[int, bytes]]:
    """(line number, line without its end) for every line; memory stays flat.

    Raises `FormatError` for a line beyond LINE_LIMIT and for damaged compression.
    """
    with open_content(path) as file:
        number = 0
        while line := file.readline(LINE_LIMIT + 1):
            number += 1
            if len(line) > LINE_LIMIT:
                raise FormatError(
                    f"line {number}", f"longer than {LINE_LIMIT // 2**20} MiB", "a quest has one JSON row a line"
                )
            yield number, line.rstrip(b"\r\n")


def content_hash(path: Path) -> str:
    """SHA-256 of the decompressed content, so that the same rows are the same quest however they are packed."""
    digest = hashlib.sha256()
    with open_content(path) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
