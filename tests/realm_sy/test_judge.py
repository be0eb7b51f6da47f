from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from realm_cli.skills import Problem
from realm_sy.formats import FORMATS, format_of
from realm_sy.judge import judge
from realm_sy.skill import SySkill

SOLVED = [("pow", "er"), ("sea",), ("an", "i", "mal")]
GOLDEN = {name: form.write(SOLVED) for name, form in FORMATS.items()}
JSON_FORMS = ("array", "object", "solutions", "summary")


def changes(text: str) -> list[str]:
    """The text with one letter or digit changed, at every place."""
    found = []
    for place, old in enumerate(text):
        if old.isalnum():
            new = str(9 - int(old)) if old.isdecimal() else "q" if old.lower() == "z" else "z"
            found.append(text[:place] + new + text[place + 1 :])
    return found


def test_the_eight_forms_read_as_documented() -> None:
    assert GOLDEN == {
        "array": '["POWER", "SEA", "ANIMAL"]',
        "lines": "POWER\nSEA\nANIMAL",
        "commas": "POWER, SEA, ANIMAL",
        "numbered": "1. POWER\n2. SEA\n3. ANIMAL",
        "object": '{"1": "POWER", "2": "SEA", "3": "ANIMAL"}',
        "table": "| # | Word |\n|---|------|\n| 1 | POWER |\n| 2 | SEA |\n| 3 | ANIMAL |",
        "solutions": '{"solutions": {"1": {"word": "POWER", "syllables": ["POW", "ER"]}, '
        '"2": {"word": "SEA", "syllables": ["SEA"]}, "3": {"word": "ANIMAL", "syllables": ["AN", "I", "MAL"]}}}',
        "summary": '{"count": 3, "first_letters": "PSA", "total_syllables": 6}',
    }
    assert {name: format_of(golden) for name, golden in GOLDEN.items()} == {name: name for name in FORMATS}


@pytest.mark.parametrize("form", FORMATS)
def test_the_golden_reply_is_right_and_every_changed_letter_wrong(form: str) -> None:
    golden = GOLDEN[form]
    assert judge(golden, golden).correct
    assert not any(judge(golden, changed).correct for changed in changes(golden))


@pytest.mark.parametrize("form", FORMATS)
def test_space_case_fences_and_thinking_do_not_matter(form: str) -> None:
    golden = GOLDEN[form]
    lower = golden if form in JSON_FORMS else golden.lower()
    for reply in (
        f"\n {golden}\n\n", f"<think>\nis it [sea]?\n</think>\n<think></think>{golden}", f"```\n{golden}\n```",
        f"so it is [sea]\n</think>\n\n{golden}", f"```json\n{golden}\n```\n", golden.replace("\n", " \r\n"), lower, golden.replace("SEA", "sea"),
    ):  # fmt: skip
        assert judge(golden, reply).correct, reply


@pytest.mark.parametrize("form", FORMATS)
def test_the_right_words_in_another_form_are_wrong(form: str) -> None:
    golden = GOLDEN[form]
    assert not any(judge(golden, other).correct for name, other in GOLDEN.items() if name != form)
    for reply in (
        "", " ", f"<think>{golden}", f"<think>{golden}</think>", f"The answer: {golden}", f"{golden}\n{golden}",
        f"{golden}.", golden + ",", f"```\n{golden}\n```\n```\n{golden}\n```", f"{golden}\nDone.", golden[:-1],
    ):  # fmt: skip
        assert not judge(golden, reply).correct, reply


@pytest.mark.parametrize(
    ("form", "reply"),
    [
        ("array", '["SEA", "POWER", "ANIMAL"]'),
        ("array", '["POWER", "SEA"]'),
        ("array", '["POWER", "SEA", "ANIMAL", 1]'),
        ("object", '{"1": "POWER", "2": "SEA", "3": "ANIMAL", "3": "ANIMAL"}'),
        ("object", '{"0": "POWER", "1": "SEA", "2": "ANIMAL"}'),
        ("numbered", "1. POWER\n3. SEA\n2. ANIMAL"),
        ("table", "| # | Word |\n| 1 | POWER |\n| 2 | SEA |\n| 3 | ANIMAL |"),
        ("solutions", GOLDEN["solutions"].replace('["POW", "ER"]', '["PO", "WER"]')),
        ("solutions", GOLDEN["solutions"].replace('"POW", "ER"', '"POWER"')),
        ("summary", '{"count": "3", "first_letters": "PSA", "total_syllables": 6}'),
        ("summary", '{"count": 3.0, "first_letters": "PSA", "total_syllables": 6}'),
        ("summary", '{"count": 3, "first_letters": "PSA"}'),
    ],
)
def test_values_are_judged_strictly(form: str, reply: str) -> None:
    assert not judge(GOLDEN[form], reply).correct


def test_the_reason_tells_what_is_wrong() -> None:
    verdict = judge(GOLDEN["array"], '["POWER", "SEE", "ANIMAL"]')
    assert (verdict.parsed, verdict.reason) == ("POWER, SEE, ANIMAL", "wrong: 2")
    assert judge(GOLDEN["array"], '["POWER"]').reason == "1 answers instead of 3"
    assert judge(GOLDEN["array"], "POWER").reason == "the reply has not the form that was asked for (array)"
    assert judge(GOLDEN["solutions"], GOLDEN["solutions"]).parsed == "POWER (POW-ER), SEA (SEA), ANIMAL (AN-I-MAL)"


@pytest.mark.parametrize(
    "reply",
    [
        "\x00\ufffd\ud800\u202e", "[" * 100_000, '{"1":' * 3_000, "[" + "9" * 10_000 + "]", "|" * 1_000_000,
        "```" * 300_000, "```\n" + " " * 1_000_000, "<think>" * 200_000, "<think></think>" * 100_000, "1. " * 300_000,
        "NaN", "null", "[[[]]]", '[null, {}, "SEA"]', '{"solutions": []}', '{"solutions": {"1": {"word": 1}}}', "ß" * 9_000,
        '["\\ud83d", "SEA"]', '{"count": 3, "first_letters": "\\ud83d", "total_syllables": 6}',
    ],
    ids=range(19),
)  # fmt: skip
def test_garbage_and_very_long_replies_are_wrong_at_once(reply: str) -> None:
    for golden in GOLDEN.values():
        verdict = judge(golden, reply)
        assert not verdict.correct
        assert len(verdict.parsed) <= 1000
        verdict.parsed.encode()  # it is kept in files


@pytest.mark.parametrize("answer", ["", "{", "[]", "{}", "|", "[1]"])
def test_a_malformed_golden_answer_makes_nothing_right(answer: str) -> None:
    assert not judge(answer, "").correct
    assert not judge(answer, answer).correct


@pytest.mark.reference
def test_the_originals_replies_are_right_and_their_echoes_and_changed_letters_wrong(original: Path) -> None:
    # None of these items has a defect that concerns its reply: all 125 are accepted. Only puzzle_id is not unique.
    skill, seen = SySkill(), Counter[str]()
    for items in json.loads((original / "sy_validation_odd.json").read_text("utf-8")).values():
        for item in items:
            asked, replied = (message["content"] for message in item["messages"])
            problem = Problem(asked, replied, "")
            seen[format_of(replied)] += 1
            assert skill.judge(problem, replied).correct
            assert not skill.judge(problem, asked).correct
            assert not skill.judge(problem, "").correct
            assert not any(skill.judge(problem, changed).correct for changed in changes(replied))
    assert seen == {
        "solutions": 36, "array": 24, "table": 18, "object": 13, "numbered": 10, "lines": 9, "commas": 8, "summary": 7,
    }  # fmt: skip


@pytest.mark.reference
def test_the_earlier_puzzles_are_right_in_every_form(original: Path) -> None:
    # Their own replies have other forms (lists of syllables, inventories), so their words are written in ours.
    files = sorted((original / "syllo_10level").glob("level_*.jsonl"))
    assert files
    for path in files:
        for line in path.read_text("utf-8").splitlines():
            item = json.loads(line)
            solved = [tuple(word["syllables"]) for word in item["words"]]
            tiles = Counter(tile for word in solved for tile in word) + Counter(item["red_herrings"])
            assert tiles == Counter(item["syllable_bank"])
            for form in FORMATS.values():
                problem = Problem(item["prompt"], form.write(solved), "")
                assert SySkill().judge(problem, problem.answer).correct
                assert not SySkill().judge(problem, problem.prompt).correct


@pytest.mark.reference
def test_real_degenerate_output_is_wrong_and_raises_nothing(original: Path) -> None:
    files = sorted((original / "preview_history").glob("*.json"))
    assert files
    for path in files:
        for result in json.loads(path.read_text("utf-8"))["results"]:
            for golden in GOLDEN.values():
                assert not judge(golden, result["generated"]).correct
                assert not judge(golden, result["prompt"]).correct
