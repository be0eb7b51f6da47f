"""`realm quest import` and broken files: each is refused with file and line, none raises, none fills the memory."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from realm_cli import importing
from realm_cli.errors import FormatError
from realm_cli.manager import Manager
from realm_guild.importers import Alpaca, Messages, Pairs, Problems, ShareGpt

MANAGER = Manager.load()
ROW = '{"instruction": "a", "output": "b"}'


def converted(path: Path, data: bytes) -> list[dict[str, Any]]:
    path.write_bytes(data)
    target = path.with_name("converted.jsonl")
    importing.convert(MANAGER, path, target)
    return [json.loads(line) for line in target.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("rows.jsonl", f"\ufeff{ROW}\r\n\r\n{ROW}\r\n".encode()),
        ("rows.jsonl", f"{ROW}\n{ROW}".encode()),
        ("rows.json", f"\ufeff[\r\n {ROW},\r\n {ROW}\r\n]\r\n".encode()),
        ("rows.json", f'{{"note": null, "level": 3, "rows": [{ROW}], "more": [{ROW}]}}'.encode()),
    ],
)
def test_marks_and_line_ends_of_other_systems_do_no_harm(tmp_path: Path, name: str, data: bytes) -> None:
    rows = converted(tmp_path / name, data)
    assert [[turn["content"] for turn in row["messages"]] for row in rows] == [["a", "b"]] * 2


BROKEN: dict[str, tuple[str, bytes, str]] = {
    "UTF-16": ("rows.json", f"[{ROW}]".encode("utf-16"), ":1: it is UTF-16"),
    "UTF-16 lines": ("rows.jsonl", ROW.encode("utf-16"), ":1: it is UTF-16"),
    "Latin-1": ("rows.json", f"[{ROW},\n{ROW}, 'ä']".encode("latin-1"), ":2: not UTF-8: byte"),
    "Latin-1 lines": ("rows.jsonl", f"{ROW}\n{{'ä'}}".encode("latin-1"), ":2: not UTF-8: byte 3 is wrong"),
    "half a character": ("rows.json", ROW.replace('"b"', '"\\ud800"').join("[]").encode(), r":1: a text has half a"),
    "half a character in a line": ("rows.jsonl", ROW.replace('"b"', '"\\ud800"').encode(), ":1: not valid JSON"),
    "NUL bytes": ("rows.jsonl", f"{ROW}\n\0\0\0".encode(), ":2: not valid JSON"),
    "line ends of old": ("rows.jsonl", f"{ROW}\r{ROW}".encode(), ":1: not valid JSON"),
    "nothing but nulls": ("rows.json", b"[\nnull]", ":2: the row is NoneType, expected an object"),
    "nulls in lists": ("rows.json", b'{"a":\n[null, {}]}', ":2: the row is NoneType, expected an object"),
    "messages that are null": ("rows.jsonl", b'{"messages": null}', ":1: messages is not a list of turns"),
    "turns that are null": ("rows.jsonl", b'{"messages": [null]}', ":1: messages[0] is not an object"),
    "a speaker that is null": ("rows.jsonl", b'{"messages": [{"role": null}]}', ":1: messages[0]: the speaker is 'None'"),
    "pictures in a text": (
        "rows.jsonl", b'{"messages": [{"role": "user", "content": [{"type": "text"}]}]}', ":1: messages[0].content is not"
    ),
    "a history of nulls": (
        "rows.jsonl", b'{"instruction": "a", "output": "b", "history": [[null, "c"]]}', ":1: history[0][0] is not a text"
    ),
    "more than a document": ("rows.json", f"[{ROW}]\n[{ROW}]".encode(), ":2: not valid JSON (something follows"),
    "half a document": ("rows.json", f"[{ROW},\n{{".encode(), ":2: not valid JSON"),
    "a deep row": ("rows.jsonl", f'{ROW}\n{{"a": {"[" * 100_000}'.encode(), ":2: not valid JSON"),
    "two formats": ("rows.json", f'[{ROW},\n{{"prompt": "a", "expected": "b"}}]'.encode(), ":2: not a row of the format alpaca"),
    "a row too long": (
        "rows.json", f'[{ROW},\n{{"instruction": "{"a" * 5_000_000}", "output": "b"}}]'.encode(), ":2: the row has more than 4 MiB"
    ),
    "a line without end": ("rows.jsonl", f'{ROW}\n{{"instruction": "'.encode() + b"a" * 5_000_000, "rows.jsonl:2: longer than 4 MiB"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    file, data, problem = BROKEN[name]
    with pytest.raises(FormatError) as caught:
        converted(tmp_path / file, data)
    assert problem in caught.value.message
    assert len(caught.value.message) < 500


def test_a_name_of_the_wrong_kind_is_not_kept(tmp_path: Path) -> None:
    odd = {"id": {"a": [None]}, "level": None, "skill": ["sy"], "problem_key": "k", "instruction": "a", "output": "b"}
    assert list(converted(tmp_path / "rows.json", json.dumps([odd]).encode())[0]) == ["messages", "problem_key"]


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    key=some.sampled_from(["messages", "conversations", "history", "instruction", "output", "system", "input", "metadata",
                           "prompt", "expected", "user_prompt", "assistant_response", "tools", "id", "level", "skill"]),
    value=some.recursive(
        some.none() | some.booleans() | some.integers() | some.floats() | some.text() | some.sampled_from(["user", "assistant"]),
        lambda each: some.lists(each) | some.dictionaries(some.sampled_from(["role", "content", "from", "value", "weight"]), each),
    ),
    base=some.sampled_from(range(5)),
)  # fmt: skip
def test_no_value_makes_an_importer_fail_in_another_way(key: str, value: Any, base: int) -> None:
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    cases: list[tuple[Any, dict[str, Any]]] = [
        (Pairs(), {"user_prompt": "a", "assistant_response": "b"}), (Problems(), {"prompt": "a", "expected": "b"}),
        (Messages(), {"messages": chat}), (ShareGpt(), {"conversations": chat}),
        (Alpaca(), {"instruction": "a", "output": "b"}),
    ]  # fmt: skip
    importer, row = cases[base]
    changed = {**row, key: value}
    assert importer.recognises(changed)
    try:
        made = importer.convert(changed)
    except importing.ConversionError:
        return
    assert all(isinstance(turn["content"], str) and isinstance(turn["role"], str) for turn in made["messages"])


def write_many(path: Path, rows: int, letters: int) -> int:
    """A file of so many rows with prompts of so many letters; its size."""
    text = "x" * letters
    with open(path, "w") as file:
        for number in range(rows):
            file.write(json.dumps({"instruction": f"{number} {text}", "output": "b"}) + "\n")
    return path.stat().st_size


def peak(path: Path) -> int:
    """Most bytes that the conversion held."""
    tracemalloc.start()
    try:
        importing.convert(MANAGER, path, path.with_name("converted.jsonl"))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_texts(tmp_path: Path) -> None:
    assert write_many(tmp_path / "rows.jsonl", 8_000, 2_000) > 16_000_000
    assert peak(tmp_path / "rows.jsonl") < 6_000_000


def test_a_document_is_in_memory_as_its_text_alone(tmp_path: Path) -> None:
    rows = [{"instruction": f"{number}", "output": "b"} for number in range(12_000)]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows))
    assert peak(path) < 2 * path.stat().st_size + 4_000_000


@pytest.mark.drill
def test_a_million_rows_are_converted_in_little_memory(tmp_path: Path) -> None:
    write_many(tmp_path / "rows.jsonl", 1_000_000, 100)
    assert peak(tmp_path / "rows.jsonl") < 120_000_000
