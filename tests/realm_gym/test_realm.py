"""A gym skill in a realm: enabled by one command, then like any other, at the terminal, on the page, over HTTP, in a battle."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from helpers import PATIENCE, BattleProcess, Run, environment, realm_line
from realm_cli import skillbook, skillstate
from realm_cli.founding import found
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.sampling import sample
from realm_cli.skillbook import open_skill
from realm_cli.skills import split_of
from realm_http_skill_server import SkillServerProcess
from realm_tavern.app import make_app

COUNT = "gym.count_bits"


@pytest.fixture
def enabled(realm: Realm) -> Realm:
    """The realm with the skill."""
    (realm.skills / f"{COUNT}.yaml").write_text(
        f"id: {COUNT}\nname: Count Bits\nmax_level: 5\nplugin: {COUNT}\neval: {{size: 10}}\n"
    )
    return Realm(realm.root)


def test_one_command_enables_it(realm: Realm, run: Run) -> None:
    done = run("skill", "new", "gym.base_conversion")

    path = realm.skills / "gym.base_conversion.yaml"
    assert (done.code, done.out) == (0, f"{path}\n")
    assert "realm skill sample gym.base_conversion --level 1" in done.err
    assert path.read_text().splitlines()[1:] == [
        "id: gym.base_conversion", "name: Base Conversion", "category: algorithmic", "max_level: 5",
        "plugin: gym.base_conversion",
    ]  # fmt: skip
    assert skillbook.load_config(realm, "gym.base_conversion").plugin == "gym.base_conversion"
    again = run("skill", "new", "gym.base_conversion")
    assert (again.code, "there is a skill 'gym.base_conversion' already" in again.err) == (3, True)


def test_one_that_cannot_be_used_is_refused_with_the_reason(realm: Realm, run: Run) -> None:
    refused = run("skill", "new", "gym.boxnet")

    assert refused.code == 1
    assert "skill 'gym.boxnet' must not be used: level 1: it gives no golden answer (reasoning-gym " in refused.err
    assert "realm skill list --all" in refused.err
    assert skillbook.skill_ids(realm) == ["bin", "sy"]

    (realm.skills / "gym.boxnet.yaml").write_text("id: gym.boxnet\nname: Boxnet\nmax_level: 9\nplugin: gym.boxnet\n")
    listed, forged = run("skill", "list"), run("quest", "forge", "--skill", "gym.boxnet", "--level", 1, "--count", 5)
    assert (listed.code, forged.code) == (0, 1)
    assert "skill 'gym.boxnet' cannot be used: skill 'gym.boxnet' must not be used: level 1: it gives no" in listed.err
    assert "must not be used" in forged.err


def test_a_library_that_is_damaged_is_said_and_no_verdict_comes_of_it(enabled: Realm, tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "reasoning_gym"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text('raise ImportError("half of it is missing")\n')
    line = json.dumps({"prompt": "p", "answer": "1", "reply": "2", "meta": {"seed": 64, "index": 0, "level": 1}})
    for words, given in ((("sample", COUNT, "--level", "1"), ""), (("judge", COUNT), line)):
        done = subprocess.run(
            realm_line("skill", *words, realm=enabled), input=given, capture_output=True, text=True, check=False,
            env={**environment(), "PYTHONPATH": str(broken.parent)}, timeout=PATIENCE,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (1, "")
        assert "error: reasoning-gym cannot be loaded: ImportError: half of it is missing\n" in done.stderr
        assert 'hint: install it anew: pip install "realm-hero[gym]"' in done.stderr


def test_one_that_is_not_enabled_is_named_with_the_command_that_does(run: Run) -> None:
    shown = run("skill", "show", COUNT)

    assert shown.code == 4
    assert f"there is no skill '{COUNT}'" in shown.err
    assert f"enable it: realm skill new {COUNT}" in shown.err


def test_the_terminal_knows_it_by_its_id(enabled: Realm, run: Run) -> None:
    shown = run("skill", "show", COUNT, "--json").json
    problems = run("skill", "sample", COUNT, "--level", 2, "--count", 4, "--json").json
    lines = [json.dumps({**one, "reply": reply}) for one in problems for reply in (one["answer"], one["prompt"], "")]
    judged = run("skill", "judge", COUNT, "--json", input="\n".join(lines))

    assert (shown["id"], [level["closed"] for level in shown["levels"]]) == (COUNT, [False] * 5)
    verdicts = [json.loads(line) for line in judged.out.splitlines()]
    assert [verdict["correct"] for verdict in verdicts] == [True, False, False] * 4
    beyond = run("skill", "sample", COUNT, "--level", 6)
    assert (beyond.code, f"{COUNT} has no level 6" in beyond.err) == (2, True)


def test_a_served_one_equals_the_one_in_this_process(enabled: Realm, tmp_path: Path) -> None:
    here = open_skill(enabled, Manager.of(enabled), COUNT).skill
    other, _ = found(tmp_path / "other")
    server = SkillServerProcess(enabled, COUNT, "-q")
    try:
        _, said = server.post("/generate", {"level": 3, "count": 30, "seed": 11})
        evals = server.get("/eval?level=3&count=5")["samples"]
        first = said["samples"][0]
        asked = {"prompt": first["user_prompt"], "answer": first["assistant_response"], "meta": first["meta"]}
        _, verdict = server.post("/judge", {**asked, "reply": first["assistant_response"]})
        _, wrong = server.post("/judge", {**asked, "reply": "open('/nowhere')"})
        (other.skills / f"{COUNT}.yaml").write_text(f"id: {COUNT}\nname: Bits\nmax_level: 5\napi: {server.url}\n")
        there = open_skill(other, Manager.of(other), COUNT).skill
        through = sample(there, 3, 30, 11, "train")
        judged = [there.judge(problem, problem.answer).correct for problem in through[:3]]
    finally:
        assert server.end() == 0

    told = [(one["user_prompt"], one["assistant_response"], one["key"], one["meta"]) for one in said["samples"]]
    assert told == [(one.prompt, one.answer, one.key, one.meta) for one in sample(here, 3, 30, 11, "train")]
    assert [one["key"] for one in evals] == [one.key for one in sample(here, 3, 5, 0, "eval")]
    assert (verdict["correct"], wrong["correct"]) == (True, False)
    assert (through, judged) == (sample(here, 3, 30, 11, "train"), [True] * 3)


def test_a_hero_trains_on_it_and_is_examined_and_the_page_shows_it(enabled: Realm, run: Run) -> None:
    forged = run("quest", "forge", "--skill", COUNT, "--level", 1, "--count", 64, "--seed", 4, "-q")
    assert forged.code == 0, forged.err
    rows = [json.loads(line) for line in next((enabled.queue / "normal").glob("*.jsonl")).read_text().splitlines()]
    assert {(row["skill"], row["level"], split_of(COUNT, row["problem_key"])) for row in rows} == {(COUNT, 1, "train")}

    assert BattleProcess(enabled, "--until-empty").wait() == 0

    record, ledger = Board(enabled).record(forged.out.strip()), Ledger(enabled).get_latest()
    assert (record.outcome, record.skill, record.samples) == ("completed", COUNT, 64)
    assert record.name.startswith(f"train_{COUNT}_level1_64_")
    assert ledger.skill_name == COUNT
    assert COUNT in skillstate.met(enabled, "dio-mini")
    history = run("skill", "history", COUNT, "--json").json
    assert [(one["level"], one["size"], one["state"]) for one in history] == [(1, 10, "ok")]
    assert (enabled.eval_sets / COUNT / "level_01.json").is_file()
    assert run("status", "--json").json["skills"][COUNT]["evals"] == 1

    client = make_app(Realm(enabled.root), Manager.of(enabled)).test_client()
    page = {"headers": {"Accept": "text/html"}}
    assert f'href="/skill/{COUNT}"' in client.get("/guild", **page).text
    shown = client.get(f"/skill/{COUNT}", **page)
    items = client.get(f"/skill/{COUNT}?step={ledger.step}&level=1", **page)
    assert (shown.status_code, items.status_code) == (200, 200)
    assert "How many 1 bits" in items.text
    told = client.get(f"/api/skills/{COUNT}/evals?step={ledger.step}&level=1").json
    assert told is not None
    assert len(told["items"]) == 10
