from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from helpers import Run
from realm_cli import store
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.sampling import sample
from realm_cli.skillbook import open_skill
from realm_sparring import sources
from realm_sparring.validating import check_file
from realm_sparring_heroes import Said, fought, rows_of, wrong

Damage = Callable[[list[dict[str, Any]]], object]


def written(path: Path, lines: list[Any]) -> Path:
    """A file of these rows; text as it is."""
    path.write_bytes(b"".join(line if isinstance(line, bytes) else msgspec.json.encode(line) + b"\n" for line in lines))
    return path


def row_of(number: int, **changes: Any) -> Damage:
    """Change keys of a row."""
    return lambda lines: lines[number].update(changes)


def problem_of(number: int, **changes: Any) -> Damage:
    """Change keys of a row's problem."""
    return lambda lines: lines[number]["problem"].update(changes)


def say(number: int, role: int, change: Callable[[str], str]) -> Damage:
    """Change a text of a row."""

    def damage(lines: list[dict[str, Any]]) -> None:
        message = lines[number]["messages"][role]
        message["content"] = change(message["content"])

    return damage


def confirm_a_wrong_answer(lines: list[dict[str, Any]]) -> None:
    golden, spoiled = lines[2]["proposed"], lines[2]["proposed"] + "①"
    lines[2]["proposed"] = spoiled
    lines[2]["messages"][0]["content"] = lines[2]["messages"][0]["content"].replace(golden, spoiled)


def propose_the_golden_answer(lines: list[dict[str, Any]]) -> None:
    for row in lines[:2]:
        user = row["messages"][0]
        user["content"] = user["content"].replace(row["proposed"], row["problem"]["answer"])
        row["proposed"] = row["problem"]["answer"]


DAMAGES: dict[str, tuple[Damage, list[tuple[int, str]]]] = {
    "an unknown type": (row_of(0, type="sparring_other"), [(0, "balance"), (1, "schema"), (2, "pair")]),
    "a missing stamp": (lambda lines: lines[0].pop("step"), [(0, "balance"), (1, "schema"), (2, "pair")]),
    "no JSON": (lambda lines: lines.insert(0, b"{\n"), [(1, "schema")]),  # type: ignore[arg-type]
    "another question": (say(0, 0, lambda text: text.replace("Is this correct?", "Right?")), [(1, "text")]),
    "another phrase": (say(0, 1, lambda text: "It is wrong."), [(1, "text")]),
    "yes to a wrong answer": (say(0, 1, lambda text: "It is correct."), [(1, "text")]),
    "a system message": (
        lambda lines: lines[0]["messages"].insert(0, {"role": "system", "content": "be good"}),
        [(1, "text")],
    ),
    "a digit of the correction changed": (say(1, 1, lambda text: text + "⓪"), [(2, "golden")]),
    "a wrong answer confirmed": (confirm_a_wrong_answer, [(3, "golden")]),
    "a right answer called wrong": (propose_the_golden_answer, [(1, "wrong"), (2, "wrong")]),
    "another key": (row_of(0, problem_key="add(①, ①)"), [(1, "split"), (1, "pair"), (2, "pair")]),
    "a skill that is not here": (row_of(2, skill="syl"), [(3, "skill"), (3, "stamp")][:1]),
    "a level that is not there": (row_of(2, level=99), [(3, "skill")]),
    "another hero": (row_of(3, hero="dio"), [(4, "stamp"), (4, "stamp")]),
    "weights of another checkpoint": (
        lambda lines: [row.update(weights_sha256="f" * 64) for row in lines],
        [(1, "stamp"), (1, "stamp")],
    ),
    "no hash": (lambda lines: [row.update(weights_sha256="") for row in lines], [(1, "stamp")] * 3),
    "a row twice": (lambda lines: lines.append(lines[2]), [(0, "balance"), (7, "duplicate")]),
    "a row lost": (lambda lines: lines.pop(2), [(0, "balance")]),
    "half a pair": (lambda lines: (lines.pop(1), lines.pop(1)), [(0, "balance"), (1, "pair")]),
    "nothing": (lambda lines: lines.clear(), [(0, "empty")]),
}


@pytest.fixture
def lines(realm: Realm) -> list[dict[str, Any]]:
    """The rows of a good quest of six."""
    quest = fought(realm, Said(realm, wrong), count=2).run.quest
    return list(store.read_lines(Board(realm).files("high")[0].path)) if quest else []


def test_every_kind_of_damage_is_found_in_its_line(realm: Realm, lines: list[dict[str, Any]], tmp_path: Path) -> None:
    manager = Manager.of(realm)
    ((file, _, source),) = sources.waiting(realm)
    assert check_file(realm, manager, file.path, source).findings == []
    for name, (damage, expected) in DAMAGES.items():
        spoiled = msgspec.json.decode(msgspec.json.encode(lines))
        damage(spoiled)
        report = check_file(realm, manager, written(tmp_path / "spoiled.jsonl", spoiled), source)
        assert sorted((one.line, one.check) for one in report.findings) == sorted(expected), (name, report.findings)


def test_a_problem_of_the_eval_split_is_found(realm: Realm, lines: list[dict[str, Any]], tmp_path: Path) -> None:
    manager = Manager.of(realm)
    (problem,) = sample(open_skill(realm, manager, "bin").skill, 6, 1, 0, "eval")
    text = f"{problem.prompt}\n\nProposed answer:\n{problem.answer}\n\nIs this correct?"
    lines[2] |= {"problem": msgspec.to_builtins(problem), "problem_key": problem.key, "proposed": problem.answer}
    lines[2]["messages"][0]["content"] = text
    (found,) = check_file(realm, manager, written(tmp_path / "spoiled.jsonl", lines)).findings
    assert (found.line, found.check) == (3, "split")
    assert found.message.endswith("belongs to the eval set")


def test_a_quest_whose_record_tells_another_origin_is_found(
    run: Run, realm: Realm, lines: list[dict[str, Any]]
) -> None:
    ((file, record, _),) = sources.waiting(realm)
    Board(realm).update(file.id, source=record.source.replace(" level 6 ", " level 7 "))
    told = run("spar", "validate", "--queued")
    assert told.code == 1
    assert f"{file.path}:1: stamp: the quest's record tells another origin: spar hero dio-mini step 100" in told.out


def test_the_command_names_file_and_line_and_ends_with_one(run: Run, realm: Realm, tmp_path: Path) -> None:
    nothing = run("spar", "validate")
    assert (nothing.code, nothing.out) == (0, "there is no sparring quest to check\n")
    fought(realm, Said(realm, wrong), count=2)
    (file,) = Board(realm).files("high")
    assert run("spar", "validate", "-q").out == ""
    assert run("spar", "validate", "--queued").out == f"{file.path}: ok, 6 rows\n"
    lines = list(store.read_lines(file.path))
    lines[4]["messages"][1]["content"] += "⓪"
    bad = written(tmp_path / "bad.jsonl", lines)
    told = run("spar", "validate", bad)
    assert told.code == 1
    assert told.out.startswith(f"{bad}:5: golden: the assistant's text is not '")
    (report,) = run("spar", "validate", bad, "--json").json
    assert [(one["line"], one["check"]) for one in report["findings"]] == [(5, "golden")]
    assert run("spar", "validate", bad, "--queued").code == 2
    assert run("spar", "validate", tmp_path / "none.jsonl").code == 4


def test_problems_in_symbols_and_of_auxiliary_kinds_are_sparred_like_all_others(realm: Realm) -> None:
    manager = Manager.of(realm)
    settings = {"kinds": {1: [25, 25, 25, 25]}, "symbols": {1: 50}}
    path = realm.skills / "bin.yaml"
    text = path.read_text("utf-8")
    path.write_text(
        text.replace(
            text[text.index("  kinds:\n") :], f"  kinds: {settings['kinds']}\n  symbols: {settings['symbols']}\n"
        )
    )
    result = fought(realm, Said(realm, wrong), count=40, level=9, seed=3)
    assert result.run.wrong == 40
    assert result.run.rows == 120
    rows = rows_of(realm, result.run.quest)
    forms = {str(row.problem.meta.get("form", "")) for row in rows}
    kinds = ("", "find-the-error", "fill-the-blank", "true-or-false")
    assert forms == {form for kind in kinds for form in (kind, f"{kind} in symbols".strip())}
    ((file, _, source),) = sources.waiting(realm)
    assert check_file(realm, manager, file.path, source).findings == []
    first = next(row for row in rows if row.type == "sparring_correction")
    assert first.messages[1].content == first.problem.answer
    assert first.problem_key == first.problem.key
