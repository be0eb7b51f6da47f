"""The token cache: a quest tokenized once, memory-mapped by every battle after that.

A folder for each (quest, tokenizer, template, max_length, profile) with plain arrays and `meta.json`, built in a hidden
folder and renamed. Nothing here is state: whatever does not agree with its marker is thrown away and built again.
"""

from __future__ import annotations

import logging
import os
import shutil
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from realm_arena.encoding import Flags, HeroTokenizer
from realm_arena.records import TokensMeta, TokenStatistics
from realm_arena.samples import Sample, Tally, read_samples
from realm_cli import store
from realm_cli.errors import FormatError, StorageError
from realm_cli.process import mark_of
from realm_cli.profiles import NONE, Plain, Profile
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord

log = logging.getLogger("realm.arena")
META = "meta.json"
FILES = ("ids.bin", "trained.bin", "starts.bin", "lines.bin")


class TokenView:
    """An opened cache."""

    def __init__(self, folder: Path, meta: TokensMeta) -> None:
        self.meta = meta
        self.statistics: TokenStatistics = meta.statistics
        samples, tokens = meta.statistics.samples, meta.statistics.tokens
        self._ids = _mapped(folder / "ids.bin", np.dtype(meta.dtype), tokens)
        self._trained = _mapped(folder / "trained.bin", np.dtype(np.uint8), tokens)
        self._starts = _mapped(folder / "starts.bin", np.dtype(np.int64), samples + 1)
        self._lines = _mapped(folder / "lines.bin", np.dtype(np.int64), samples)

    def __len__(self) -> int:
        return self.statistics.samples

    @property
    def tokens(self) -> int:
        """Tokens of all samples."""
        return self.statistics.tokens

    @property
    def trained_tokens(self) -> int:
        """Trained tokens of all samples; the first token of a sample never is."""
        return self.statistics.trained_tokens

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each sample."""
        return np.diff(self._starts)

    @cached_property
    def trained_counts(self) -> NDArray[np.int64]:
        """Trained tokens of each sample."""
        if not len(self):
            return np.zeros(0, dtype=np.int64)
        counts: NDArray[np.int64] = np.add.reduceat(self._trained, self._starts[:-1], dtype=np.int64)
        return counts

    def sample(self, index: int) -> tuple[NDArray[Any], Flags]:
        """Token ids and trained flags of one sample, read-only."""
        start, end = int(self._starts[index]), int(self._starts[index + 1])
        return self._ids[start:end], self._trained[start:end].view(np.bool_)

    def line(self, index: int) -> int:
        """The 1-based line of the quest file that a sample comes from."""
        return int(self._lines[index])


class RowsError(FormatError):
    """Rows of a quest that cannot be encoded; no cache was kept. `tally` names them."""

    def __init__(self, path: Path, tally: Tally) -> None:
        line, problem = tally.first_problems[0]
        more = f" (and {tally.problems - 1} more rows)" if tally.problems > 1 else ""
        super().__init__(f"{path.name}:{line}", problem + more)
        self.tally = tally


def folder_of(realm: Realm, sha256: str, tokenizer: HeroTokenizer, max_length: int, stamp: str = NONE) -> Path:
    """Where the tokens of a quest lie for one tokenizer, template, length and data profile."""
    key = f"{tokenizer.tokenizer_hash[:8]}-{tokenizer.template_hash[:8]}-{max_length}-{stamp}"
    return realm.tokens / f"{sha256[:16]}-{key}"


def open_or_build(
    realm: Realm, tokenizer: HeroTokenizer, path: Path, sha256: str, max_length: int, profile: Profile | None = None
) -> TokenView:
    """The quest's tokens under a data profile, none by default: from the cache if it is whole, else made from `path` now.

    Raises `FormatError` for data that cannot be tokenized (`RowsError` for rows), `StorageError` for the disk.
    """
    profile = profile or Plain()
    folder = folder_of(realm, sha256, tokenizer, max_length, profile.stamp)
    view = open_view(folder, sha256, tokenizer)
    if view is not None:
        return view
    try:
        realm.tokens.mkdir(parents=True, exist_ok=True)
        _sweep(realm.tokens)
        return _build(folder, tokenizer, path, sha256, max_length, profile)
    except OSError as error:
        if error.filename == str(path):
            raise StorageError("read", path, error) from error
        raise StorageError("write tokens to", folder, error) from error


def open_view(folder: Path, sha256: str, tokenizer: HeroTokenizer) -> TokenView | None:
    """The cache in `folder`; None when there is none, or none that is whole and of this quest and tokenizer."""
    try:
        meta = store.read_record(folder / META, TokensMeta)
    except FileNotFoundError:
        return None
    except FormatError as error:
        log.warning("the tokens in %s are made again (%s)", folder.name, error.message)
        return None
    wanted = (sha256, tokenizer.tokenizer_hash, tokenizer.template_hash)
    if (meta.quest_sha256, meta.tokenizer_hash, meta.template_hash) != wanted:
        return None
    try:
        if all(store.sha256_file(folder / name) == meta.files.get(name) for name in FILES):
            return TokenView(folder, meta)
        problem = "a file was changed"
    except (OSError, ValueError) as error:
        problem = str(error)
    log.warning("the tokens in %s are made again (%s)", folder.name, problem)
    return None


def drop(realm: Realm, sha256: str) -> None:
    """Remove all tokens of a quest, whatever tokenizer they were made with."""
    for folder in realm.tokens.glob(f"{sha256[:16]}-*"):
        _remove(folder)


def drop_quest(realm: Realm, quest: str) -> None:
    """Remove all tokens of the quest with this id."""
    try:
        record = store.read_record(realm.quest_records / f"{quest}.json", QuestRecord)
    except FileNotFoundError:
        return
    drop(realm, record.sha256)


def _build(
    folder: Path, tokenizer: HeroTokenizer, path: Path, sha256: str, max_length: int, profile: Profile
) -> TokenView:
    temp = store.temp_name(folder)
    temp.mkdir()
    tally = Tally()
    dtype = "uint16" if tokenizer.vocab_size <= 1 << 16 else "uint32"
    try:
        with _Writer(temp, dtype) as writer:
            for samples in read_samples(path, tokenizer, max_length, tally, profile):
                writer.add(samples)
        if tally.problems:
            raise RowsError(path, tally)
        meta = TokensMeta(
            quest_sha256=sha256,
            tokenizer_hash=tokenizer.tokenizer_hash,
            template_hash=tokenizer.template_hash,
            max_length=max_length,
            profile=profile.stamp,
            dtype=dtype,
            statistics=tally.statistics(),
            files={name: store.sha256_file(temp / name) for name in FILES},
        )
        (temp / META).write_bytes(store.to_json(meta.to_dict()))
        _put(temp, folder)
    finally:
        _remove(temp)
    return TokenView(folder, meta)


def _put(temp: Path, folder: Path) -> None:
    """Rename `temp` to `folder`. What lies there is of no use, or an equal that another process has just made."""
    try:
        os.rename(temp, folder)
    except OSError:
        aside = store.temp_name(folder)
        os.rename(folder, aside)
        os.rename(temp, folder)
        _remove(aside)


def _sweep(tokens: Path) -> None:
    """Remove what killed builds left; the name of a hidden folder tells whose it is."""
    for temp in tokens.glob(".*.tmp"):
        pid = temp.name.removesuffix(".tmp").rpartition(".")[2].partition("-")[0]
        if not pid.isdecimal() or not mark_of(int(pid)).started:
            _remove(temp)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _mapped(path: Path, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    """A file as a read-only array of `count` values; an empty file cannot be mapped. Raises ValueError."""
    if path.stat().st_size != count * dtype.itemsize:
        raise ValueError(f"{path} has a wrong size")
    return np.memmap(path, dtype=dtype, mode="r", shape=(count,)) if count else np.zeros(0, dtype=dtype)


class _Writer:
    """Appends samples to the arrays of FILES."""

    def __init__(self, folder: Path, dtype: str) -> None:
        self._folder = folder
        self._dtype = dtype
        self._end = 0
        self._files: list[BinaryIO] = []

    def __enter__(self) -> _Writer:
        for name in FILES:
            self._files.append(open(self._folder / name, "wb"))
        self._files[2].write(np.zeros(1, dtype=np.int64).tobytes())
        return self

    def __exit__(self, *failure: object) -> None:
        for file in self._files:
            file.close()

    def add(self, samples: list[Sample]) -> None:
        """Append a chunk."""
        if not samples:
            return
        ends = self._end + np.cumsum([len(sample.ids) for sample in samples], dtype=np.int64)
        self._end = int(ends[-1])
        arrays: tuple[NDArray[Any], ...] = (
            np.concatenate([sample.ids for sample in samples]).astype(self._dtype),
            np.concatenate([sample.trained for sample in samples]).astype(np.uint8),
            ends,
            np.array([sample.line for sample in samples], dtype=np.int64),
        )
        for file, array in zip(self._files, arrays, strict=True):
            file.write(array.tobytes())
