"""The page `/oracle` and the Oracle's addresses of the original, before a real server with real checkpoints."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Locator, Page, expect

from helpers import TavernProcess, environment, free_port, wait_for
from realm_cli.hosts import hosts_file
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_oracle_boxes import HERO, OracleProcess, crown, founded, train
from realm_tavern.app import make_app
from realm_tavern_browsing import LOW_CONTRAST, NAMELESS, PHONE, browsing, is_wide

expect.set_options(timeout=60_000)
HTML = {"Accept": "text/html"}
ASK = "Compute: add(①, ①)"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Realm:
    """A realm with checkpoints; beside this machine a host that is away."""
    realm = founded(tmp_path_factory.mktemp("page") / "realm")
    train(realm, "1", "2", "3")
    crown(realm)
    away = {"host": "127.0.0.1", "role": "storage", "services": {"inference": {"port": free_port()}}}
    hosts = {"mine": {"host": "192.0.2.1", "role": "hybrid", "services": {"inference": {"port": 8765}}}, "3090": away}
    hosts_file(realm).write_text(yaml.safe_dump({"hosts": hosts, "local_host": "mine"}))
    return realm


@pytest.fixture(scope="module")
def steps(trained: Realm) -> list[int]:
    return sorted(Ledger(trained).steps())


@pytest.fixture(scope="module")
def oracle(trained: Realm, steps: list[int]) -> Iterator[OracleProcess]:
    process = OracleProcess(trained)
    for step in steps[:2]:
        process.client.load(step)
    yield process
    process.end()


@pytest.fixture(scope="module")
def tavern(trained: Realm, oracle: OracleProcess) -> Iterator[TavernProcess]:
    process = TavernProcess(trained)
    yield process
    process.end()


@pytest.fixture
def client(trained: Realm, oracle: OracleProcess) -> FlaskClient:
    return make_app(trained, Manager.of(trained)).test_client()


def csrf(client: FlaskClient) -> str:
    return client.get("/oracle", headers=HTML).text.partition('name="csrf" content="')[2].partition('"')[0]


# -- the original's addresses ----------------------------------------------------------------------------------------


def test_status_names_every_host_with_what_it_has_loaded(client: FlaskClient, steps: list[int]) -> None:
    hosts = (client.get("/oracle/status").json or {})["hosts"]
    assert list(hosts) == ["mine", "3090"]
    assert hosts["mine"]["model_count"] == len(hosts["mine"]["loaded_models"]) >= 2
    assert set(steps[:2]) <= {model["step"] for model in hosts["mine"]["loaded_models"]}
    assert hosts["3090"] | {"reason": ""} == {
        "loaded_models": [], "model_count": 0, "available": False, "reason": "",
    }  # fmt: skip
    assert "does not answer" in hosts["3090"]["reason"]


def test_a_chat_is_answered_as_the_original_does(client: FlaskClient, trained: Realm, steps: list[int]) -> None:
    answer = client.post("/oracle/chat", json={"message": ASK, "host": "mine", "step": steps[0]})
    said = answer.json or {}
    record = Ledger(trained).get(steps[0])
    assert (answer.status_code, said["success"], said["model"]) == (200, True, f"checkpoint-{steps[0]}")
    assert said["model_path"].endswith(record.canonical_name)
    assert (said["checkpoint"], said["weights_sha256"]) == (record.canonical_name, record.weights_sha256)
    assert isinstance(said["response"], str)


def test_a_step_that_is_not_loaded_is_404_with_what_is(client: FlaskClient) -> None:
    answer = client.post("/oracle/chat", json={"message": ASK, "host": "mine", "step": 148000})
    said = answer.json or {}
    assert (answer.status_code, said["success"]) == (404, False)
    loaded = (client.get("/oracle/status").json or {})["hosts"]["mine"]["loaded_models"]
    assert said["error"] == f"Step 148000 not loaded. Available: {sorted(model['step'] for model in loaded)}"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"message": ASK, "host": "mine"}, 400),
        ({"message": ASK, "host": "mine", "step": "latest"}, 400),
        ({"message": ASK, "host": "mine", "step": -1}, 400),
        ({"message": "", "host": "mine", "step": 0}, 400),
        ({"message": ASK, "host": "mine", "step": 0, "temprature": 1}, 400),
        ({"message": ASK, "host": "nowhere", "step": 0}, 404),
        ({"message": ASK, "host": "3090", "step": 0}, 503),
    ],
)
def test_a_request_that_is_wrong_is_told(client: FlaskClient, body: dict[str, Any], status: int) -> None:
    answer = client.post("/oracle/chat", json=body)
    said = answer.json or {}
    assert (answer.status_code, said["success"]) == (status, False)
    assert said["error"]


def test_load_and_unload(client: FlaskClient, trained: Realm, steps: list[int], oracle: OracleProcess) -> None:
    latest = Ledger(trained).get_latest()
    answer = client.post("/oracle/load", json={"step": "champion", "host": "mine"})
    said = answer.json or {}
    assert (answer.status_code, said["success"], said["step"]) == (200, True, latest.step)
    assert said["weights_sha256"] == latest.weights_sha256
    assert latest.step in [model.step for model in oracle.client.info().models]
    assert client.post("/oracle/unload", json={"step": latest.step, "host": "mine"}).status_code == 200
    assert latest.step not in [model.step for model in oracle.client.info().models]
    missing = client.post("/oracle/load", json={"step": 999999, "host": "mine"})
    assert (missing.status_code, (missing.json or {})["success"]) == (404, False)
    assert client.post("/oracle/load", json={"host": "mine"}).status_code == 400


def test_step_0_is_the_base_model(client: FlaskClient, oracle: OracleProcess) -> None:
    assert (client.post("/oracle/load", json={"step": 0, "host": "mine"}).json or {})["success"]
    said = client.post("/oracle/chat", json={"message": ASK, "host": "mine", "step": 0}).json or {}
    assert (said["success"], said["step"]) == (True, 0)
    oracle.client.unload(0)


def test_an_answer_comes_in_pieces(client: FlaskClient, steps: list[int]) -> None:
    choice = {"host": "mine", "hero": HERO, "step": steps[0]}
    body = {"choice": choice, "messages": [{"role": "user", "content": ASK}]}
    answer = client.post("/api/oracle/stream", json=body)
    assert answer.mimetype == "text/event-stream"
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    whole = events[-1]["answer"]
    assert "".join(event["text"] for event in events[:-1]) == whole["response"]
    assert whole["step"] == steps[0]
    missing = client.post("/api/oracle/stream", json={**body, "choice": {**choice, "step": 148000}})
    assert (missing.status_code, (missing.json or {})["success"]) == (404, False)
    other = client.post("/api/oracle/stream", json={**body, "choice": {**choice, "weights_sha256": "0" * 64}})
    assert other.status_code in (404, 409)


def correction(step: int, corrected: str, response: str = "no idea") -> dict[str, Any]:
    choice = {"host": "mine", "hero": HERO, "step": step, "weights_sha256": "ab" * 32}
    said = {"choice": choice, "model": f"checkpoint-{step}", "response": response}
    return {"messages": [{"role": "user", "content": ASK}], "said": said, "corrected": corrected, "priority": "low"}


def rows_of(realm: Realm, quest: str, priority: str) -> list[dict[str, Any]]:
    (path,) = [file.path for file in Board(realm).files(priority) if file.id == quest]
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_corrected_answer_becomes_a_quest_with_its_provenance(client: FlaskClient, trained: Realm) -> None:
    given = correction(5, "add(①, ①) = ①⓪")
    said = (answer := client.post("/api/oracle/correct", json=given)).json or {}
    assert (answer.status_code, said["success"], said["priority"]) == (200, True, "low")
    (row,) = rows_of(trained, said["quest"], "low")
    assert row["messages"] == [*given["messages"], {"role": "assistant", "content": "add(①, ①) = ①⓪"}]
    assert row["corrected"] == {
        "hero": HERO, "step": 5, "model": "checkpoint-5", "weights_sha256": "ab" * 32, "host": "mine",
        "response": "no idea",
    }  # fmt: skip
    assert Board(trained).record(said["quest"]).source == f"oracle: a corrected answer of {HERO} step 5"
    again = client.post("/api/oracle/correct", json=given)
    assert (again.status_code, again.is_json) == (409, True)
    assert (again.json or {})["error"] == f"this correction is a quest already: {said['name']} (not ended, in low)"


@pytest.mark.parametrize(("corrected", "status"), [("", 400), ("  \n", 400), ("no idea", 409)])
def test_a_correction_that_corrects_nothing_is_refused(client: FlaskClient, corrected: str, status: int) -> None:
    assert client.post("/api/oracle/correct", json=correction(5, corrected)).status_code == status


def test_a_correction_needs_a_question_and_a_priority_that_exists(client: FlaskClient) -> None:
    given = correction(5, "yes")
    given["messages"].append({"role": "assistant", "content": "no idea"})
    assert client.post("/api/oracle/correct", json=given).status_code == 400
    assert client.post("/api/oracle/correct", json={**correction(5, "yes"), "priority": "highest"}).status_code == 400


def test_orders_from_another_site_are_refused(client: FlaskClient) -> None:
    for path in (
        "/oracle/load",
        "/oracle/unload",
        "/oracle/chat",
        "/oracle/ask",
        "/oracle/correct",
        "/api/oracle/stream",
    ):
        assert client.post(path, json={}, headers={"Origin": "http://evil.example"}).status_code == 403, path


# -- the page without scripts ----------------------------------------------------------------------------------------


def test_what_a_model_says_stays_text(client: FlaskClient, steps: list[int]) -> None:
    script = "<script>alert(1)</script>"
    choice = {"host": script, "hero": HERO, "step": 1}
    talk = [{"message": script, "replies": [{"choice": choice, "model": script, "response": script, "note": script}]}]
    form = {
        "csrf": csrf(client), "talk": json.dumps(talk), "message": script,
        "model": f"mine {HERO} {steps[0]} ",
    }  # fmt: skip
    text = client.post("/oracle/ask", data=form, headers=HTML).text
    assert script not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 6


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"message": ""}, 400),
        ({"message": "hi", "model": ""}, 400),
        ({"message": "hi", "model": "mine"}, 400),
        ({"message": "hi", "talk": "[{}]"}, 400),
        ({"message": "hi", "talk": "{torn"}, 400),
    ],
)
def test_a_form_that_is_wrong_is_told(
    client: FlaskClient, steps: list[int], fields: dict[str, str], status: int
) -> None:
    form = {"csrf": csrf(client), "model": f"mine {HERO} {steps[0]} ", **fields}
    assert client.post("/oracle/ask", data=form, headers=HTML).status_code == status


def test_a_correct_button_of_no_answer_is_told(client: FlaskClient) -> None:
    for place, status in (("", 400), ("x-1", 400), ("0-0", 404)):
        form = {"csrf": csrf(client), "talk": "", "correct": place}
        assert client.post("/oracle/correct", data=form, headers=HTML).status_code == status


def test_the_page_of_a_realm_without_a_server_is_whole(realm: Realm) -> None:
    client = make_app(realm, Manager.of(realm)).test_client()
    text = client.get("/oracle", headers=HTML).text
    assert "the Oracle does not run here" in text
    assert "no checkpoint is loaded" in text
    assert (client.get("/oracle/status").json or {})["hosts"]["here"]["model_count"] == 0
    assert client.get("/oracle?fragment=nothing").status_code == 404


def test_the_tavern_loads_no_torch_for_it(trained: Realm) -> None:
    program = (
        "import sys; from realm_cli.realm import Realm; from realm_cli.manager import Manager; "
        "from realm_tavern.app import make_app; realm = Realm(sys.argv[1]); "
        "print(make_app(realm, Manager.of(realm)).test_client().get('/oracle').status_code, "
        "[name for name in ('torch', 'transformers', 'openai') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, trained.root], capture_output=True, text=True, env=environment(), check=True
    )
    assert done.stdout == "200 []\n"


# -- in a browser ----------------------------------------------------------------------------------------------------


def box(page: Page, step: int) -> Locator:
    """The tick of a loaded checkpoint."""
    return page.get_by_role("checkbox", name=f"{HERO} step {step:,} on mine")


def say(page: Page, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.get_by_label("Message").press("Enter")


def test_a_talk_with_two_checkpoints_side_by_side_and_a_correction(
    trained: Realm, tavern: TavernProcess, steps: list[int], chromium: Browser
) -> None:
    with browsing(chromium, tavern.url) as page:
        page.goto("/oracle")
        for step in steps[:2]:
            box(page, step).check()
        say(page, ASK)
        for number, step in enumerate(steps[:2]):
            weights = Ledger(trained).get(step).weights_sha256[:12]
            expect(page.locator("[data-who]").nth(number)).to_contain_text(f"step {step:,}, weights {weights}, mine")
        expect(page.locator(".correct:not([hidden])")).to_have_count(2)
        say(page, "and once more")
        expect(page.locator(".turn")).to_have_count(2)
        expect(page.locator(".correct:not([hidden])")).to_have_count(4)
        assert page.evaluate("window.shifts") < 0.02

        first = page.locator(".reply").first
        first.get_by_text("correct this answer").click()
        first.get_by_label("Right answer").fill("it is ①⓪, by hand")
        first.get_by_label("Priority").select_option("normal")
        first.get_by_role("button").click()
        expect(page.locator(".toast", has_text="waits in normal")).to_be_visible()
        expect(first.locator("[data-became]:has(a[href^='/quests/'])")).to_contain_text("waits in normal")
    (quest,) = [file.id for file in Board(trained).files("normal")]
    (row,) = rows_of(trained, quest, "normal")
    assert row["messages"][-1]["content"] == "it is ①⓪, by hand"
    assert row["corrected"]["weights_sha256"] == Ledger(trained).get(steps[0]).weights_sha256


def test_a_checkpoint_is_loaded_and_unloaded_on_the_open_page(
    trained: Realm, tavern: TavernProcess, steps: list[int], chromium: Browser
) -> None:
    latest = steps[-1]
    with browsing(chromium, tavern.url) as page:
        page.goto("/oracle")
        page.get_by_label("Step", exact=True).fill("champion")
        page.get_by_role("button", name="load", exact=True).click()
        expect(box(page, latest)).to_be_visible()
        page.get_by_role("button", name=f"unload {HERO} step {latest} on mine").click()
        expect(box(page, latest)).to_have_count(0)


def test_a_talk_without_scripts_on_a_phone(
    trained: Realm, tavern: TavernProcess, steps: list[int], chromium: Browser
) -> None:
    with browsing(chromium, tavern.url, java_script_enabled=False, viewport=PHONE) as page:
        page.goto("/oracle")
        assert not is_wide(page)
        box(page, steps[0]).check()
        box(page, steps[1]).uncheck()
        for number in (1, 2):
            page.get_by_label("Message").fill(ASK)
            page.get_by_role("button", name="ask").click()
            expect(page.locator(".turn")).to_have_count(number)
        assert not is_wide(page)
        expect(page.locator("[data-who]").last).to_contain_text(Ledger(trained).get(steps[0]).canonical_name)
        last = page.locator(".reply").last
        last.get_by_text("correct this answer").click()
        last.get_by_label("Right answer").fill("by hand, without scripts")
        last.get_by_role("button").click()
        expect(page.locator(".said")).to_contain_text("waits in high")
        expect(page.locator(".turn")).to_have_count(2)  # the talk is still there
    (quest,) = [file.id for file in Board(trained).files("high")]
    (row,) = rows_of(trained, quest, "high")
    assert [message["role"] for message in row["messages"]] == ["user", "assistant", "user", "assistant"]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_page_is_sound(tavern: TavernProcess, steps: list[int], chromium: Browser, theme: str) -> None:
    with browsing(chromium, tavern.url, color_scheme=theme, viewport=PHONE) as page:
        page.goto("/oracle")
        box(page, steps[0]).check()
        say(page, ASK)
        expect(page.locator(".correct:not([hidden])").first).to_be_visible()
        page.get_by_text("correct this answer").first.click()
        assert page.evaluate(LOW_CONTRAST) == [], theme
        assert page.evaluate(NAMELESS) == []
        assert not is_wide(page)
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("g")
        page.keyboard.press("v")
        page.wait_for_url("**/vault")


def test_plain_names(tavern: TavernProcess, chromium: Browser) -> None:
    with browsing(chromium, tavern.url) as page:
        page.goto("/oracle")
        page.get_by_label("plain names").check()
        page.get_by_role("button", name="keep").click()
        page.goto("/oracle")
        expect(page.locator("h1")).to_have_text("Talk to exact checkpoints")
        expect(page.locator("nav")).to_contain_text("Chat")


def test_a_server_that_dies_in_the_middle_is_told_on_the_page(
    trained: Realm, steps: list[int], chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("dying") / "realm"
    shutil.copytree(trained.root, root, symlinks=True)
    realm = Realm(root)
    process = OracleProcess(realm)
    process.client.load(steps[0])
    tavern = TavernProcess(realm)
    try:
        with browsing(chromium, tavern.url, expected=(404, 503)) as page:
            page.goto("/oracle")
            process.process.kill()
            process.process.wait()
            say(page, ASK)
            expect(page.locator("[data-wrong]:not([hidden])")).to_contain_text("Oracle")
            wait_for(lambda: page.locator("[data-ask]").is_enabled(), "the form to be free again")
    finally:
        tavern.end()
        process.end()
