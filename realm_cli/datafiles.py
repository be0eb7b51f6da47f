"""Quest files as bytes: names, compression, line by line in bounded memory, content hash."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from realm_cli.errors import FormatError

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
PARTIAL_SUFFIXES = (".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".download", ".swp")
LINE_LIMIT = 4 * 1024 * 1024
"""Bytes that one row may have; a longer line is a file without line ends, not a sample."""
CHUNK = 1 << 20
ZST_STEP = 1024
"""Compressed bytes taken at a time: zst packs a block of 128 KiB into as little as 4 bytes, so this bounds the memory."""


class LongLineError(FormatError):
    """A line beyond LINE_LIMIT."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line}", f"longer than {LINE_LIMIT // 2**20} MiB", "a quest has one JSON row a line")
        self.line = line


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


def printable(path: Path | str) -> str:
    """A path as text that can be stored and shown, whatever bytes its name is made of."""
    return os.fsencode(path).decode("utf-8", "replace")


@contextmanager
def open_content(path: Path) -> Iterator[BinaryIO]:
    """The decompressed bytes of a quest file. Damaged compression raises `FormatError` while reading."""
    with open(path, "rb", buffering=CHUNK) as raw:
        suffix = suffix_of(path.name)
        if suffix == ".jsonl.gz":
            with _unzipped(raw, path.name) as file:
                yield file
        elif suffix == ".jsonl.zst":
            yield io.BufferedReader(_ZstStream(raw, path.name), CHUNK)
        else:
            yield raw


@contextmanager
def _unzipped(raw: BinaryIO, name: str) -> Iterator[BinaryIO]:
    import gzip
    import zlib

    try:
        with gzip.GzipFile(fileobj=raw) as file:
            yield io.BufferedReader(file, CHUNK)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(name, f"damaged gz compression ({error})", "compress it again") from None


class _ZstStream(io.RawIOBase):
    """Decompressed zst content, frame after frame; a file that ends within a frame is an error, not an end."""

    def __init__(self, source: BinaryIO, name: str) -> None:
        self._source = source
        self._name = name
        self._frame: Any = None
        self._packed = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            if not self._advance():
                return 0
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _advance(self) -> bool:
        """Unpack one step; False at the end of the file."""
        import zstandard

        packed = self._packed or self._source.read(ZST_STEP)
        if not packed:
            if self._frame is not None:
                raise FormatError(self._name, "damaged zst compression (the file is cut off)", "copy it again")
            return False
        try:
            self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
            self._ready = memoryview(self._frame.decompress(packed))
        except zstandard.ZstdError as error:
            raise FormatError(self._name, f"damaged zst compression ({error})", "compress it again") from None
        self._packed = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame = None
        return True


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(line number, line with its end) for every line; memory stays flat.

    Raises `LongLineError` for a line beyond LINE_LIMIT and `FormatError` for damaged compression.
    """
    with open_content(path) as file:
        number = 0
        while line := file.readline(LINE_LIMIT + 1):
            number += 1
            if len(line) > LINE_LIMIT:
                raise LongLineError(number)
            yield number, line


def read_rows(path: Path) -> Iterator[tuple[int, bytes]]:
    """(line number, line without its end) for every line; raises as `read_lines` does."""
    for number, line in read_lines(path):
        yield number, line.rstrip(b"\r\n")


def content_hash(path: Path) -> str:
    """SHA-256 of the decompressed content, so that the same rows are the same quest however they are packed."""
    import hashlib

    digest = hashlib.sha256()
    with open_content(path) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
