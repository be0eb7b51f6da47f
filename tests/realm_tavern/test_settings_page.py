"""The armory: forms from the schema, changes with their checks and backups, snapshots, the calculator, the active hero."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from helpers import Run, rows, write_rows
from realm_cli import backups, configedit, status
from realm_cli.manager import Manager
from realm_cli.process import this_process
from realm_cli.realm import Realm
from realm_cli.records import TrainingStatus, now
from realm_guild_heroes import HERO, checkpoint, set_yaml
from realm_tavern.app import make_app
from realm_tavern.settings_vram import SIZES
from realm_tavern_quests import HOSTILE, csrf_of

PAGE = {"Accept": "text/html"}
LENGTH = f"heroes.{HERO}.max_length"


@pytest.fixture
def client(realm: Realm) -> FlaskClient:
    """A program that talks to the Tavern, without a server."""
    return make_app(realm, Manager.of(realm)).test_client()


def send(client: FlaskClient, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    """What a program posts, which has no cookies."""
    answer = client.application.test_client().post(path, json=body)
    return answer.status_code, answer.get_json()


def put(client: FlaskClient, key: str, value: Any, **more: Any) -> tuple[int, dict[str, Any]]:
    return send(client, "/api/settings", {"key": key, "value": value, **more})


def form(client: FlaskClient, path: str, **fields: str) -> Any:
    """A form sent by a browser without scripts."""
    fields["csrf"] = csrf_of(client.get("/settings", headers=PAGE).text)
    return client.post(path, data=fields, headers=PAGE)


def settings(client: FlaskClient) -> dict[str, dict[str, Any]]:
    answer = client.get("/api/settings")
    assert answer.status_code == 200
    return {one["key"]: one for one in answer.get_json()["settings"]}


def fights(realm: Realm) -> None:
    """A battle says that it runs; it is this very process."""
    training = TrainingStatus(state="training", hero=HERO, process=this_process(), started_at=now(), heartbeat=now())
    status.write(realm, training)


# -- what is shown -------------------------------------------------------------------------------------------------


def test_every_key_is_there_with_value_default_type_and_place(realm: Realm, client: FlaskClient) -> None:
    found = settings(client)
    expected = {one.key: (one.value, one.source) for one in configedit.settings(realm) if one.key != "hero"}
    assert {key: (one["value"], one["source"]) for key, one in found.items()} == expected
    steps = found["training.save_steps"]
    assert (steps["default"], steps["type"], steps["locked"]) == (1000, "a whole number, at least 1", False)
    assert set(found["training.device"]["choices"]) == {"auto", "cpu", "cuda"}
    assert "A checkpoint at every multiple" in steps["help"]
    assert found[f"heroes.{HERO}.embedded.head_size"]["help"] == "heads * head_size = hidden_size"
    assert found["tavern.port"]["type"] == "a whole number, at least 0 and at most 65535"
    page = client.get("/settings", headers=PAGE).text
    for key in expected:
        assert f'id="set-{key}"' in page


def test_each_kind_of_value_has_its_input(client: FlaskClient) -> None:
    page = client.get("/settings", headers=PAGE).text

    def input_of(key: str) -> str:
        found = re.search(rf'<(?:select|input|textarea)[^>]*id="in-{re.escape(key)}"[^>]*>', page)
        assert found
        return found[0]

    assert input_of("training.device").startswith("<select")
    assert 'type="checkbox"' in input_of(f"heroes.{HERO}.recipe.gradient_checkpointing")
    assert 'step="1" min="1"' in input_of("training.save_steps")
    assert 'min="0" max="65535"' in input_of("tavern.port")
    assert input_of("plugins.disabled").startswith("<textarea")
    assert 'type="text"' in input_of("web.host")
    assert "style=" not in page
    assert not re.search(r"\son[a-z]+=", page)


def test_locked_keys_are_those_of_heroes_with_checkpoints(realm: Realm, client: FlaskClient) -> None:
    assert not any(one["locked"] for one in settings(client).values())
    checkpoint(realm, 100)
    locked = {key for key, one in settings(client).items() if one["locked"]}
    assert {LENGTH, f"heroes.{HERO}.embedded.layers"} < locked
    assert all(key.startswith(f"heroes.{HERO}.") for key in locked)
    assert "It is locked: what a change means" in client.get("/settings", headers=PAGE).text


# -- changes -------------------------------------------------------------------------------------------------------


def test_a_change_keeps_comments_and_leaves_a_backup(realm: Realm, client: FlaskClient) -> None:
    before = realm.config_file.read_text()
    code, told = put(client, "training.save_steps", 250)
    assert code == 200
    assert (told["before"], told["after"]) == (1000, 250)
    assert realm.config_file.read_text() == before.replace("save_steps: 1000", "save_steps: 250")
    assert (realm.root / told["backup"] / "configs/realm.yaml").read_text() == before
    assert told["backup"] in told["said"]
    assert realm.config.training.save_steps == 250


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("web.host", "no", "no"), ("web.host", "it's: #1", "it's: #1"), ("board.inspection", "deep", "deep"),
        ("web.names", "a.example\r\nb # c\n\n", ["a.example", "b # c"]), ("web.names", ["x"], ["x"]),
        ("training.threads", "", None), ("training.threads", 3, 3), ("training.save_minutes", "2.5e1", 25.0),
        (f"heroes.{HERO}.recipe.gradient_checkpointing", True, True), (f"heroes.{HERO}.title", "", ""),
        (f"heroes.{HERO}.recipe.gradient_checkpointing", "true", True), (f"heroes.{HERO}.title", "über ünder", "über ünder"),
        (f"heroes.{HERO}.title", "null", "null"), (f"heroes.{HERO}.title", HOSTILE, HOSTILE),
    ],
)  # fmt: skip
def test_what_is_typed_is_what_is_kept(realm: Realm, client: FlaskClient, key: str, value: Any, kept: Any) -> None:
    assert put(client, key, value)[0] == 200
    assert settings(client)[key]["value"] == kept
    page = client.get("/settings", headers=PAGE)
    assert page.status_code == 200
    assert HOSTILE not in page.text


def test_the_same_value_again_changes_no_file(realm: Realm, client: FlaskClient) -> None:
    files = {path: path.read_bytes() for path in realm.configs.rglob("*.yaml")}
    for key, one in settings(client).items():
        value = "\n".join(one["value"]) if isinstance(one["value"], list) else one["value"]
        if value is not None:
            code, told = put(client, key, value)
            assert (code, told["backup"]) == (200, None), key
            code, told = put(client, key, str(value).lower() if isinstance(value, bool) else str(value))
            assert (code, told["backup"]) == (200, None), key
    assert {path: path.read_bytes() for path in realm.configs.rglob("*.yaml")} == files


def test_a_default_is_restored_by_null_and_by_the_button(realm: Realm, client: FlaskClient) -> None:
    for restore in (lambda: put(client, "training.save_steps", None)[0], lambda: form(
        client, "/api/settings", key="training.save_steps", value="77", default="true",
    ).status_code):  # fmt: skip
        put(client, "training.save_steps", 250)
        assert restore() in (200, 303)
        steps = settings(client)["training.save_steps"]
        assert (steps["value"], steps["source"]) == (1000, "default")
    assert "A checkpoint at every multiple" in steps["help"]
    code, told = put(client, LENGTH, None)
    assert (code, "missing" in told["error"]) == (400, True)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("training.save_steps", 0, ">= 1"), ("training.save_steps", "many", "expected `int`"), ("training.save_steps", "", "int"),
        ("training.device", "gpu", "gpu"), ("training.save_step", 1, "save_step"), ("training", 1, "training"),
        ("hero", "dio", "active hero"), ("heroes.nobody.title", "x", "nobody"), ("heroes.../../x.title", "x", "no key"),
        ("heroes.dio.embedded", "x", "section"), ("training.save_steps", {"a": 1}, "mapping"), ("training.save_steps", [1], "int"),
        ("web.host", "a\x00b", "cannot be seen"), ("web.host", "x" * 30000, "longer"), (f"heroes.{HERO}.embedded.heads", 3, "evenly"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_and_nothing_changes(
    realm: Realm, client: FlaskClient, key: str, value: Any, words: str
) -> None:
    files = {path: path.read_bytes() for path in realm.configs.rglob("*.yaml")}
    code, told = put(client, key, value)
    assert code in (400, 404)
    assert words in told["error"]
    assert {path: path.read_bytes() for path in realm.configs.rglob("*.yaml")} == files
    assert backups.snapshots(realm) == []


@pytest.mark.parametrize(
    "body", [{}, {"key": "web.host"}, {"key": 1, "value": 1}, {"key": "a", "value": 1, "more": 2}, []]
)
def test_a_wrong_request_is_refused(client: FlaskClient, body: Any) -> None:
    answer = client.post("/api/settings", json=body)
    assert (answer.status_code, set(answer.get_json())) == (400, {"error", "hint"})


def test_without_scripts_the_error_stands_beside_the_field_with_what_was_typed(client: FlaskClient) -> None:
    answer = form(client, "/api/settings", key="training.save_steps", value=f"-5{HOSTILE}")
    assert answer.status_code == 400
    field = re.search(r'<form[^>]*id="set-training.save_steps".*?</form>', answer.text, re.DOTALL)
    assert field
    assert 'value="-5&lt;img' in field[0]
    assert "training.save_steps cannot be" in field[0]
    assert HOSTILE not in answer.text
    assert answer.text.count('role="alert">training.save_steps cannot be') == 1
    unknown = form(client, "/api/settings", key=HOSTILE, value="1")
    assert unknown.status_code == 400
    assert "there is no key" in unknown.text
    assert HOSTILE not in unknown.text


def test_without_scripts_a_change_leads_back_to_the_field(realm: Realm, client: FlaskClient) -> None:
    answer = form(client, "/api/settings", key="training.save_steps", value="50")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/settings#set-training.save_steps")
    assert "training.save_steps: 1000 → 50" in client.get("/settings", headers=PAGE).text
    key = f"heroes.{HERO}.recipe.gradient_checkpointing"
    assert client.post("/api/settings", data={"key": key, "value": ["true", "false"]}, headers=PAGE).status_code == 303
    assert realm.hero().recipe.gradient_checkpointing


def test_a_locked_key_needs_approval_and_then_has_a_backup(realm: Realm, client: FlaskClient) -> None:
    checkpoint(realm, 100)
    before = realm.hero_file(HERO).read_bytes()
    code, told = put(client, LENGTH, 256)
    assert (code, "locked" in told["error"]) == (409, True)
    refused = form(client, "/api/settings", key=LENGTH, value="256")
    assert refused.status_code == 409
    assert "<details open><summary>It is locked" in refused.text
    assert realm.hero_file(HERO).read_bytes() == before
    code, told = put(client, LENGTH, 256, approve=True)
    assert code == 200
    assert realm.hero().max_length == 256
    assert (realm.root / told["backup"] / f"configs/heroes/{HERO}.yaml").read_bytes() == before
    assert form(client, "/api/settings", key=LENGTH, value="128", approve="true").status_code == 303
    assert realm.hero().max_length == 128


def test_while_a_battle_runs_it_is_said_that_it_goes_on_with_the_old_value(realm: Realm, client: FlaskClient) -> None:
    assert put(client, "training.save_steps", 250)[1]["restart"] is False
    fights(realm)
    code, told = put(client, "training.save_steps", 300)
    assert (code, told["restart"]) == (200, True)
    assert "stop it and start it again" in told["said"]
    assert put(client, "tavern.port", 9999)[1]["restart"] is False
    assert put(client, LENGTH, 256, approve=True)[0] == 409
    assert "A battle runs." in client.get("/settings", headers=PAGE).text


def test_one_field_is_a_fragment_of_its_own(client: FlaskClient) -> None:
    part = client.get("/settings?fragment=field&key=web.host", headers=PAGE)
    assert part.text.strip().startswith("<form")
    assert "<html" not in part.text
    assert client.get("/settings?fragment=field&key=web.hos", headers=PAGE).status_code == 400
    assert client.get("/settings?fragment=all", headers=PAGE).status_code == 404


def test_a_mistake_in_a_hero_is_shown_and_the_way_back_stays_open(realm: Realm, client: FlaskClient) -> None:
    kept = client.post("/api/settings/snapshot", json={}).get_json()["snapshot"]
    set_yaml(realm.hero_file("dio"), "max_length: 2048", "max_lenght: 2048")
    told = client.get("/api/settings").get_json()
    assert told["settings"] == []
    assert "max_lenght" in told["problems"][0]
    page = client.get("/settings", headers=PAGE)
    assert page.status_code == 200
    assert "max_lenght" in page.text
    answer = client.post("/api/settings/restore", json={"snapshot": kept, "confirm": True})
    assert answer.get_json()["files"] == ["configs/heroes/dio.yaml"]
    assert client.get("/api/settings").get_json()["problems"] == []


# -- snapshots -----------------------------------------------------------------------------------------------------


def test_a_snapshot_holds_all_files_and_brings_them_back(realm: Realm, client: FlaskClient) -> None:
    answer = client.post("/api/settings/snapshot", json={"reason": f"before {HOSTILE}"})
    name = answer.get_json()["snapshot"]
    good = {path: path.read_bytes() for path in realm.configs.rglob("*.yaml")}
    assert backups.find(realm, name).files() == sorted(path.relative_to(realm.root).as_posix() for path in good)
    put(client, "training.save_steps", 9)
    put(client, "heroes.dio.title", HOSTILE)
    changed = {path: path.read_bytes() for path in realm.configs.rglob("*.yaml")}
    page = client.get(f"/settings/snapshots/{name}", headers=PAGE).text
    assert "+  save_steps: 1000" in page
    assert "-  save_steps: 9" in page
    assert HOSTILE not in page
    unsure = client.post("/api/settings/restore", json={"snapshot": name})
    assert (unsure.status_code, unsure.get_json()["hint"]) == (409, "confirm it")
    done = form(client, "/api/settings/restore", snapshot=name, confirm="true")
    assert done.status_code == 303
    assert {path: path.read_bytes() for path in realm.configs.rglob("*.yaml")} == good
    newest = backups.snapshots(realm)[0]
    assert newest.reason.startswith("before going back to")
    assert send(client, "/api/settings/restore", {"snapshot": newest.name, "confirm": True})[0] == 200
    assert {path: path.read_bytes() for path in realm.configs.rglob("*.yaml")} == changed
    code, again = send(client, "/api/settings/restore", {"snapshot": newest.name, "confirm": True})
    assert (code, again["files"], again["backup"]) == (200, [], None)


def test_snapshots_are_listed_newest_first_with_time_and_reason(realm: Realm, client: FlaskClient) -> None:
    client.post("/api/settings/snapshot", json={"reason": "first"})
    put(client, "training.save_steps", 9)
    told = client.get("/api/settings").get_json()
    assert [one["reason"] for one in told["snapshots"]] == ["set training save steps", "first"]
    page = client.get("/settings", headers=PAGE).text
    assert f"backups/{told['snapshots'][0]['name']}" in page


@pytest.mark.parametrize(
    "name", ["..", "../configs", "20260101T000000Z-none", "x", "%2e%2e%2fconfigs", "", "a" * 5000, HOSTILE]
)
def test_a_snapshot_that_is_none_is_not_found(realm: Realm, client: FlaskClient, name: str) -> None:
    answer = client.post("/api/settings/restore", json={"snapshot": name, "confirm": True})
    assert answer.status_code == 404
    page = client.get(f"/settings/snapshots/{name}", headers=PAGE)
    assert page.status_code == 404
    assert HOSTILE not in page.text


# -- the active hero -----------------------------------------------------------------------------------------------


def test_the_active_hero_is_switched_as_the_command_does(realm: Realm, client: FlaskClient) -> None:
    told = client.post("/api/hero", json={"hero": "dio"}).get_json()
    assert (told["hero"], told["before"]) == ("dio", HERO)
    assert realm.config.hero == "dio"
    assert (realm.models / "current_model").readlink() == Path("dio")
    assert form(client, "/api/hero", hero=HERO).status_code == 303
    assert Realm(realm.root).config.hero == HERO


def test_a_hero_that_is_none_or_under_a_battle_is_refused(realm: Realm, client: FlaskClient) -> None:
    assert [client.post("/api/hero", json={"hero": name}).status_code for name in ("nobody", "../x")] == [404, 400]
    fights(realm)
    assert client.post("/api/hero", json={"hero": "dio"}).status_code == 409
    assert Realm(realm.root).config.hero == HERO


# -- the calculator ------------------------------------------------------------------------------------------------


def test_the_estimate_is_that_of_the_command(realm: Realm, client: FlaskClient, run: Run, tmp_path: Path) -> None:
    set_yaml(realm.hero_file(HERO), "micro_batch_tokens: 4096", "micro_batch_tokens: 64")
    added = run("quest", "add", write_rows(tmp_path / "a.jsonl", rows(40)), "-q")
    assert added.code == 0, added.err
    checked = run("battle", "check", "--json")
    assert checked.code == 0, checked.err
    report = checked.json
    share = report["trained_tokens"] / report["tokens"]
    told = client.get(f"/api/vram?max_length={report['longest']}&trained_share={share!r}").get_json()
    assert told["parts"] == report["memory"]
    assert told["total"] == report["memory_total"]
    assert told["parameters"] == report["parameters"]


def test_a_size_needs_no_files_and_is_that_of_its_hero(realm: Realm, client: FlaskClient) -> None:
    dio = client.get("/api/vram?hero=dio").get_json()
    config = realm.hero("dio")
    query = f"size=Qwen3-0.6B&micro_batch_tokens={config.recipe.micro_batch_tokens}&max_length={config.max_length}"
    size = client.get(f"/api/vram?{query}").get_json()
    assert (dio["parts"], dio["cards"]) == (size["parts"], size["cards"])
    assert dio["parameters"] == SIZES["Qwen3-0.6B"].parameters
    assert sum(dio["parts"].values()) == dio["total"]
    fits = {card["name"]: card["fits"] for card in dio["cards"]}
    assert fits["RTX 3090"]
    assert not fits["RTX 4070"]


def test_the_form_works_without_scripts(client: FlaskClient) -> None:
    page = client.get("/settings?size=Qwen3-4B&precision=fp32&checkpointing=false", headers=PAGE)
    assert page.status_code == 200
    assert "Qwen3-4B, 4,022,468,096 parameters" in page.text
    assert "too much" in page.text


@pytest.mark.parametrize(
    "query", ["hero=nobody", "hero=../x", "size=huge", "max_length=0", "max_length=x", "precision=int4", "trained_share=2",
              "trained_share=nan", "checkpointing=maybe", "more=1", "micro_batch_tokens=99999999999"],
)  # fmt: skip
def test_a_wrong_argument_is_one_clear_error(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/api/vram?{query}")
    assert answer.status_code in (400, 404)
    page = client.get(f"/settings?{query}", headers=PAGE)
    assert page.status_code == answer.status_code
    assert "Traceback" not in page.text


def test_a_model_that_is_not_here_is_said(realm: Realm, client: FlaskClient) -> None:
    set_yaml(realm.hero_file("dio"), "model_name: Qwen3-0.6B", "model_name: Unheard-of")
    answer = client.get("/api/vram?hero=dio")
    assert (answer.status_code, "not on this machine" in answer.get_json()["error"]) == (404, True)
