from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from helpers import rows, write_rows
from realm_arena import textchecks
from realm_arena.rows import Message
from realm_arena_chats import Inspect, chat, said
from realm_bin.skill import BinSkill
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord
from realm_cli.skills import is_closed, split_of
from realm_cli.store import write_record


def deep(inspect: Inspect, folder: Path, *lines: dict[str, Any]) -> list[tuple[str, int, str]]:
    report = inspect(write_rows(folder / "q.jsonl", list(lines)), "deep")
    assert report.ok
    return said(report)


def test_a_clean_file_has_no_findings(inspect: Inspect, tmp_path: Path) -> None:
    system = {"role": "system", "content": "s"}
    assert deep(inspect, tmp_path, *rows(50), {"messages": [system, *chat("q", "a", "r", "b")["messages"]]}) == []


def test_duplicates_within_a_file_name_the_first_line(inspect: Inspect, tmp_path: Path) -> None:
    lines = [*rows(3), {**rows(1)[0], "id": 7}, {"text": "t"}, {"prompt": "t", "completion": "t"}, {"text": "t "}]
    assert deep(inspect, tmp_path, *lines) == [
        ("duplicate", 4, "the same row as line 1"),
        ("duplicate", 7, "the same row as line 5"),
    ]


def test_duplicates_across_quests_name_the_quest(inspect: Inspect, realm: Realm, tmp_path: Path) -> None:
    inspect(write_rows(tmp_path / "old.jsonl", rows(10)), "standard", quest="000000000001")
    record = QuestRecord(id="000000000001", name="old.jsonl", sha256="1" * 64, number=1, size=1, added_at="")
    write_record(realm.quest_records / "000000000001.json", record)
    inspect(write_rows(tmp_path / "older.jsonl", rows(3, start=7)), "standard", quest="000000000002")
    path = write_rows(tmp_path / "new.jsonl", rows(5, start=8))
    report = inspect(path, "deep")
    assert said(report) == [
        ("duplicate", 1, "the same row is in quest 000000000001 (old.jsonl)"),
        ("duplicate", 2, "the same row is in quest 000000000001 (old.jsonl)"),
    ]
    assert report.ok


def test_a_quest_is_no_duplicate_of_itself(inspect: Inspect, tmp_path: Path) -> None:
    from realm_cli.datafiles import content_hash

    path = write_rows(tmp_path / "q.jsonl", rows(5))
    assert said(inspect(path, "deep", quest=content_hash(path)[:12])) == []
    assert said(inspect(path, "deep")) == []


def test_an_answer_that_stands_in_the_question_is_warned_of(inspect: Inspect, tmp_path: Path) -> None:
    long = "forty-two and a half"
    found = deep(
        inspect, tmp_path, chat(f"say {long}!", long), chat("42?", "42"), {"prompt": f"-{long}", "completion": f" {long}\n"},
        chat("x", long, "y", "z"), chat("x", long, f"is it {long}?", long),
    )  # fmt: skip
    assert [(check, line) for check, line, _ in found] == [("leakage", 1), ("leakage", 3), ("leakage", 5)]


def test_an_answer_that_repeats_itself_is_warned_of(inspect: Inspect, tmp_path: Path) -> None:
    found = deep(
        inspect, tmp_path, chat("q", "I see. " * 40), chat("q", "ab" * 100), chat("q", "⓪" * 90),
        chat("q", "what the fox said " * 3), chat("q", "①" * 32),
    )  # fmt: skip
    assert [(check, line) for check, line, _ in found] == [("repetition", line) for line in (1, 2, 3)]


def test_ordinary_long_texts_do_not_count_as_repetition() -> None:
    table = "| word | syllables |\n| --- | --- |\n" + "".join(f"| w{n} | s{n % 7} |\n" for n in range(60))
    steps = "".join(f"position {n}: ① + ⓪ + carry {'①⓪'[n % 2]} = {'①⓪'[n % 2]}\n" for n in range(32))
    listing = "[" + ", ".join(str(n) for n in range(500)) + "]"
    prose = (Path(textchecks.__file__)).read_text()
    assert not any(map(textchecks.is_degenerate, (table, steps, listing, prose)))


@pytest.mark.parametrize("text", ["é", "ü ß °", "it\u2019s \u2013 “so”…", "⓪①⑩", "😀"])
@pytest.mark.parametrize("code", ["latin-1", "cp1252"])
def test_text_that_was_decoded_wrongly_is_warned_of(inspect: Inspect, tmp_path: Path, text: str, code: str) -> None:
    damaged = text.encode().decode(code, "replace").replace("\ufffd", "")
    [(check, line, message)] = deep(inspect, tmp_path, chat("q", f"a {damaged} b"))
    assert (check, line) == ("mojibake", 1)
    assert "looks like UTF-8 that was read in another encoding" in message


def test_lost_characters_are_warned_of_and_real_accents_are_not(inspect: Inspect, tmp_path: Path) -> None:
    fine = "château NÃO “IRMÃ” \u2013 à la carte, naïve café”— Ã, â ô 20 °C 日本語 😀 ⓪"
    assert deep(inspect, tmp_path, chat("q", "a\ufffdb"), chat("q", fine)) == [
        ("mojibake", 1, "U+FFFD: characters were lost when the text was decoded")
    ]


@pytest.mark.parametrize(
    ("roles", "problem"),
    [
        ("system user assistant user assistant", ""),
        ("developer user assistant tool tool assistant", ""),
        ("user system assistant", "messages[1] is system after user, expected assistant"),
        ("assistant", "messages[0] is assistant first, expected developer or system or user"),
        ("user user assistant", "messages[1] is user after user, expected assistant"),
        ("user assistant assistant", "messages[2] is assistant after assistant, expected tool or user"),
        ("user assistant user", "the last message is user, expected assistant"),
    ],
)
def test_turns_out_of_order_are_told(roles: str, problem: str) -> None:
    messages: list[Any] = [Message(role, "x") for role in roles.split()]  # type: ignore[arg-type]
    assert textchecks.turn_problem(messages) == problem


def problems_of(level: int, split: str, count: int) -> list[dict[str, Any]]:
    skill, rng = BinSkill(), random.Random(level)
    found: list[dict[str, Any]] = []
    while len(found) < count:
        problem = skill.problem(level, rng)
        if split_of("bin", problem.key) == split:
            found.append(
                {**chat(problem.prompt, problem.answer), "problem_key": problem.key, "skill": "bin", "level": level}
            )
    return found


def test_a_problem_of_an_eval_set_is_an_error(inspect: Inspect, tmp_path: Path) -> None:
    skill = BinSkill()
    opened = next(level for level in range(1, 31) if not is_closed(skill, level))
    lines = [*problems_of(opened, "train", 3), *problems_of(opened, "eval", 2), *problems_of(1, "eval", 1)]
    lines += [{**lines[3], "skill": "other"}, {**lines[3], "problem_key": None}, {**lines[3], "level": 99}]
    report = inspect(write_rows(tmp_path / "q.jsonl", lines), "deep")
    found = [(finding.severity, finding.line) for finding in report.findings if finding.check == "contamination"]
    assert found == [("error", 4), ("error", 5), ("warning", 9)]
    assert f"of bin level {opened} belongs to the eval set" in next(
        finding.message for finding in report.findings if finding.severity == "error"
    )
    assert report.errors == 2


@pytest.mark.reference
def test_real_degenerate_output_never_stops_the_checks(original: Path) -> None:
    for path in sorted((original / "preview_history").glob("*.json")):
        textchecks.is_degenerate(path.read_text(errors="replace"))
