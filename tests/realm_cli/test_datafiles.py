from __future__ import annotations

import gzip
import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from realm_cli import datafiles
from realm_cli.errors import FormatError

LINES = b"".join(b'{"text":"%d"}\n' % number for number in range(20_000))
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".jsonl": bytes,
    ".jsonl.gz": gzip.compress,
    ".jsonl.zst": zstandard.compress,
}


@pytest.mark.parametrize("suffix", PACKERS)
def test_rows_and_hash_do_not_depend_on_the_compression(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"q{suffix}"
    path.write_bytes(PACKERS[suffix](LINES))
    assert [line for _, line in datafiles.read_rows(path)] == LINES.splitlines()
    assert b"".join(line for _, line in datafiles.read_lines(path)) == LINES
    assert datafiles.content_hash(path) == hashlib.sha256(LINES).hexdigest()


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_a_compressed_file_that_is_cut_off_anywhere_is_damaged(suffix: str, tmp_path: Path) -> None:
    packed = PACKERS[suffix](LINES)
    path = tmp_path / f"q{suffix}"
    rng = random.Random(3)
    for end in {1, 3, 4, 9, len(packed) - 1, *(rng.randrange(1, len(packed)) for _ in range(30))}:
        path.write_bytes(packed[:end])
        with pytest.raises(FormatError, match=f"damaged {suffix[7:]} compression"):
            datafiles.content_hash(path)


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_several_frames_are_one_content_and_nothing_is_none(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"q{suffix}"
    path.write_bytes(PACKERS[suffix](LINES) + PACKERS[suffix](b"") + PACKERS[suffix](b"last"))
    assert b"".join(line for _, line in datafiles.read_lines(path)) == LINES + b"last"
    path.write_bytes(b"")
    assert list(datafiles.read_rows(path)) == []


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_garbage_and_garbage_after_the_content_are_damage(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"q{suffix}"
    for content in (b"this is no archive", PACKERS[suffix](LINES) + b"more than nothing"):
        path.write_bytes(content)
        with pytest.raises(FormatError, match=f"damaged {suffix[7:]} compression"):
            list(datafiles.read_rows(path))


@pytest.mark.parametrize("suffix", PACKERS)
def test_an_endless_line_is_refused_before_it_fills_the_memory(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"q{suffix}"
    path.write_bytes(PACKERS[suffix](b"a\n" + b"x" * (datafiles.LINE_LIMIT + 1)))
    with pytest.raises(datafiles.LongLineError, match="line 2: longer than 4 MiB") as refused:
        list(datafiles.read_rows(path))
    assert refused.value.line == 2


def test_a_small_archive_of_much_content_is_read_in_little_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "q.jsonl.zst"
    path.write_bytes(zstandard.compress((b"x" * (1 << 20) + b"\n") * 300))
    tracemalloc.start()
    assert sum(1 for _ in datafiles.read_rows(path)) == 300
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


def test_names_tell_quests_from_copies_under_way() -> None:
    assert all(map(datafiles.is_quest_name, ["a.jsonl", "A.JSONL.GZ", "b c.jsonl.zst"]))
    assert not any(map(datafiles.is_quest_name, [".a.jsonl", "a.jsonl.part", "a.jsonl~", "a.json", "a.jsonl.filepart"]))
    assert datafiles.safe_name("../ä b;$(x).jsonl.gz") == "ä_b_x.jsonl.gz"
    assert datafiles.safe_name("x" * 300 + ".jsonl") == "x" * 120 + ".jsonl"
    assert datafiles.suffix_of("q.JSONL.ZST") == ".jsonl.zst"
