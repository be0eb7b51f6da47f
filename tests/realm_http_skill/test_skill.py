"""A skill whose YAML says `api:` is a skill like any other: the three shapes, the split, seeds, what a server may do wrong."""

from __future__ import annotations

import logging
from itertools import islice
from pathlib import Path

import pytest

from helpers import Run
from realm_cli.errors import RealmError, SkillAwayError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.sampling import draws, sample
from realm_cli.skillbook import GuildSkill, open_skill
from realm_cli.skills import Problem, Split, split_of
from realm_guild import curriculum
from realm_guild.api import get_skill, get_trainer
from realm_http_skill import wire
from realm_http_skill.shapes import ShapeError, problems
from realm_http_skill_server import SkillServerProcess, TinyServer, tiny_server, with_double


@pytest.fixture
def far(realm: Realm, served: SkillServerProcess) -> Realm:
    """A realm whose BIN lives on the server."""
    text = (realm.skills / "bin.yaml").read_text().replace("plugin: bin", f"api: {served.url}")
    (realm.skills / "bin.yaml").write_text(text.partition("settings:")[0])
    return realm


@pytest.mark.parametrize("level", [1, 3, 7, 30])
def test_get_trainer_gives_the_same_in_process_and_through_the_server(far: Realm, home: Realm, level: int) -> None:
    here, there = get_trainer("bin", home), get_trainer("bin", far)

    assert there.sample(level=level, count=120, seed=5) == here.sample(level=level, count=120, seed=5)
    assert there.sample(level=level, count=5) != there.sample(level=level, count=5) or level == 1


def test_sy_is_the_same_through_its_server_too(realm: Realm, home: Realm) -> None:
    server = SkillServerProcess(home, "sy", "-q")
    try:
        text = (realm.skills / "sy.yaml").read_text().replace("plugin: sy", f"api: {server.url}")
        (realm.skills / "sy.yaml").write_text(text.partition("settings:")[0])
        here, there = (open_skill(one, Manager.of(one), "sy").skill for one in (home, realm))
        asked: list[tuple[int, Split]] = [(1, "train"), (1, "eval"), (25, "train"), (50, "train"), (50, "eval")]
        for level, split in asked:
            found = sample(here, level, 12, 3, split)
            assert sample(there, level, 12, 3, split) == found
            for problem in found[:3]:
                for reply in (problem.answer, problem.answer[:-1], problem.prompt, ""):
                    assert there.judge(problem, reply) == here.judge(problem, reply)
    finally:
        assert server.end() == 0


@pytest.mark.parametrize("level", [1, 6])
def test_eval_sets_and_verdicts_are_the_same_too(far: Realm, at_home: GuildSkill, level: int) -> None:
    there = open_skill(far, Manager.of(far), "bin").skill
    found = sample(at_home.skill, level, 50, 0, "eval")
    replies = [found[0].answer, found[0].answer + "①", "", found[0].prompt]

    assert sample(there, level, 50, 0, "eval") == found
    assert there.space(level) == at_home.skill.space(level)
    assert [there.judge(found[0], one) for one in replies] == [at_home.skill.judge(found[0], one) for one in replies]


def test_a_far_skill_s_training_obeys_the_split(far: Realm) -> None:
    there = open_skill(far, Manager.of(far), "bin").skill

    drawn = list(islice(draws(there, 8, 3, "train"), 450))

    assert {split_of("bin", problem.key) for problem in drawn} == {"train"}
    assert len({problem.key for problem in drawn}) > 400
    assert drawn == list(islice(draws(there, 8, 3, "train"), 450))
    assert drawn[:9] != list(islice(draws(there, 8, 4, "train"), 9))


def test_get_skill_tells_its_address(far: Realm, served: SkillServerProcess) -> None:
    assert get_skill("bin", far).api_url == served.url


# -- other servers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["samples", "puzzles", "items"])
def test_the_three_shapes_are_understood_and_no_problem_of_the_evals_is_trained(
    realm: Realm, tmp_path: Path, shape: str
) -> None:
    with tiny_server(tmp_path, shape) as server:
        skill = with_double(realm, server.url).skill
        trained, examined = sample(skill, 2, 700, 1, "train"), sample(skill, 2, 12, 0, "eval")

    assert (len(trained), len(examined)) == (700, 12)
    assert all(int(one.answer) == 2 * int(one.prompt.split()[1]) for one in trained)
    assert {one.key[:1] for one in trained} == {"k" if shape == "samples" else "d"}
    assert {split_of("double", one.key) for one in trained} == {"train"}
    assert {split_of("double", one.key) for one in examined} == {"eval"}
    assert not {one.prompt for one in trained} & {one.prompt for one in examined}


def test_a_level_with_few_problems_repeats_them_in_training_only(realm: Realm, tiny: TinyServer) -> None:
    skill = with_double(realm, tiny.url).skill

    trained, examined = sample(skill, 1, 300, 0, "train"), sample(skill, 1, 300, 0, "eval")

    assert (len(trained), len({one.key for one in trained})) == (300, len(trained_keys()))
    assert len(examined) == len({one.key for one in examined}) == 100 - len(trained_keys())


def trained_keys() -> list[str]:
    """The keys of level 1 that belong to training."""
    return [key for key in (f"k{number}" for number in range(100)) if split_of("double", key) == "train"]


def test_forged_quests_depend_on_hero_skill_level_and_counter_alone(realm: Realm, tiny: TinyServer) -> None:
    def forged(counter: int) -> list[dict[str, object]]:
        return curriculum.rows_of(with_double(realm, tiny.url, forge={"samples": {1: 250}}), "dio-mini", 2, counter)

    first = forged(1)
    tiny.kill()
    tiny.start()

    assert len(first) == 250
    assert forged(1) == first
    assert forged(2) != first


def test_a_server_that_ignores_seeds_is_said(realm: Realm, tiny: TinyServer, caplog: pytest.LogCaptureFixture) -> None:
    tiny.has("seedless")

    with caplog.at_level(logging.WARNING):
        assert len(sample(with_double(realm, tiny.url).skill, 2, 30, 1, "train")) == 30

    assert [one.message.partition(":")[0] for one in caplog.records] == ["the server of skill 'double' at http"]
    assert "ignores seeds" in caplog.text


def test_a_server_that_heeds_seeds_is_not(realm: Realm, tiny: TinyServer, caplog: pytest.LogCaptureFixture) -> None:
    sample(with_double(realm, tiny.url).skill, 2, 30, 1, "train")

    assert caplog.records == []


def test_a_server_judges_where_the_yaml_names_no_judge(realm: Realm, tiny: TinyServer) -> None:
    skill = with_double(realm, tiny.url, judge=None).skill
    problem = Problem("double 4", "8", "k4")

    assert [skill.judge(problem, reply).correct for reply in ("8", " 8 ", "88", "")] == [True, True, False, False]
    tiny.has("odd")
    with pytest.raises(SkillAwayError, match="answers /judge with what is no answer"):
        skill.judge(problem, "8")


def test_a_server_without_a_judge_says_what_to_do(realm: Realm, tmp_path: Path) -> None:
    with tiny_server(tmp_path, "items") as server, pytest.raises(SkillAwayError) as caught:
        with_double(realm, server.url, judge=None).skill.judge(Problem("double 4", "8", "k4"), "8")

    assert "has no /judge" in caught.value.message
    assert "judge: exact" in caught.value.hint


# -- what may be wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("garbage", "answers /health with what is no answer: it is not JSON; it said: <html>hello</html>"),
        ("deep", "answers /health with what is no answer: it is not JSON; it said: [[["),
        ("sick", "answers /health with what is no answer: `status` is not ok"),
        ("other", "serves the skill 'triple', not 'double'"),
        ("newer", "speaks version 2 of the skill API, this Realm version 1"),
        ("low", "has levels up to 1, but max_level is 3"),
        ("error", "answers /health with status 500: my [31mdice broke"),
        ("elsewhere", "answers /health with status 302"),
        ("cut", "broke off in the middle of its answer to /health"),
    ],
)
def test_a_server_that_is_of_no_use_is_named_with_what_it_said(
    realm: Realm, tiny: TinyServer, fault: str, said: str
) -> None:
    tiny.has(fault)

    with pytest.raises(SkillAwayError) as caught:
        with_double(realm, tiny.url)

    assert caught.value.message.startswith(f"the server of skill 'double' at {tiny.url} {said}")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300
    assert caught.value.hint


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("null", "item 100 is no object"),
        ("blank", "item 100 has no text in user_prompt or prompt"),
        ("bare", "item 100 has none of assistant_response, solution, answer"),
        ("long", "item 100 is longer than 200,000 characters"),
        ("empty", "it holds no problem"),
        ("huge", "answers /generate with more than 64 MiB"),
        ("surrogate", "answers /generate with what is no answer"),
    ],
)
def test_one_bad_item_spoils_the_answer(realm: Realm, tiny: TinyServer, fault: str, said: str) -> None:
    skill = with_double(realm, tiny.url).skill
    skill.sample(2, 5, 1, "train")  # type: ignore[attr-defined]
    tiny.has(fault)

    with pytest.raises(SkillAwayError, match=said):
        sample(skill, 2, 50, 1, "train")


def test_a_server_that_hiccups_is_asked_again(realm: Realm, tiny: TinyServer) -> None:
    skill = with_double(realm, tiny.url).skill
    calm = sample(skill, 2, 150, 1, "train")
    tiny.has("hiccup")

    assert sample(with_double(realm, tiny.url).skill, 2, 150, 1, "train") == calm


def test_a_server_that_answers_byte_by_byte_is_left(tiny: TinyServer) -> None:
    tiny.has("drip")

    with pytest.raises(SkillAwayError, match=r"is too slow: no whole answer to /info in 0.3 s"):
        wire.SkillServer("double", tiny.url).ask("/info", seconds=0.3)


def test_a_server_that_was_away_is_not_asked_at_every_look(tiny: TinyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "AWAY_SECONDS", 600.0)
    server = wire.SkillServer("double", tiny.url)
    tiny.kill()
    with pytest.raises(SkillAwayError, match="does not answer"):
        server.ask("/health")
    tiny.start()

    with pytest.raises(SkillAwayError, match="does not answer"):
        server.ask("/health")
    wire._away.clear()
    assert server.ask("/health") == {"status": "ok"}


def test_a_look_at_the_realm_does_not_need_the_server(realm: Realm, tiny: TinyServer, run: Run) -> None:
    with_double(realm, tiny.url)
    tiny.kill()

    assert run("status", "--json").json["skills"]["double"]["level"] == 1
    assert [row["error"] for row in run("skill", "list", "--json").json] == ["", "", ""]
    asked = run("skill", "sample", "double", "--level", "1")
    assert asked.code == 1
    assert f"the server of skill 'double' at {tiny.url} does not answer" in asked.err


def test_a_server_that_was_never_met_hides_no_other_skill(realm: Realm, tiny: TinyServer, run: Run) -> None:
    tiny.kill()
    with pytest.raises(SkillAwayError):
        with_double(realm, tiny.url)

    listed = run("skill", "list")

    assert listed.code == 0
    assert "Binary Alchemy" in listed.out
    assert "skill 'double' cannot be used: the server of skill 'double'" in listed.err


def test_a_new_version_of_the_server_is_said(realm: Realm, tiny: TinyServer, caplog: pytest.LogCaptureFixture) -> None:
    with_double(realm, tiny.url)
    path = realm.status / "skill_servers" / "double.json"
    path.write_text(path.read_text().replace('"2.1"', '"1.9"'))

    sample(with_double(realm, tiny.url).skill, 2, 5, 1, "train")

    assert "changed from version '1.9' to '2.1'" in caplog.text


@pytest.mark.parametrize("api", ["127.0.0.1:80", "http://", "gopher://x"])
def test_an_address_that_is_none_is_refused(realm: Realm, api: str) -> None:
    with pytest.raises(RealmError) as caught:
        with_double(realm, api)

    assert api in caught.value.message
    assert caught.value.hint


def test_settings_belong_to_plugins(realm: Realm, tiny: TinyServer) -> None:
    with pytest.raises(RealmError, match="the skill 'double' takes no settings"):
        with_double(realm, tiny.url, settings={"hard": 1})


def test_beyond_loopback_the_token_is_asked_for(home: Realm, realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    server = SkillServerProcess(home, "bin", "-q", "--host", "0.0.0.0")
    text = (realm.skills / "bin.yaml").read_text().replace("plugin: bin", f"api: {server.url}")
    (realm.skills / "bin.yaml").write_text(text.partition("settings:")[0])
    try:
        with pytest.raises(SkillAwayError, match="asks for its token"):
            open_skill(realm, Manager.of(realm), "bin")
        monkeypatch.setenv("REALM_TOKEN", (home.status / "web.token").read_text().strip())
        assert len(get_trainer("bin", realm).sample(level=2, count=7, seed=1)) == 7
    finally:
        server.end()


def test_keys_come_from_the_item_else_from_the_prompt_apart_from_its_wording() -> None:
    said = {
        "items": [{"prompt": "Say  X\n", "solution": {"x": 1}}, {"prompt": "p", "solution": "s", "key": "K" * 10_001}]
    }

    one, other = problems(said, 1)

    assert (one.key, one.answer) == ("say x", '{"x": 1}')
    assert (len(other.key), problems([{"user_prompt": "p", "assistant_response": "s", "key": "k"}], 1)[0].key) == (
        64,
        "k",
    )
    (kept,) = problems([{"prompt": "p", "solution": "s", "key": "K" * 300}], 1)
    (long,) = problems([{"prompt": "p" * 300, "solution": "s"}], 1)
    assert (kept.key, len(long.key)) == ("K" * 300, 64)
    with pytest.raises(ShapeError):
        problems({"results": []}, 1)


def test_whatever_an_item_holds_beside_its_texts_can_be_kept() -> None:
    odd = [
        {"prompt": "p", "solution": 10**30, "meta": {"n": "x" * 20_000}},
        {"prompt": "p", "solution": [1, "é"], "meta": 3},
    ]

    found = problems(odd, 1)

    assert [(one.answer, one.meta) for one in found] == [(str(10**30), {}), ('[1, "é"]', {})]
