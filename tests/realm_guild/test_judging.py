from __future__ import annotations

import io
import json
from typing import Any

import pytest

from realm_bin.skill import BinSkill
from realm_cli.datafiles import LINE_LIMIT
from realm_cli.errors import UsageError
from realm_cli.skills import Verdict
from realm_guild.judging import verdicts

BIN = BinSkill()
LINE = {"prompt": "Compute: add(①, ①)", "answer": "add(①, ①) = ①⓪", "reply": "①⓪"}
GOOD = json.dumps(LINE).encode()


def judged(*lines: bytes) -> list[Verdict]:
    return list(verdicts(BIN, io.BytesIO(b"\n".join(lines))))


def test_every_line_gets_its_verdict_in_order() -> None:
    wrong = json.dumps({**LINE, "reply": "①①"}, ensure_ascii=False).encode()
    assert [verdict.correct for verdict in judged(GOOD, wrong, b"", GOOD, b"")] == [True, False, True]


def test_a_line_may_carry_all_that_sample_prints() -> None:
    line = {**LINE, "key": "add(①, ①)", "level": 1, "meta": {"kind": "add"}}
    assert [verdict.correct for verdict in judged(json.dumps(line).encode())] == [True]


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in LINE.items() if name != key}


@pytest.mark.parametrize(
    "bad",
    [
        b"{",
        b"\xff\xfe",
        b'{"prompt": "\xff", "answer": "a", "reply": "b"}',
        b"[]",
        b"null",
        json.dumps(without("reply")).encode(),
        json.dumps(without("answer")).encode(),
        json.dumps({**LINE, "reply": None}).encode(),
        json.dumps({**LINE, "reply": 4}).encode(),
        json.dumps({**LINE, "replay": ""}).encode(),
        json.dumps({**LINE, "reply": "\ud800"}).encode(),
        b'"' + b"x" * LINE_LIMIT,
    ],
    ids=range(12),
)
def test_a_bad_line_is_named_by_its_number(bad: bytes) -> None:
    with pytest.raises(UsageError, match=r"^line 3\b") as caught:
        judged(GOOD, b"", bad, GOOD)
    assert caught.value.hint


def test_nothing_gives_no_verdict() -> None:
    assert judged() == []
