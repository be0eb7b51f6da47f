from __future__ import annotations

import json
import re
from typing import Any

import pytest

from realm_cli.realm import Realm
from realm_cli.skills import split_of


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_list_tells_what_there_is(realm: Realm, run: Any) -> None:
    result = run("skill", "list", realm=realm)
    assert result.code == 0
    assert all(word in result.out for word in ("bin", "🔢", "Binary Alchemy", "1-30", "1-4"))
    row, other = json.loads(run("skill", "list", "--json", realm=realm).out)
    assert (other["id"], other["max_level"], other["locked_by"]) == ("sy", 50, {"bin": 10})
    assert (row["id"], row["max_level"], row["closed_levels"]) == ("bin", 30, [1, 2, 3, 4])


def test_a_broken_skill_is_said_beside_the_list(realm: Realm, run: Any) -> None:
    (realm.skills / "zap.yaml").write_text("id: zap\n")
    result = run("skill", "list", "--json", realm=realm)
    assert result.code == 0
    assert [row["id"] for row in json.loads(result.out)] == ["bin", "sy", "zap"]
    assert "skill 'zap' cannot be used" in result.err


@pytest.mark.parametrize("name", ["bin", "binary"])
def test_show_tells_every_level(realm: Realm, run: Any, name: str) -> None:
    shown = json.loads(run("skill", "show", name, "--json", realm=realm).out)
    assert (shown["id"], shown["color"], len(shown["levels"])) == ("bin", "#F59E0B", 30)
    assert shown["levels"][0] == {"level": 1, "name": "", "space": 61, "closed": True}
    assert "Binary Alchemy" in run("skill", "show", name, realm=realm).out


def test_samples_are_fixed_by_their_seed(realm: Realm, run: Any) -> None:
    ask = ("skill", "sample", "bin", "--level", "6", "--count", "20", "--seed", "4", "--json")
    once, again = run(*ask, realm=realm), run(*ask, realm=realm)
    assert once.out == again.out
    rows = json.loads(once.out)
    assert len(rows) == 20
    assert set(rows[0]) == {"prompt", "answer", "key", "level", "meta"}
    evals = json.loads(run(*ask, "--split", "eval", realm=realm).out)
    assert not {row["key"] for row in rows} & {row["key"] for row in evals}


def test_samples_for_people_show_prompt_and_answer(realm: Realm, run: Any) -> None:
    result = run("skill", "sample", "bin", "--level", "1", "--count", "70", "--split", "eval", realm=realm)
    assert result.code == 0
    assert result.out.count("Compute: ") == 61
    assert "61 distinct problems" in result.err


def test_what_sample_prints_can_be_judged(realm: Realm, run: Any) -> None:
    rows = json.loads(run("skill", "sample", "bin", "--level", "9", "--count", "30", "--json", realm=realm).out)
    golden = "".join(json.dumps({**row, "reply": row["answer"]}) + "\n" for row in rows)
    echo = "".join(json.dumps({**row, "reply": row["prompt"]}) + "\n" for row in rows)
    result = run("skill", "judge", "bin", "--json", realm=realm, input=golden + echo)
    assert result.code == 0
    assert [set(line) for line in lines(result.out)] == [{"correct", "parsed", "reason"}] * 60
    assert [line["correct"] for line in lines(result.out)] == [True] * 30 + [False] * 30
    assert "30 of 60 right" in run("skill", "judge", "bin", realm=realm, input=golden + echo).err


def test_a_bad_line_stops_judging_with_its_number(realm: Realm, run: Any) -> None:
    good = json.dumps({"prompt": "Compute: increment(①)", "answer": "increment(①) = ①⓪", "reply": "①⓪"})
    result = run("skill", "judge", "bin", "--json", realm=realm, input=f"{good}\n{{broken\n")
    assert result.code == 2
    assert len(lines(result.out)) == 1
    assert result.err.startswith("error: line 2 is not valid JSON")
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    "words",
    [
        ("skill", "show", "bni"),
        ("skill", "sample", "bni", "--level", "1"),
        ("skill", "judge", "bni"),
        ("quest", "forge", "--skill", "bni", "--level", "1", "--count", "5"),
    ],
)
def test_an_unknown_skill_is_not_found_and_the_nearest_named(realm: Realm, run: Any, words: tuple[str, ...]) -> None:
    result = run(*words, realm=realm, input="")
    assert result.code == 4
    assert "there is no skill 'bni'" in result.err
    assert "did you mean 'bin'?" in result.err


@pytest.mark.parametrize("level", ["0", "31", "-1"])
def test_a_level_out_of_range_is_a_usage_error(realm: Realm, run: Any, level: str) -> None:
    for words in (
        ("skill", "sample", "bin", "--level", level),
        ("quest", "forge", "--skill", "bin", "--level", level, "--count", "5"),
    ):
        result = run(*words, realm=realm)
        assert result.code == 2
        assert f"bin has no level {level}" in result.err
        assert "1 to 30" in result.err


def test_forge_queues_a_quest_and_says_what_happens_next(realm: Realm, run: Any) -> None:
    forge = ("quest", "forge", "--skill", "binary", "--level", "2", "--count", "100")
    result = run(*forge, "--seed", "7", realm=realm)
    assert result.code == 0
    assert "train_bin_level2_100_20" in result.out
    assert "1 of 1 in normal" in result.out
    assert "realm battle start" in result.out
    (row,) = json.loads(run(*forge, "--seed", "8", "--priority", "high", "--json", realm=realm).out)
    assert (row["priority"], row["samples"], row["skill"], row["level"]) == ("high", 100, "bin", 2)
    quiet = run(*forge, "--seed", "9", "-q", realm=realm).out
    (path,) = (realm.queue / "normal").glob(f"*{quiet.strip()}*")
    assert re.search(r"train_bin_level2_100_[0-9]{8}-[0-9]{6}\.jsonl$", path.name)


def test_a_quest_of_another_difficulty_says_so_and_stays_out_of_the_evals(realm: Realm, run: Any) -> None:
    forge = ("quest", "forge", "--skill", "bin", "--level", "6", "--count", "50", "--json")
    (row,) = run(*forge, "--difficulty", "mix={1: [0, 100, 0, 0]}", realm=realm).json
    assert row["provenance"]["parameters"]["difficulty"] == {"mix": {"1": [0, 100, 0, 0]}}
    (path,) = (realm.queue / "normal").glob(f"*{row['id']}*")
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert all(line["messages"][0]["content"].startswith("Compute [verify]: ") for line in lines)
    assert {split_of("bin", line["problem_key"]) for line in lines} == {"train"}
    for wrong, code, message in (
        ("operations={1: {increment: 1}}", 3, "bin level 6 would have fewer than 5000 problems"),
        ("mixx={}", 1, "--difficulty: "),
        ("mix", 2, "'mix' is no setting"),
        ("mix={", 2, "not valid YAML"),
    ):
        refused = run(*forge, "--difficulty", wrong, realm=realm)
        assert (refused.code, message in refused.err) == (code, True), refused.err
    assert len(list((realm.queue / "normal").glob("*.jsonl"))) == 1


def test_forging_the_same_quest_twice_is_refused(realm: Realm, run: Any) -> None:
    forge = ("quest", "forge", "--skill", "bin", "--level", "2", "--count", "50")
    assert run(*forge, realm=realm).code == 0
    result = run(*forge, realm=realm)
    assert result.code == 3
    assert "--seed" in result.err
    assert len(list((realm.queue / "normal").glob("*.jsonl"))) == 1
