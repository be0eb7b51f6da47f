from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from realm_arena_chats import Inspect, chat, said
from realm_cli.inspection import KEPT_PER_CHECK

GOOD = json.dumps(chat("q", "a")).encode() + b"\n"


def write(folder: Path, content: bytes, suffix: str = ".jsonl") -> Path:
    path = folder / f"quest{suffix}"
    path.write_bytes(content)
    return path


def test_a_good_file_of_all_shapes_is_counted(inspect: Inspect, tmp_path: Path) -> None:
    report = inspect(write(tmp_path, GOOD + b'{"prompt":"p","completion":"c"}\n{"text":"t"}'))
    assert (report.ok, report.samples, report.findings, report.skill, report.level) == (True, 3, [], "", 0)


def test_skill_and_level_are_noted_where_all_rows_agree(inspect: Inspect, tmp_path: Path) -> None:
    lines = [{**chat("q", "a"), "skill": "bin", "level": level} for level in (2, 2)]
    report = inspect(write(tmp_path, b"".join(json.dumps(line).encode() + b"\n" for line in lines)))
    assert (report.skill, report.level) == ("bin", 2)
    lines[1] = {**lines[1], "level": 3}
    report = inspect(write(tmp_path, b"".join(json.dumps(line).encode() + b"\n" for line in lines)))
    assert (report.skill, report.level) == ("bin", 0)


@pytest.mark.parametrize("content", [b"", b"\n \n\r\n"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_a_file_without_a_sample_is_an_error(
    inspect: Inspect, tmp_path: Path, content: bytes, pack: type[bytes]
) -> None:
    suffix = {"bytes": ".jsonl", "compress": ".jsonl.gz"}.get(pack.__name__, "")
    if pack is zstandard.compress:
        suffix = ".jsonl.zst"
    report = inspect(write(tmp_path, pack(content), suffix))
    assert said(report)[-1] == ("empty", 0, "the file holds no sample")
    assert (report.errors, report.warnings) == (1, len(content.split(b"\n")) - 1)


def test_blank_lines_are_warned_of_and_keep_the_numbers_of_lines(inspect: Inspect, tmp_path: Path) -> None:
    report = inspect(write(tmp_path, GOOD + b"\r\n" + b"{}\n" + GOOD))
    assert [(finding.severity, finding.check, finding.line) for finding in report.findings] == [
        ("warning", "blank", 2),
        ("error", "schema", 3),
    ]
    assert report.samples == 2


def test_a_torn_last_line_is_named_as_such(inspect: Inspect, tmp_path: Path) -> None:
    report = inspect(write(tmp_path, GOOD * 2 + GOOD[:-20]))
    assert said(report)[0][:2] == ("torn", 3)
    assert said(report)[0][2].startswith("the file seems cut off in its last line (not valid JSON")
    assert report.errors == 1


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_a_truncated_archive_is_an_error(inspect: Inspect, tmp_path: Path, suffix: str) -> None:
    packed = (gzip.compress if suffix.endswith("gz") else zstandard.compress)(b"".join(
        json.dumps(chat(f"q {number}", "a")).encode() + b"\n" for number in range(5000)
    ))  # fmt: skip
    report = inspect(write(tmp_path, packed[: len(packed) // 2], suffix))
    assert not report.ok
    assert said(report)[-1][0] == "compression"
    assert f"damaged {suffix[7:]} compression" in said(report)[-1][2]


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"\xef\xbb\xbf" + GOOD, 1, "saved with a byte-order mark; save as UTF-8 without BOM"),
        (GOOD.decode().encode("utf-16"), 1, "the text is UTF-16; save the file as UTF-8"),
        (GOOD + '{"text":"naïve"}\n'.encode("latin-1"), 2, "not UTF-8: byte 12 of the line is 0xef"),
        (GOOD + b"\x00\x01\x02\n", 2, "binary content (a zero byte at byte 1 of the line); a quest is UTF-8 text"),
        (b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 40, 1, "binary content (a zero byte at byte 8 of the line); a quest is UTF-8 text"),
    ],
)  # fmt: skip
def test_what_is_no_utf8_text_is_named(
    inspect: Inspect, tmp_path: Path, content: bytes, line: int, message: str
) -> None:
    assert ("schema", line, message) in said(inspect(write(tmp_path, content)))


def test_an_endless_line_is_an_error(inspect: Inspect, tmp_path: Path) -> None:
    report = inspect(write(tmp_path, GOOD + b'{"text":"' + b"x" * (17 << 20)))
    assert said(report) == [("length", 2, "longer than 4 MiB; a quest has one JSON row a line")]


def test_a_report_lists_the_first_findings_and_counts_all(inspect: Inspect, tmp_path: Path) -> None:
    report = inspect(write(tmp_path, b'{"text":null}\n' * 100 + b"\n" * 50 + GOOD))
    assert (report.errors, report.warnings, report.samples) == (100, 50, 1)
    assert [finding.line for finding in report.findings] == [*range(1, 21), *range(101, 121)]
    assert len(report.findings) == 2 * KEPT_PER_CHECK
    assert all(finding.message for finding in report.findings)


def test_a_long_file_is_read_in_little_memory(inspect: Inspect, tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with open(path, "wb") as file:
        for _ in range(300):
            file.write(GOOD * 200)
    tracemalloc.start()
    assert inspect(path).samples == 60_000
    assert tracemalloc.get_traced_memory()[1] < 12 << 20
    tracemalloc.stop()


@pytest.mark.reference
def test_rows_of_the_original_system_are_refused_with_their_keys(inspect: Inspect, original: Path) -> None:
    report = inspect(original / "bin" / "val_binary_easy_100.jsonl")
    lines = (original / "bin" / "val_binary_easy_100.jsonl").read_bytes().splitlines()
    assert report.errors == len(lines)
    assert said(report)[0] == (
        "schema",
        1,
        "unrecognised row shape (keys: id, skill, scenario, user_prompt, assistant_response, rubric, tags); "
        "a row is one of: messages; prompt and completion; text",
    )
    assert said(inspect(original / "syllo_10level" / "empty.jsonl")) == [("empty", 0, "the file holds no sample")]
