"""`realm skill serve`: any skill of this process over HTTP, item by item the same, and nothing that a client says breaks it."""

from __future__ import annotations

import http.client
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import PATIENCE, Run
from realm_cli.realm import Realm
from realm_cli.sampling import sample
from realm_cli.skillbook import GuildSkill
from realm_cli.skills import split_of
from realm_http_skill.serve_command import PORTS
from realm_http_skill_server import SkillServerProcess


def test_it_tells_what_it_serves(served: SkillServerProcess) -> None:
    info, levels = served.get("/info"), served.get("/levels")

    assert served.get("/health")["status"] == "ok"
    assert (info["skill"], info["name"], info["category"], info["levels"]) == (
        "bin",
        "Binary Alchemy",
        "arithmetic",
        30,
    )
    assert {"version", "tags"} <= set(info)
    assert [level["level"] for level in levels] == list(range(1, 31))
    assert {"level", "name", "eval_samples", "pass_threshold", "params"} <= set(levels[0])
    assert (levels[0]["eval_samples"], levels[0]["pass_threshold"]) == (50, 0.8)


@pytest.mark.parametrize(("level", "count"), [(1, 200), (3, 40), (7, 300), (30, 20)])
def test_what_it_generates_equals_the_skill_in_this_process_item_by_item(
    served: SkillServerProcess, at_home: GuildSkill, level: int, count: int
) -> None:
    status, said = served.post("/generate", {"level": level, "count": count, "seed": 11})

    assert status == 200
    assert said["level_info"]["level"] == level
    assert [(one["user_prompt"], one["assistant_response"], one["key"], one["meta"]) for one in said["samples"]] == [
        (one.prompt, one.answer, one.key, one.meta) for one in sample(at_home.skill, level, count, 11, "train")
    ]


@pytest.mark.parametrize("path", ["/eval?level=6", "/eval/6"])
def test_evals_are_those_of_the_skill_in_this_process(
    served: SkillServerProcess, at_home: GuildSkill, path: str
) -> None:
    keys = [one["key"] for one in served.get(path)["samples"]]

    assert keys == [one.key for one in sample(at_home.skill, 6, 50, 0, "eval")]
    assert {split_of("bin", key) for key in keys} == {"eval"}


def test_without_a_seed_every_answer_is_another_and_says_its_seed(served: SkillServerProcess) -> None:
    one, other = (served.post("/generate", {"level": 9, "count": 20})[1] for _ in range(2))

    assert one["samples"] != other["samples"]
    assert served.post("/generate", {"level": 9, "count": 20, "seed": one["seed"]})[1] == one


def test_a_flood_of_clients_gets_the_same_answers_as_one(served: SkillServerProcess) -> None:
    asked = [{"level": level, "count": 50, "seed": level} for level in range(1, 31)] * 3
    with ThreadPoolExecutor(45) as clients:
        flooded = list(clients.map(lambda body: served.post("/generate", body), asked))

    assert flooded == [served.post("/generate", body) for body in asked[:30]] * 3


def test_it_judges(served: SkillServerProcess) -> None:
    problem = {"prompt": "Compute: add(①, ①)", "answer": "add(①, ①) = ①⓪"}

    assert served.post("/judge", {**problem, "reply": "add(①, ①) = ①⓪"})[1]["correct"] is True
    assert served.post("/judge", {**problem, "reply": "add(①, ①) = ①⓪⓪"})[1]["correct"] is False


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/generate", {"level": 1, "count": 2, "sed": 1}, "unknown field 'sed'"),
        ("/generate", {"level": 31}, "bin has no level 31"),
        ("/generate", {"level": 0}, "bin has no level 0"),
        ("/generate", {"level": 1, "count": 0}, "the request is not right"),
        ("/generate", {"level": 1, "count": 1001}, "the request is not right"),
        ("/generate", {"level": "1"}, "the request is not right"),
        ("/generate", {"level": 10**40}, "bin has no level 1000"),
        ("/generate", {"level": 1, "seed": 2**60}, "the request is not right"),
        ("/generate", {"count": 1}, "the request is not right"),
        ("/judge", {"prompt": "p", "answer": "a"}, "the request is not right"),
        ("/judge", {"prompt": "p", "answer": "a", "reply": 3}, "the request is not right"),
        ("/judge", {"prompt": "p", "answer": "a", "reply": "x" * 300_000}, "the request is not right"),
        ("/eval", None, "level= is no number"),
        ("/eval?level=zwei", None, "level=zwei is no number"),
        ("/eval?level=99", None, "bin has no level 99"),
        ("/eval?level=1&count=1001", None, "count=1001 is not a number from 1 to 1000"),
        ("/eval?level=1&lvl=2", None, "unknown argument 'lvl'"),
    ],
)
def test_a_wrong_request_is_refused_with_the_reason(
    served: SkillServerProcess, path: str, body: dict[str, object] | None, said: str
) -> None:
    status, answer = served.ask(path, None if body is None else json.dumps(body).encode())

    assert status == 400
    assert answer["error"].startswith(said)


def test_bodies_are_bounded(served: SkillServerProcess) -> None:
    wire = http.client.HTTPConnection(served.url.removeprefix("http://"), timeout=PATIENCE)
    wire.putrequest("POST", "/generate")
    for name, value in (("Content-Type", "application/json"), ("Content-Length", "1100000")):
        wire.putheader(name, value)
    wire.endheaders()

    answer = wire.getresponse()

    assert (answer.status, json.load(answer)["error"]) == (413, "the body is too large")
    wire.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(["/generate", "/judge"]), body=st.binary() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.sampled_from(["level", "count", "seed", "prompt", "answer", "reply", "meta"]), each),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_body_makes_it_fail(served: SkillServerProcess, path: str, body: bytes) -> None:
    status, _ = served.ask(path, body)

    assert status in (200, 400)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"level":' * 50_000, b'{"level": 1, "count": 1e400}', b"\xff\xfe"])
def test_hostile_json_is_a_wrong_request(served: SkillServerProcess, body: bytes) -> None:
    assert served.ask("/generate", body)[0] == 400


def test_its_description_names_every_route(served: SkillServerProcess) -> None:
    described = served.get("/openapi.json")

    assert sorted(described["paths"]) == ["/eval", "/eval/{number}", "/generate", "/info", "/judge"]
    assert described["components"]["schemas"]["GenerateAsked"]["additionalProperties"] is False


def test_the_ports_are_those_of_the_original() -> None:
    assert PORTS == {"sy": 8080, "bin": 8090}


def test_a_taken_port_is_said(served: SkillServerProcess, home: Realm, run: Run) -> None:
    port = served.url.rpartition(":")[2]

    refused = run("skill", "serve", "binary", "--port", port, realm=home)

    assert refused.code == 5
    assert f"port {port} of 127.0.0.1 is taken" in refused.err


def test_a_skill_that_lives_on_a_server_is_not_served_again(realm: Realm, run: Run, served: SkillServerProcess) -> None:
    text = (realm.skills / "bin.yaml").read_text().replace("plugin: bin", f"api: {served.url}")
    (realm.skills / "bin.yaml").write_text(text.partition("settings:")[0])

    refused = run("skill", "serve", "bin", "--port", "0")

    assert refused.code == 3
    assert f"skill 'bin' lives on a server already: {served.url}" in refused.err


def test_a_server_of_an_unknown_skill_says_so(realm: Realm, run: Run) -> None:
    refused = run("skill", "serve", "dance", "--port", "0")

    assert refused.code == 4
    assert "there is no skill 'dance'" in refused.err
