from __future__ import annotations

import json
import random

import pytest
from msgspec import UNSET

from realm_arena import rows
from realm_arena_chats import conversation

USER = '{"role":"user","content":"x"}'


def test_a_chat_row_keeps_its_messages_and_what_names_its_problem() -> None:
    line = b'{"messages":[{"role":"user","content":"a","name":"x"},{"role":"assistant","content":"\xe2\x93\xaa"}],"problem_key":"k","skill":"bin","level":3,"other":[1,{}]}\r\n'
    row = rows.decode(line)
    assert row.messages == [rows.Message("user", "a"), rows.Message("assistant", "⓪")]
    assert (row.prompt, row.completion, row.text) == (UNSET, UNSET, UNSET)
    assert (row.problem_key, row.skill, row.level) == ("k", "bin", 3)


def test_the_other_two_shapes_are_rows_as_well() -> None:
    assert rows.decode(b'{"prompt":"","completion":"c"}') == rows.Row(prompt="", completion="c")
    assert rows.decode(b'{"text":"t"}') == rows.Row(text="t")


def test_metadata_of_a_wrong_type_counts_as_not_given() -> None:
    row = rows.decode(b'{"text":"t","problem_key":3,"skill":["bin"],"level":true}')
    assert (row.problem_key, row.skill, row.level) == (None, "", 0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not valid JSON (Expecting property name enclosed in double quotes: column 2 (char 1))"),
        ('{"text":"\\ud800 x"}', "not valid JSON (half of a surrogate pair (\\ud800 to \\udfff), or a number out of range)"),
        ('{"text":"a"} {"text":"b"}', "not valid JSON (Extra data: column 14 (char 13))"),
        ("3", "the row is a number, expected an object; "),
        ("{}", "unrecognised row shape (keys: none); "),
        ('{"user_prompt":"a","assistant_response":"b"}', "unrecognised row shape (keys: user_prompt, assistant_response); "),
        ('{"text":"a","messages":[]}', "has messages and text; "),
        ('{"text":"a","prompt":"b"}', "has prompt and text; "),
        ('{"prompt":"a"}', "prompt without completion; "),
        ('{"completion":"a"}', "completion without prompt; "),
        ('{"prompt":1,"completion":"a"}', "prompt is a number, expected a string"),
        ('{"prompt":"a","completion":null}', "completion is null, expected a string"),
        ('{"prompt":"a","completion":" \\n"}', "completion is empty"),
        ('{"text":""}', "text is empty"),
        ('{"text":null}', "text is null, expected a string"),
        ('{"messages":"hi"}', "messages is a string, expected a list"),
        ('{"messages":[]}', "messages is an empty list"),
        ('{"messages":[[]]}', "messages[0] is a list, expected an object"),
        ('{"messages":[{"content":"a"}]}', "messages[0].role is missing"),
        ('{"messages":[{"role":"user"}]}', "messages[0].content is missing"),
        (f'{{"messages":[{USER},{{"role":"assistant","content":null}}]}}', "messages[1].content is null, expected a string"),
        (f'{{"messages":[{USER},{{"role":"assistant","content":[{{}}]}}]}}', "messages[1].content is a list, expected a string"),
        ('{"messages":[{"role":"bot","content":"a"}]}', "messages[0].role is 'bot', expected one of system, user, assistant, tool, developer"),
        (f'{{"messages":[{USER}]}}', "no assistant message has any text"),
        (f'{{"messages":[{USER},{{"role":"assistant","content":" "}}]}}', "no assistant message has any text"),
        ("\ufeff" + '{"text":"a"}', "saved with a byte-order mark; save as UTF-8 without BOM"),
        ('{"text":"a\0"}', "binary content (a zero byte at byte 11 of the line); a quest is UTF-8 text"),
        ('{"text":"a","deep":' + "[" * 5000 + "]" * 5000 + "}", "nested too deeply"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_refused_with_the_key_at_fault(line: str, message: str) -> None:
    with pytest.raises(rows.RowError):
        rows.decode(line.encode())
    explained = rows.explain(line.encode())
    assert explained == message + (rows.SHAPES if message.endswith("; ") else "")


@pytest.mark.parametrize("line", [b'{"text":"\xff"}', b'{"text":"t","meta":"\xff"}', b'{"text":"t"}\xff'])
def test_bytes_that_are_not_utf8_are_refused_wherever_they_stand(line: bytes) -> None:
    with pytest.raises(rows.RowError):
        rows.decode(line)
    assert rows.explain(line) == f"not UTF-8: byte {line.index(0xFF) + 1} of the line is 0xff"


def test_utf16_is_named() -> None:
    assert rows.explain('{"text":"a"}'.encode("utf-16")) == "the text is UTF-16; save the file as UTF-8"


def test_rows_cut_or_changed_anywhere_never_raise_anything_else() -> None:
    rng = random.Random(1)
    line = json.dumps({"messages": conversation(rng, 2), "level": 3}, ensure_ascii=False).encode()
    for _ in range(3000):
        changed = bytearray(line[: rng.randrange(len(line))] if rng.random() < 0.3 else line)
        for _ in range(rng.randint(0, 3)):
            if changed:
                changed[rng.randrange(len(changed))] = rng.randrange(256)
        try:
            rows.decode(bytes(changed))
        except rows.RowError:
            assert rows.explain(bytes(changed))
