from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import rows, write_rows
from realm_arena import samples, tokens
from realm_arena.encoding import HeroTokenizer
from realm_arena.tokens import TokenView
from realm_arena_chats import chat
from realm_cli import datafiles, heroes
from realm_cli.errors import FormatError, StorageError
from realm_cli.realm import Realm

Open = Callable[..., TokenView]


@pytest.fixture
def tokenizer(realm: Realm) -> HeroTokenizer:
    return HeroTokenizer.load(heroes.base_path(realm, "dio-mini"))


@pytest.fixture
def opened(realm: Realm, tokenizer: HeroTokenizer) -> Open:
    """`opened(path)`: the tokens of that file."""

    def call(path: Path, max_length: int = 64) -> TokenView:
        return tokens.open_or_build(realm, tokenizer, path, datafiles.content_hash(path), max_length)

    return call


def texts(view: TokenView, tokenizer: HeroTokenizer) -> list[str]:
    return [tokenizer.decode(view.sample(index)[0].tolist()) for index in range(len(view))]


def test_a_view_gives_every_sample_with_flags_lengths_and_line(
    opened: Open, tokenizer: HeroTokenizer, tmp_path: Path
) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(f"{json.dumps(chat('1', '⓪'))}\n\n{json.dumps({'text': 'abc'})}\n")
    view = opened(path)
    assert texts(view, tokenizer) == ["<|user|>1<|end|><|assistant|>⓪<|end|>", "abc<|end|>"]
    assert [view.line(index) for index in range(len(view))] == [1, 3]
    assert view.lengths.tolist() == [6, 4]
    assert view.trained_counts.tolist() == [2, 3]
    assert (view.tokens, view.trained_tokens) == (10, 5)
    ids, trained = view.sample(0)
    assert (ids.dtype.name, trained.dtype.name) == ("uint16", "bool")
    assert trained.tolist() == [False] * 4 + [True] * 2


def test_the_second_opening_builds_nothing(opened: Open, realm: Realm, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "q.jsonl", rows(10))
    opened(path)
    [folder] = realm.tokens.iterdir()
    inode = folder.stat().st_ino
    assert len(opened(path)) == 10
    assert folder.stat().st_ino == inode


def test_a_cache_is_of_one_content_tokenizer_template_and_length(
    opened: Open, realm: Realm, tokenizer: HeroTokenizer, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "q.jsonl", rows(3))
    sha256 = datafiles.content_hash(path)
    opened(path)
    opened(path, 32)
    other = tmp_path / "other.jinja"
    other.write_text("{% for m in messages %}<|user|>{{ m.content }}<|end|>{% endfor %}")
    changed = HeroTokenizer.load(heroes.base_path(realm, "dio-mini"), other)
    tokens.open_or_build(realm, changed, path, sha256, 64)
    first = f"{sha256[:16]}-{tokenizer.tokenizer_hash[:8]}-{tokenizer.template_hash[:8]}-64-none"
    names = sorted(folder.name for folder in realm.tokens.iterdir())
    assert len(names) == 3
    assert first in names


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "no marker": lambda folder: (folder / "meta.json").unlink(),
    "torn marker": lambda folder: (folder / "meta.json").write_bytes((folder / "meta.json").read_bytes()[:50]),
    "short": lambda folder: os.truncate(folder / "ids.bin", 5),
    "missing": lambda folder: (folder / "lines.bin").unlink(),
    "one bit": lambda folder: (folder / "trained.bin").write_bytes(b"\1" + (folder / "trained.bin").read_bytes()[1:]),
    "empty": lambda folder: list(map(os.unlink, folder.iterdir())),
    "other counts": lambda folder: (folder / "meta.json").write_text(
        (folder / "meta.json").read_text().replace('"samples": 10', '"samples": 9')
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_built_again(opened: Open, realm: Realm, tmp_path: Path, damage: str) -> None:
    path = write_rows(tmp_path / "q.jsonl", rows(10))
    whole = opened(path)
    expected = [(ids.tolist(), trained.tolist()) for ids, trained in map(whole.sample, range(10))]
    [folder] = realm.tokens.iterdir()
    DAMAGES[damage](folder)
    view = opened(path)
    assert [(ids.tolist(), trained.tolist()) for ids, trained in map(view.sample, range(len(view)))] == expected
    assert list(realm.tokens.iterdir()) == [folder]


def test_a_rebuild_is_said(opened: Open, realm: Realm, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_rows(tmp_path / "q.jsonl", rows(10))
    opened(path)
    DAMAGES["short"](next(realm.tokens.iterdir()))
    with caplog.at_level(logging.WARNING):
        opened(path)
    assert "are made again (a file was changed)" in caplog.text


def test_what_a_killed_build_left_is_swept_and_a_running_one_is_not(opened: Open, realm: Realm, tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = realm.tokens / f".abc-none.{gone.pid}-0.tmp"
    running = realm.tokens / f".abc-none.{os.getpid()}-99.tmp"
    for folder in (left, running):
        folder.mkdir()
        (folder / "ids.bin").write_bytes(b"12")
    opened(write_rows(tmp_path / "q.jsonl", rows(2)))
    assert (left.exists(), running.exists()) == (False, True)


def test_a_view_stays_usable_when_its_cache_is_dropped_or_replaced(opened: Open, realm: Realm, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "q.jsonl", rows(5))
    view = opened(path)
    before = view.sample(4)[0].tolist()
    tokens.drop(realm, datafiles.content_hash(path))
    assert list(realm.tokens.iterdir()) == []
    opened(path)
    assert view.sample(4)[0].tolist() == before


def test_dropping_takes_every_cache_of_a_quest_and_no_other(opened: Open, realm: Realm, tmp_path: Path) -> None:
    first, second = write_rows(tmp_path / "a.jsonl", rows(2)), write_rows(tmp_path / "b.jsonl", rows(3))
    for path in (first, second):
        opened(path)
        opened(path, 32)
    tokens.drop(realm, datafiles.content_hash(first))
    left = {folder.name[:16] for folder in realm.tokens.iterdir()}
    assert left == {datafiles.content_hash(second)[:16]}


def test_rows_that_cannot_be_encoded_keep_no_cache(opened: Open, realm: Realm, tmp_path: Path) -> None:
    tool = {"messages": [{"role": "tool", "content": "t"}, {"role": "assistant", "content": "a"}]}
    path = write_rows(tmp_path / "q.jsonl", [*rows(1500), tool, {"text": ""}])
    with pytest.raises(tokens.RowsError, match=r"q\.jsonl:1502: text is empty \(and 1 more rows\)") as failed:
        opened(path)
    assert sorted(line for line, _ in failed.value.tally.first_problems) == [1501, 1502]
    assert list(realm.tokens.iterdir()) == []


def test_a_vanished_file_and_damaged_compression_are_told_apart(
    realm: Realm, tokenizer: HeroTokenizer, tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match="cannot read"):
        tokens.open_or_build(realm, tokenizer, tmp_path / "gone.jsonl", "0" * 64, 64)
    (tmp_path / "q.jsonl.gz").write_bytes(b"no archive")
    with pytest.raises(FormatError, match="damaged gz compression"):
        tokens.open_or_build(realm, tokenizer, tmp_path / "q.jsonl.gz", "0" * 64, 64)
    assert list(realm.tokens.iterdir()) == []


def test_a_quest_without_a_sample_opens_as_an_empty_view(opened: Open, tmp_path: Path) -> None:
    for _ in range(2):
        view = opened(write_rows(tmp_path / "q.jsonl", [chat("x" * 100, "y")]))
        assert (len(view), view.lengths.tolist(), view.trained_counts.tolist(), view.tokens) == (0, [], [], 0)


def test_long_texts_are_cut_into_pieces_that_read_on(opened: Open, tokenizer: HeroTokenizer, tmp_path: Path) -> None:
    text = "".join(chr(97 + number % 26) for number in range(63))
    path = write_rows(tmp_path / "q.jsonl", [{"text": text}, {"text": text + "x"}, {"text": "t"}])
    view = opened(path, 16)
    # 64 and 65 tokens with the end; a piece of one token would predict nothing.
    assert view.lengths.tolist() == [16, 16, 16, 16, 16, 16, 16, 15, 2, 2]
    assert view.trained_counts.tolist() == [length - 1 for length in view.lengths]
    assert [view.line(index) for index in range(len(view))] == [1] * 4 + [2] * 5 + [3]
    assert "".join(texts(view, tokenizer)) == f"{text}<|end|>{text}x<|end|>t<|end|>"


@pytest.mark.parametrize("max_length", [1, 2, 3, 7])
def test_every_piece_of_a_text_has_something_to_predict(opened: Open, tmp_path: Path, max_length: int) -> None:
    view = opened(write_rows(tmp_path / "q.jsonl", [{"text": "x" * n} for n in range(1, 30)]), max_length)
    assert view.trained_counts.min(initial=1) >= 1
    assert view.lengths.max(initial=0) <= max_length
    assert (len(view) > 0) == (max_length > 1)


def test_cuts_cover_a_text_without_gap_or_overlap() -> None:
    for length in range(1, 60):
        for max_length in range(1, 12):
            pieces = samples.cuts(length, max_length)
            assert [pieces[0][0], pieces[-1][1]] == [0, length]
            assert all(end == start for (_, end), (start, _) in zip(pieces, pieces[1:], strict=False))
            assert all(0 < end - start <= max_length for start, end in pieces)


def test_a_large_vocabulary_gets_wider_ids(realm: Realm, tmp_path: Path) -> None:
    folder = tmp_path / "large"
    shutil.copytree(heroes.base_path(realm, "dio-mini"), folder)
    data = json.loads((folder / "tokenizer.json").read_text())
    data["model"]["vocab"]["far"] = 70_000
    (folder / "tokenizer.json").write_text(json.dumps(data))
    path = write_rows(tmp_path / "q.jsonl", rows(2))
    view = tokens.open_or_build(realm, HeroTokenizer.load(folder), path, datafiles.content_hash(path), 64)
    assert view.sample(0)[0].dtype == np.uint32


REFUSED = """
import resource, sys
from pathlib import Path
from realm_arena import tokens
from realm_arena.encoding import HeroTokenizer
from realm_cli import heroes
from realm_cli.errors import StorageError
from realm_cli.realm import Realm

realm = Realm(sys.argv[1])
tokenizer = HeroTokenizer.load(heroes.base_path(realm, "dio-mini"))
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    tokens.open_or_build(realm, tokenizer, Path(sys.argv[2]), "0" * 64, 512)
except StorageError as error:
    print(error.message)
"""


def test_a_disk_that_takes_no_more_leaves_nothing_behind(realm: Realm, tmp_path: Path) -> None:
    heroes.base_path(realm, "dio-mini")
    path = write_rows(tmp_path / "q.jsonl", rows(500))
    line = [sys.executable, "-c", REFUSED, str(realm.root), str(path)]
    said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"cannot write tokens to {realm.tokens}")
    assert list(realm.tokens.iterdir()) == []


MEASURED = """
import resource, sys
from pathlib import Path
from realm_arena import tokens
from realm_arena.encoding import HeroTokenizer
from realm_cli import heroes
from realm_cli.realm import Realm

realm = Realm(sys.argv[1])
tokenizer = HeroTokenizer.load(heroes.base_path(realm, "dio-mini"))
print(len(tokens.open_or_build(realm, tokenizer, Path(sys.argv[2]), sys.argv[3], 512)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_building_keeps_the_memory_flat(realm: Realm, tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = write_rows(tmp_path / f"{count}.jsonl", [chat(f"{n} say it", "it is " * 20) for n in range(count)])
        line = [sys.executable, "-c", MEASURED, str(realm.root), str(path), f"{count:064}"]
        samples, kilobytes = subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()
        assert int(samples) == count
        return int(kilobytes)

    assert peak(16_000) < peak(2000) + 24_000
