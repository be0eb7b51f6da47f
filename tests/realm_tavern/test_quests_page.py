"""The quests page: the board and its pages, one quest, what people do, what attackers try."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from flask.testing import FlaskClient

from helpers import Run
from realm_cli import store
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import PreviewRecord, PreviewSample, PreviewToken, now
from realm_cli.store import read_lines
from realm_tavern.app import make_app
from realm_tavern_quests import FORM, HOSTILE, add, csrf_of, lay


@pytest.fixture
def client(realm: Realm) -> FlaskClient:
    """A program that talks to the Tavern, without a server."""
    return make_app(realm, Manager.of(realm)).test_client()


# -- what people do ------------------------------------------------------------------------------------------------


def test_a_quest_is_moved_cancelled_retried_and_deleted(realm: Realm, client: FlaskClient, tmp_path: Path) -> None:
    quest = add(realm, tmp_path)

    def do(verb: str, **body: str) -> tuple[int, Any]:
        answer = client.post(f"/api/quests/{quest}/{verb}", json=body)
        told = answer.get_json()
        return answer.status_code, told.get("folder", told.get("hint"))

    assert do("move", priority="high") == (200, "high")
    assert do("move", priority="high")[0] == 409
    assert do("move", priority="top")[0] == 400
    assert do("retry")[0] == 409
    assert do("delete", confirm=quest) == (409, f"cancel it first: realm quest cancel {quest}")
    assert do("cancel", reason=f"{HOSTILE} because") == (200, "failed")
    assert do("cancel", why="typo")[0] == 400
    assert "&lt;img src=x onerror=alert(1)&gt; because" in client.get("/quests").text
    assert do("retry", priority="low") == (200, "low")
    assert do("cancel") == (200, "failed")
    assert do("delete")[0] == 400
    assert do("delete", confirm="yes") == (400, f"send confirm={quest}")
    assert do("delete", confirm=quest) == (200, None)
    assert do("delete", confirm=quest)[0] == 404
    assert do("retry") == (404, "add the file again")
    names = [line["name"] for line in read_lines(realm.events)]
    assert names == ["quest_added", "quest_cancelled", "quest_added", "quest_cancelled", "quest_deleted"]
    assert "Its data file is deleted" in client.get(f"/quests/{quest}").text


def test_the_quest_in_battle_is_left_alone(realm: Realm, client: FlaskClient, tmp_path: Path) -> None:
    quest = add(realm, tmp_path)
    assert Board(realm).claim()
    bodies = {"move": {"priority": "high"}, "cancel": {}, "retry": {}, "delete": {"confirm": quest}}
    codes = {verb: client.post(f"/api/quests/{quest}/{verb}", json=body).status_code for verb, body in bodies.items()}

    assert codes == {"move": 409, "cancel": 409, "retry": 409, "delete": 409}
    assert f"/api/quests/{quest}/" not in client.get("/quests").text


IDS = [
    "@", "..", "%2e%2e%2f%2e%2e%2fconfigs%2frealm", "....//realm", "0" * 11, "0" * 12, "0" * 12 + "-", "g" * 12, "a" * 5000,
    "%00", "%0a" + "0" * 11, quote(HOSTILE),
]  # fmt: skip


@pytest.mark.parametrize("quest", IDS)
def test_what_is_no_id_is_found_nowhere(realm: Realm, client: FlaskClient, quest: str) -> None:
    before = sorted(realm.root.rglob("*"))
    for path in (f"/quests/{quest}", f"/api/quests/{quest}"):
        answer = client.get(path, headers=FORM)
        assert answer.status_code in (308, 404)
        assert answer.is_json or HOSTILE not in answer.text
    for verb, body in (("move", {"priority": "low"}), ("cancel", {}), ("retry", {}), ("delete", {"confirm": quest})):
        assert client.post(f"/api/quests/{quest}/{verb}", json=body).status_code in (308, 400, 404)
    assert sorted(realm.root.rglob("*")) == before


def test_the_verbs_of_the_board_are_forms_that_lead_back(realm: Realm, client: FlaskClient, tmp_path: Path) -> None:
    quest = add(realm, tmp_path)
    page = client.get("/quests").text
    token = csrf_of(page)
    assert f'formaction="/api/quests/{quest}/move" name="priority" value="high"' in page
    sent = {"headers": {**FORM, "Referer": "http://localhost/quests?state=normal", "Origin": "http://localhost"}}

    moved = client.post(f"/api/quests/{quest}/move", data={"csrf": token, "priority": "high"}, **sent)
    cancelled = client.post(f"/api/quests/{quest}/cancel", data={"csrf": token, "reason": ""}, **sent)
    asked = client.get("/quests").text
    deleted = client.post(f"/api/quests/{quest}/delete", data={"csrf": token, "confirm": quest}, **sent)

    assert f'<details data-keep="{quest}">' in asked
    assert f'/delete" name="confirm" value="{quest}"' in asked
    for answer in (moved, cancelled, deleted):
        assert (answer.status_code, answer.headers["Location"]) == (303, "/quests?state=normal")
    assert Board(realm).find(quest) is None
    assert "its record stays" in client.get("/quests").text


@pytest.mark.parametrize("verb", ["move", "retry", "cancel", "delete"])
def test_another_site_s_form_changes_nothing(realm: Realm, client: FlaskClient, tmp_path: Path, verb: str) -> None:
    quest = add(realm, tmp_path)
    token = csrf_of(client.get("/quests").text)
    data = {"priority": "high", "confirm": quest, "csrf": token}
    foreign = client.post(f"/api/quests/{quest}/{verb}", data=data, headers={"Origin": "http://evil.example"})
    tokenless = client.post(
        f"/api/quests/{quest}/{verb}", data={"priority": "high"}, headers={"Origin": "http://localhost"}
    )

    assert (foreign.status_code, tokenless.status_code) == (403, 403)
    file = Board(realm).find(quest)
    assert file is not None
    assert file.state == "normal"


# -- the board -----------------------------------------------------------------------------------------------------


def test_a_long_board_shows_fifty_and_leads_to_pages_of_a_hundred(realm: Realm, client: FlaskClient) -> None:
    ids = lay(realm, 230)
    shown = re.compile(r'data-id="([^"]+)"')
    board = client.get("/quests").text

    assert shown.findall(board) == ids[:50]
    assert '<a href="/quests?state=low">all 230</a>' in board
    assert '<span class="badge">230</span>' in board
    assert "1 samples, 40 % trained" in board
    for page, part in ((1, ids[:100]), (2, ids[100:200]), (3, ids[200:]), (9, ids[200:])):
        assert shown.findall(client.get(f"/quests?state=low&page={page}").text) == part
    assert 'rel="prev"' not in client.get("/quests?state=low").text
    assert '<ol class="quests" start="101">' in client.get("/quests?state=low&page=2").text


@pytest.mark.parametrize(
    "query", ["state=nowhere", "state=low&page=0", "state=low&page=-1", "state=low&page=1e9", "state=../x"]
)
def test_a_page_that_cannot_be_is_refused(client: FlaskClient, query: str) -> None:
    assert client.get(f"/quests?{query}").status_code == 400


def test_the_fragment_is_the_inside_of_the_board(realm: Realm, client: FlaskClient) -> None:
    (quest,) = lay(realm, 1)
    inside = client.get("/quests?fragment=board").text

    assert inside in client.get("/quests").text
    assert "<html" not in inside
    assert f'data-id="{quest}"' in inside
    assert client.get("/quests?fragment=else").status_code == 404
    assert "<html" not in client.get(f"/quests/{quest}?fragment=facts").text


def test_the_list_goes_through_all_states_as_one(realm: Realm, client: FlaskClient, tmp_path: Path) -> None:
    ids = lay(realm, 30)
    high = add(realm, tmp_path, priority="high")
    ended = add(realm, tmp_path, 50)
    Board(realm).cancel(ended, "enough")

    whole = client.get("/api/quests?limit=1000").get_json()
    assert [quest["id"] for quest in whole["quests"]] == [high, *ids, ended]
    assert (whole["total"], whole["counts"]["low"], whole["counts"]["failed"]) == (32, 30, 1)
    windows = [client.get(f"/api/quests?limit=7&offset={offset}").get_json() for offset in range(0, 40, 7)]
    assert [quest for window in windows for quest in window["quests"]] == whole["quests"]
    low = client.get("/api/quests?state=low&limit=3&offset=1").get_json()
    assert [quest["id"] for quest in low["quests"]] == ids[1:4]
    assert low["total"] == 30
    assert whole["quests"][0].items() >= {"state": "queued", "folder": "high", "trained_share": 0.5}.items()
    for query in ("limit=0", "limit=1001", "limit=x", "offset=-1", "state=no", "sort=name"):
        assert client.get(f"/api/quests?{query}").status_code == 400


def test_only_records_that_are_shown_are_read(realm: Realm, client: FlaskClient) -> None:
    ids = lay(realm, 80)
    (realm.quest_records / f"{ids[70]}.json").write_text("{ torn")

    assert client.get("/quests").status_code == 200
    assert (realm.quest_records / f"{ids[70]}.json").read_text() == "{ torn"


def test_a_record_of_a_newer_realm_is_named_and_the_others_are_shown(realm: Realm, client: FlaskClient) -> None:
    ids = lay(realm, 3)
    path = realm.quest_records / f"{ids[1]}.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": 99'))
    page = client.get("/quests").text

    assert all(f'data-id="{quest}"' in page for quest in ids)
    assert "<strong>unreadable</strong>" in page
    assert "written by a newer Realm" in page
    assert client.get("/api/quests").status_code == 200


def test_a_change_by_another_process_shows_at_once(realm: Realm, client: FlaskClient, run: Run) -> None:
    ids = lay(realm, 3)
    client.get("/quests")
    time_before = (realm.queue / "low").stat().st_mtime_ns
    assert run("quest", "move", ids[0], "high").code == 0
    Path(realm.queue / "low").stat()
    assert (realm.queue / "low").stat().st_mtime_ns != time_before

    counts = client.get("/api/quests").get_json()["counts"]
    assert (counts["high"], counts["low"]) == (1, 2)


def test_ended_quests_come_newest_first(realm: Realm, client: FlaskClient) -> None:
    ids = lay(realm, 4)
    for quest in (ids[2], ids[0], ids[3]):
        Board(realm).cancel(quest, "in this order")

    failed = client.get("/api/quests?state=failed").get_json()["quests"]
    assert [quest["id"] for quest in failed] == [ids[3], ids[0], ids[2]]


# -- one quest -----------------------------------------------------------------------------------------------------


def test_the_page_of_a_quest_marks_the_trained_tokens(realm: Realm, client: FlaskClient, tmp_path: Path) -> None:
    quest = add(realm, tmp_path)
    page = client.get(f"/quests/{quest}").text
    tokens = re.findall(r'<span class="token( trained)?">([^<]*)</span>', page.partition("line 1</h3>")[2])
    first = store.read_record(realm.previews / f"{quest}.json", PreviewRecord).samples[0].tokens

    assert [bool(trained) for trained, _ in tokens[: len(first)]] == [token.trained for token in first]
    assert "".join(text for trained, text in tokens[: len(first)] if trained) == "0·it·is&lt;|end|&gt;"
    assert Board(realm).record(quest).sha256 in page


def test_what_stands_in_a_sample_a_finding_or_a_name_is_text(realm: Realm, client: FlaskClient) -> None:
    (quest,) = lay(realm, 1, "failed")
    record = Board(realm).record(quest)
    hostile = msgspec.structs.replace(
        record, name=f"{HOSTILE}.jsonl", reason=HOSTILE, source=HOSTILE, outcome="failed", skill=HOSTILE, ended_at=now()
    )
    store.write_record(realm.quest_records / f"{quest}.json", hostile)
    tokens = [PreviewToken(HOSTILE, True), PreviewToken("</p><script>alert(2)</script>\n\x1b[2J\u202e", False)]
    store.write_record(
        realm.previews / f"{quest}.json", PreviewRecord(quest=quest, hero=HOSTILE, samples=[PreviewSample(1, tokens)])
    )
    finding = {"severity": "error", "check": HOSTILE, "message": HOSTILE, "line": 1}
    report = {"kind": "inspection", "version": 1, "depth": HOSTILE, "hero": HOSTILE, "findings": [finding], "errors": 1}
    (realm.reports / f"{quest}.json").write_text(json.dumps(report))
    stray = realm.queue / "high" / f"00000009.{'a' * 12}.{HOSTILE}.jsonl"
    stray.write_text('{"text": "x"}\n')

    for path in ("/quests", f"/quests/{quest}", f"/quests/{'a' * 12}"):
        page = client.get(path)
        assert page.status_code == 200
        assert "<img" not in page.text
        assert "<script>" not in page.text
        assert "&lt;img" in page.text
    assert "↵\n\\u001b[2J\\u202e" in client.get(f"/quests/{quest}").text
    assert client.get(f"/api/quests/{quest}").content_type == "application/json"


def test_the_document_of_a_quest_holds_record_report_and_preview(
    realm: Realm, client: FlaskClient, tmp_path: Path
) -> None:
    quest = add(realm, tmp_path)
    told = client.get(f"/api/quests/{quest}").get_json()

    assert told["record"] == Board(realm).record(quest).to_dict()
    assert told["report"] == json.loads((realm.reports / f"{quest}.json").read_text())
    assert told["preview"] == json.loads((realm.previews / f"{quest}.json").read_text())
    assert (told["state"], told["folder"], told["checkpoints"]) == ("queued", "normal", [])


def test_a_damaged_report_is_set_aside_and_the_page_goes_on(realm: Realm, client: FlaskClient, tmp_path: Path) -> None:
    quest = add(realm, tmp_path)
    (realm.reports / f"{quest}.json").write_text("{ torn")

    assert "there is no report" in client.get(f"/quests/{quest}").text
    assert len(list(realm.reports.glob("*.corrupt-*"))) == 1


def test_the_forge_is_there_when_the_guild_is(realm: Realm) -> None:
    for installed in (True, False):
        app = make_app(realm, Manager.of(realm))
        app.view_functions.pop("guild.forge", None)
        if installed:
            app.view_functions["guild.forge"] = lambda: ""
        page = app.test_client().get("/quests").text
        assert ('action="/api/forge"' in page) == installed
        assert ("<option>bin</option>" in page) == installed
