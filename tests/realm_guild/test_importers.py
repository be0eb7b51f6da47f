"""Other tools' files become quests: each format, what is refused and in which line, the original's own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers import Run, write_rows
from realm_cli import importing
from realm_cli.errors import FormatError, NotFoundError, UsageError
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli_plugins import Site

MANAGER = Manager.load()


def converted(path: Path, wanted: str = "") -> tuple[str, list[dict[str, Any]]]:
    """(the format, the rows) of a file."""
    target = path.with_name("converted.jsonl")
    done = importing.convert(MANAGER, path, target, wanted)
    rows = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert done.rows == len(rows)
    return done.format, rows


def chat(*said: str, system: str = "") -> list[dict[str, str]]:
    """Turns of user and assistant by turns."""
    first = [{"role": "system", "content": system}] if system else []
    return first + [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(said)]


FORMATS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "pairs",
        {"id": "b-1", "skill": "binary", "user_prompt": "1+1?", "assistant_response": "2", "rubric": "be right"},
        {"messages": chat("1+1?", "2"), "id": "b-1", "skill": "bin"},
    ),
    (
        "problems",
        {"prompt": "1+1?", "expected": "2", "level": 3, "metadata": {"skill": "sy"}},
        {"messages": chat("1+1?", "2"), "skill": "sy", "level": 3},
    ),
    (
        "messages",
        {"messages": chat("hi", "ho", "he", "ha", system="be brief"), "metadata": {"level": 2, "puzzle_id": "x"}},
        {"messages": chat("hi", "ho", "he", "ha", system="be brief"), "level": 2},
    ),
    (
        "alpaca",
        {"instruction": "Add.", "input": "1 and 1", "output": "2", "system": "be brief", "history": [["hi", "ho"]]},
        {"messages": chat("hi", "ho", "Add.\n1 and 1", "2", system="be brief")},
    ),
    ("alpaca", {"instruction": "Add.", "input": "", "output": "2"}, {"messages": chat("Add.", "2")}),
    (
        "messages",
        {"system": "be brief", "messages": chat("hi", "ho")},
        {"messages": chat("hi", "ho", system="be brief")},
    ),
    (
        "messages",
        {"system": "be brief", "messages": chat("hi", "ho", system="be brief")},
        {"messages": chat("hi", "ho", system="be brief")},
    ),
    (
        "pairs",
        {"system_prompt": "be brief", "user_prompt": "hi", "assistant_response": "ho"},
        {"messages": chat("hi", "ho", system="be brief")},
    ),
    (
        "sharegpt",
        {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}], "system": "be brief"},
        {"messages": chat("hi", "ho", system="be brief")},
    ),
    (
        "sharegpt",
        {"conversations": [{"from": "human", "value": "weather?"}, {"from": "function_call", "value": "ask()"},
                           {"from": "observation", "value": "rain"}, {"from": "gpt", "value": "it rains"}]},
        {"messages": [{"role": "user", "content": "weather?"}, {"role": "assistant", "content": "ask()"},
                      {"role": "tool", "content": "rain"}, {"role": "assistant", "content": "it rains"}]},
    ),
    (
        "sharegpt",
        {"conversations": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho", "train": True}]},
        {"messages": chat("hi", "ho")},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "row", "expected"), FORMATS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_row_of_each_format_is_found_by_its_keys(
    name: str, row: dict[str, Any], expected: dict[str, Any], tmp_path: Path
) -> None:
    assert converted(write_rows(tmp_path / "rows.jsonl", [row])) == (name, [expected])


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"conversations": [{"from": "human", "value": "hi"}]}, "no assistant says anything"),
    ({"conversations": []}, "conversations is not a list of turns"),
    ({"conversations": [{"from": "ghost", "value": "boo"}]}, r"conversations\[0\]: the speaker is 'ghost'"),
    ({"messages": [{"role": "user", "content": None}]}, r"messages\[0\]\.content is not a text"),
    ({"messages": ["hi"]}, r"messages\[0\] is not an object"),
    ({"messages": [{"role": "assistant", "content": "", "tool_calls": [{}]}]}, "tool_calls cannot be trained"),
    ({"messages": [{"role": "assistant", "content": "ho", "function_call": {"name": "f"}}]}, "function_call cannot be"),
    ({"messages": [{"role": "assistant", "content": "ho", "reasoning_content": "hm"}]}, "reasoning_content cannot be"),
    ({"messages": [{"role": "assistant", "content": "ho", "weight": 0}]}, "the turn is not to be trained"),
    ({"messages": [{"role": "assistant", "content": "ho", "loss": False}]}, "the turn is not to be trained"),
    ({"messages": [{"role": "user", "content": "hi", "train": True}]}, "the turn is to be trained, but"),
    ({"messages": [{"role": "user", "content": "hi", "value": "ho"}]}, r"messages\[0\] has both content and value"),
    ({"messages": chat("hi", "ho"), "system": ["be brief"]}, "system is not a text"),
    ({"messages": chat("hi", "ho"), "tools": "[]"}, "tools: tools cannot be trained"),
    ({"instruction": "a", "output": "b", "history": ["x"]}, "history is not a list of pairs"),
    ({"instruction": "a", "output": 2}, "output is not a text"),
    ({"conversations": [{"from": "human", "value": "a"}], "chosen": {"value": "b"}}, "chosen: preferences"),
    ({"user_prompt": "a", "assistant_response": " "}, "no assistant says anything"),
]


@pytest.mark.parametrize(("row", "problem"), REFUSED)
def test_what_would_be_lost_is_refused_with_its_line(row: dict[str, Any], problem: str, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [row])
    path.write_text("\n" + path.read_text())
    with pytest.raises(FormatError, match=rf"rows\.jsonl:2: .*{problem}"):
        converted(path)


def test_rows_that_no_format_knows_that_differ_or_that_several_know_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with pytest.raises(FormatError, match=r"rows\.jsonl:1: no importer knows such a row \(keys: a, b\)"):
        converted(write_rows(path, [{"a": 1, "b": 2}]))
    both = {"user_prompt": "a", "assistant_response": "b", "messages": chat("c", "d")}
    with pytest.raises(UsageError, match=r"rows\.jsonl:1: the row could be of pairs and messages"):
        converted(write_rows(path, [both]))
    assert converted(path, "messages")[0] == "messages"
    with pytest.raises(FormatError, match=r"rows\.jsonl:2: not a row of the format messages \(keys: instruction"):
        converted(write_rows(path, [{"messages": chat("a", "b")}, {"instruction": "a", "output": "b"}]))
    with pytest.raises(NotFoundError, match="there is no importer 'alpacca'"):
        converted(path, "alpacca")
    with pytest.raises(FormatError, match="it holds no row"):
        converted(write_rows(path, []))


def test_what_a_quest_is_without_is_told_and_recorded(run: Run, realm: Realm, tmp_path: Path) -> None:
    row = {
        "messages": [{"role": "user", "content": "hi", "name": "bob"}, {"role": "assistant", "content": "ho"}], "id": 3,
        "level": None, "tags": [], "rubric": "be right", "metadata": {"skill": "bin", "source": "a book", "empty": ""},
    }  # fmt: skip
    path = write_rows(tmp_path / "rows.jsonl", [row, {**row, "li\nne": 1}])
    names = ["li?ne", "messages.name", "metadata.source", "rubric"]
    warning = f"warning: {path}: the quest is without {', '.join(names)}\n"
    assert warning in run("quest", "import", path, "--dry-run").err
    assert run("quest", "import", path, "--dry-run", "--json").json[0]["left_out"] == names
    told = run("quest", "import", path, "--json")
    assert (told.code, warning in told.err) == (0, True)
    assert told.json[0]["provenance"]["left_out"] == names
    many = [{**row, f"key {number}": 1} for number in range(300)]
    assert len(importing.convert(MANAGER, write_rows(path, many), tmp_path / "out.jsonl").left_out) == 50
    assert run("quest", "import", write_rows(path, [{"instruction": "a", "output": "b"}]), "-q").err == ""


def test_a_json_document_is_read_as_a_list_or_as_an_object_of_lists(tmp_path: Path) -> None:
    path = tmp_path / "doc.json"
    one, two = {"prompt": "a", "expected": "b"}, {"prompt": "c", "expected": "d"}
    path.write_text(json.dumps({"level": 7, "problems": [one, two], "note": {"x": [1]}}, indent=2))
    assert converted(path)[1] == [{"messages": chat("a", "b"), "level": 7}, {"messages": chat("c", "d"), "level": 7}]
    path.write_text(json.dumps([one, two]))
    assert [row["messages"] for row in converted(path)[1]] == [chat("a", "b"), chat("c", "d")]
    path.write_text(json.dumps({"1": [one], "3": [two]}))
    assert len(converted(path)[1]) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[\n {"prompt": "a", "expected": "b"},\n\n {"prompt": "a", "expected": 3}\n]', ":4: expected is not a text"),
        ('{"level": 1,\n"problems": [\n{"prompt": "a"}]}', ":3: no importer knows such a row"),
        ('[\n {"prompt": "a",\n "expected" "b"}]', ":3: not valid JSON"),
        ('[{"prompt": "a", "expected": "b"}\n{', ":2: not valid JSON"),
        ("[1]", ":1: the row is int, expected an object"),
        ('"text"', ":1: not valid JSON"),
        ('{"problems": [\n', ":2: not valid JSON"),
        ("", ":1: not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_mistake_in_a_document_is_told_with_its_line(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "doc.json"
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        converted(path)
    assert f"doc.json{problem}" in caught.value.message or problem in caught.value.message


def test_an_imported_file_is_on_the_board_with_where_it_comes_from(run: Run, realm: Realm, tmp_path: Path) -> None:
    rows = [{"instruction": f"say {n % 3}", "output": f"{n}"} for n in range(4)]
    path = write_rows(tmp_path / "my data.jsonl", rows)
    dry = run("quest", "import", path, "--dry-run")
    assert (dry.code, dry.out) == (0, f"{path} would become a quest of 4 rows (format alpaca)\n")
    assert run("quest", "import", path, "--dry-run", "--json").json == [
        {"path": str(path), "format": "alpaca", "samples": 4, "left_out": []}
    ]
    assert Board(realm).counts()["high"] == 0
    told = run("quest", "import", path, "--priority", "high", "--json")
    (row,) = told.json
    assert (told.code, row["name"], row["samples"], row["priority"]) == (0, "my_data.jsonl", 4, "high")
    assert row["source"] == f"import alpaca {path}"
    assert row["provenance"]["counts"] == {"rows": 4, "repeated_prompts": 1}
    assert "1 row repeats the prompt of an earlier row" in told.err
    again = run("quest", "import", path)
    assert (again.code, "the same content is already quest" in again.err) == (3, True)


def test_one_bad_file_keeps_all_of_them_from_the_board(run: Run, realm: Realm, tmp_path: Path) -> None:
    good = write_rows(tmp_path / "good.jsonl", [{"instruction": "a", "output": "b"}])
    bad = write_rows(tmp_path / "bad.jsonl", [{"instruction": "a", "output": "b"}, {"x": 1}])
    refused = run("quest", "import", good, bad)
    assert (refused.code, f"{bad}:2: not a row of the format alpaca (keys: x)" in refused.err) == (1, True)
    assert Board(realm).counts()["normal"] == 0
    assert run("quest", "import", tmp_path / "none.json").code == 4
    (tmp_path / "rows.csv").write_text("a,b\n")
    assert run("quest", "import", tmp_path / "rows.csv").code == 2


def test_a_third_party_s_format_is_an_equal(realm: Realm, tmp_path: Path) -> None:
    site = Site(tmp_path / "site", realm)
    site.install(
        "qa", """
        @hookimpl
        def realm_importers():
            return [Part("qa", "qa_formats:Qa", "q and a.")]
        """,
        qa_formats="""
        from realm_cli.importing import ConversionError

        class Qa:
            def recognises(self, row):
                return "q" in row

            def convert(self, row):
                if "a" not in row:
                    raise ConversionError("no answer")
                turns = [("user", row["q"]), ("assistant", row["a"])]
                return {"messages": [{"role": role, "content": text} for role, text in turns]}
        """,
    )  # fmt: skip
    path = write_rows(tmp_path / "rows.jsonl", [{"q": "hi", "a": "ho"}, {"q": "hi"}])
    refused = site.run("quest", "import", path)
    assert (refused.code, f"{path}:2: no answer" in refused.err) == (1, True)
    told = site.run("quest", "import", write_rows(path, [{"q": "hi", "a": "ho"}]), "--json")
    assert (told.code, told.json[0]["source"]) == (0, f"import qa {path}")


@pytest.mark.reference
def test_the_original_s_files_become_quests(run: Run, realm: Realm, original: Path) -> None:
    pairs = run("quest", "import", original / "bin" / "val_binary_easy_100.jsonl", "--json")
    assert (pairs.code, pairs.json[0]["samples"]) == (0, 100)
    assert "5 rows repeat the prompt of an earlier row" in pairs.err
    problems = run("quest", "import", *sorted((original / "bin").glob("level_*.json")), "--json")
    assert problems.code == 0, problems.err
    assert len(problems.json) == 11
    messages = run("quest", "import", original / "sy_validation_odd.json", "--json")
    assert messages.code == 0, messages.err
    assert messages.json[0]["samples"] == sum(
        map(len, json.loads((original / "sy_validation_odd.json").read_text()).values())
    )
    assert {row["skill"] for row in messages.json} == {"sy"}
    empty = run("quest", "import", original / "syllo_10level" / "empty.jsonl")
    assert (empty.code, "it holds no row" in empty.err) == (1, True)
