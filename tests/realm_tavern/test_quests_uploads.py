"""Uploads to the quests page: in every shape, at once, broken off, too large, with odd names; forms; a real server."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import os
import re
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from helpers import PATIENCE, Run, TavernProcess, rows, wait_for, write_rows
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_tavern.app import make_app
from realm_tavern_quests import FORM, HOSTILE, RAW, csrf_of, jsonl, upload, uploads


@pytest.fixture
def client(realm: Realm) -> FlaskClient:
    """A program that talks to the Tavern, without a server."""
    return make_app(realm, Manager.of(realm)).test_client()


# -- uploads -------------------------------------------------------------------------------------------------------


def test_an_upload_is_inspected_and_queued_and_nothing_of_it_stays_behind(realm: Realm, client: FlaskClient) -> None:
    answer = upload(client, "my quest.jsonl", jsonl(rows(5)), priority="high")

    assert answer.status_code == 200
    told = answer.get_json()
    quest = told.pop("id")
    assert told == {
        "name": "my quest.jsonl", "rejected": False, "duplicate": False, "problem": None, "hint": None, "samples": 5,
        "tokens": 80, "trained_tokens": 40, "errors": 0, "warnings": 0, "findings": [],
        "said": "my quest.jsonl is queued: 5 samples",
    }  # fmt: skip
    file = Board(realm).find(quest)
    assert file is not None
    assert (file.state, file.name) == ("high", "my_quest.jsonl")
    assert Board(realm).record(quest).source == "uploaded in the Tavern"
    assert file.path.read_bytes() == jsonl(rows(5))
    assert uploads(realm) == [] == list(realm.intake.iterdir())


def test_a_rejected_upload_answers_with_its_report_and_the_page_shows_the_lines(
    realm: Realm, client: FlaskClient
) -> None:
    answer = upload(client, "bad.jsonl", jsonl(rows(2)) + b'{"broken": \n')
    told = answer.get_json()

    assert answer.status_code == 200
    assert told["rejected"]
    assert told["errors"] == 1
    assert [finding["line"] for finding in told["findings"]] == [3]
    assert [file.id for file in Board(realm).files("failed")] == [told["id"]]
    page = client.get(f"/quests/{told['id']}").text
    assert '<td class="num">3</td><td>error</td>' in page
    assert "inspection: line 3" in page
    assert uploads(realm) == []


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_a_compressed_upload_is_taken_as_it_is(realm: Realm, client: FlaskClient, suffix: str) -> None:
    import zstandard

    body = jsonl(rows(3))
    packed = gzip.compress(body) if suffix.endswith("gz") else zstandard.compress(body)
    told = upload(client, f"q{suffix}", packed).get_json()

    assert told["samples"] == 3
    assert upload(client, "plain.jsonl", body).status_code == 409


def test_the_same_content_again_is_a_conflict_unless_it_is_wanted(client: FlaskClient) -> None:
    body = jsonl(rows(2))
    first = upload(client, "a.jsonl", body).get_json()["id"]
    refused = upload(client, "b.jsonl", body)
    again = upload(client, "b.jsonl", body, again="true")

    assert refused.status_code == 409
    assert refused.get_json() == {
        "error": f"the same content is already quest {first} (a.jsonl, not ended)",
        "hint": "to queue it once more, upload it with again=true",
    }
    assert again.get_json()["id"] == f"{first}-2"


def test_of_eight_uploads_of_one_content_at_once_one_is_queued(realm: Realm) -> None:
    app, body = make_app(realm, Manager.of(realm)), jsonl(rows(20))

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda n: upload(app.test_client(), f"{n}.jsonl", body).status_code, range(8)))

    assert sorted(codes) == [200, *[409] * 7]
    assert len(Board(realm).files("normal")) == 1
    assert uploads(realm) == [] == list(realm.intake.iterdir())


NAMES = [
    "", ".", "..", ".jsonl", "../x.jsonl", "/etc/x.jsonl", "a/b.jsonl", "..\\x.jsonl", ".hidden.jsonl", "x.jsonl.part",
    "x.txt", "x.jsonl\0", "x.jsonl.xz", f"{'a' * 300}.jsonl",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_none_is_refused_and_writes_nothing(realm: Realm, client: FlaskClient, name: str) -> None:
    before = sorted(realm.root.rglob("*"))
    answer = upload(client, name, jsonl(rows(2)))

    assert answer.status_code == 400
    assert answer.get_json()["hint"]
    assert sorted(realm.root.rglob("*")) == before


@pytest.mark.parametrize("name", [f"{HOSTILE}.jsonl", "\u202egnp.jsonl", "a'\";$(id)&.jsonl", "-rf.jsonl", "ü\n.jsonl"])
def test_an_odd_name_stays_text_and_becomes_harmless(realm: Realm, client: FlaskClient, name: str) -> None:
    answer = upload(client, name, jsonl(rows(2)))

    assert answer.status_code == 200
    quest = Board(realm).record(answer.get_json()["id"])
    assert re.fullmatch(r"[\w.+-]+\.jsonl", quest.name)
    assert HOSTILE not in client.get("/quests").text


@pytest.mark.parametrize(
    "query", ["name=a.jsonl&priority=urgent", "name=a.jsonl&again=perhaps", "name=a.jsonl&prority=high"]
)
def test_an_upload_with_an_unknown_word_is_refused_with_the_nearest(client: FlaskClient, query: str) -> None:
    answer = client.post(f"/api/quests?{query}", data=jsonl(rows(1)), content_type=RAW)

    assert answer.status_code == 400
    assert answer.get_json()["hint"]


def test_an_empty_upload_is_refused(realm: Realm, client: FlaskClient) -> None:
    answer = upload(client, "a.jsonl", b"")

    assert (answer.status_code, answer.get_json()["error"]) == (400, "a.jsonl is empty")
    assert uploads(realm) == []
    assert list(Board(realm).records()) == []


@pytest.mark.parametrize("body", [b"\0" * 5000, b"\xff\xfe\x00junk\n", b"[]\n", b'"text"\n', b"{}\n" * 50, b"\n\n\n"])
def test_what_is_no_quest_is_rejected_with_a_reason(realm: Realm, client: FlaskClient, body: bytes) -> None:
    told = upload(client, "a.jsonl", body).get_json()

    assert told["rejected"]
    assert told["problem"].startswith("inspection: ")
    assert Board(realm).counts() == {**dict.fromkeys(Board(realm).counts(), 0), "failed": 1}


def test_an_upload_beyond_the_limit_and_a_long_body_elsewhere_are_too_large(realm: Realm, client: FlaskClient) -> None:
    declared = {"CONTENT_LENGTH": "2000000001"}
    large = client.post("/api/quests?name=a.jsonl", data=b"x", content_type=RAW, environ_overrides=declared)
    other = client.post(f"/api/quests/{'0' * 12}/move", data=b" " * 1_000_001, content_type="application/json")

    assert (large.status_code, other.status_code) == (413, 413)
    assert not (realm.data / "uploads").exists() or uploads(realm) == []


def test_a_body_that_ends_early_is_no_quest(realm: Realm, client: FlaskClient) -> None:
    # As the web server gives it: the key is there, and the end of the connection looks like the end of the body.
    early = {"CONTENT_LENGTH": "5000", "wsgi.input_terminated": False}
    answer = client.post("/api/quests?name=a.jsonl", data=jsonl(rows(2)), content_type=RAW, environ_overrides=early)

    assert answer.status_code == 400
    assert uploads(realm) == []
    assert list(Board(realm).records()) == []


def test_an_upload_that_would_take_the_battle_s_reserve_is_refused_before_it_is_read(realm: Realm) -> None:
    text = realm.config_file.read_text().replace("reserve_mb: 1", "reserve_mb: 1000000000")
    realm.config_file.write_text(text)
    client = make_app(Realm(realm.root), Manager.of(realm)).test_client()
    answer = upload(client, "a.jsonl", jsonl(rows(2)))

    assert answer.status_code == 507
    assert "No space left" in answer.get_json()["error"]
    assert uploads(realm) == []


def test_what_a_kill_left_of_uploads_goes_after_a_day(realm: Realm, client: FlaskClient, tmp_path: Path) -> None:
    folder = realm.data / "uploads"
    outside = write_rows(tmp_path / "precious.jsonl", rows(1))
    for name in ("old", "young"):
        (folder / name / "0").mkdir(parents=True)
        (folder / name / "0" / "body").write_text("half a q")
    (folder / "link").symlink_to(tmp_path)
    for path in (folder / "old", folder / "old" / "0", folder / "old" / "0" / "body", folder / "link"):
        os.utime(path, (1e9, 1e9), follow_symlinks=False)

    assert upload(client, "a.jsonl", jsonl(rows(2))).status_code == 200
    assert uploads(realm) == [folder / "young"]
    assert outside.exists()


# -- forms without scripts -----------------------------------------------------------------------------------------


def parts(*files: tuple[bytes, str], **fields: str) -> dict[str, Any]:
    return {**fields, "file": [(io.BytesIO(body), name) for body, name in files]}


def test_a_form_brings_several_files_and_leads_back_to_the_board_that_says_what_became_of_them(
    realm: Realm, client: FlaskClient
) -> None:
    token = csrf_of(client.get("/quests").text)
    given = parts(
        (jsonl(rows(2)), "a.jsonl"), (jsonl(rows(2, 9)), "a.jsonl"), (b"junk\n", "b.jsonl"), (b"x", "../c.jsonl"),
        (b"", "d.jsonl"), priority="low",
    )  # fmt: skip
    answer = client.post(f"/api/quests?csrf={token}", data=given, content_type="multipart/form-data", headers=FORM)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/quests")
    page = client.get("/quests").text
    for said in ("a.jsonl is queued: 2 samples", "b.jsonl is rejected", "no file&#39;s name", "d.jsonl is empty"):
        assert said in page
    assert Board(realm).counts() == {**dict.fromkeys(Board(realm).counts(), 0), "low": 2, "failed": 1}
    assert uploads(realm) == []


def test_a_form_with_one_file_leads_to_its_quest_and_programs_get_results(client: FlaskClient) -> None:
    one = parts((jsonl(rows(2)), "a.jsonl"))
    answer = client.post("/api/quests", data=one, content_type="multipart/form-data", headers=FORM)
    assert answer.status_code == 303
    assert re.fullmatch(r"/quests/[0-9a-f]{12}", answer.headers["Location"])

    token = csrf_of(client.get("/quests").text)  # the note came with a cookie: from now on it is a browser
    two = parts((jsonl(rows(2)), "a.jsonl"), (jsonl(rows(3)), "b.jsonl"))
    told = client.post(f"/api/quests?csrf={token}", data=two, content_type="multipart/form-data").get_json()
    assert [(one["duplicate"], one["samples"]) for one in told["results"]] == [(True, 0), (False, 3)]


def test_a_form_that_is_empty_cut_off_or_crowded_is_refused(realm: Realm, client: FlaskClient) -> None:
    none = client.post("/api/quests", data=parts((b"", "")), content_type="multipart/form-data")
    kind = "multipart/form-data; boundary=b"
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
    cut = client.post("/api/quests", data=head + b"{", content_type=kind)
    crowd = client.post("/api/quests", data=(head + b"{}\r\n") * 300 + b"--b--\r\n", content_type=kind)
    odd = client.post("/api/quests", data={**parts((b"x", "a.jsonl")), "depth": "deep"}, content_type=kind[:19])

    assert [answer.status_code for answer in (none, cut, crowd, odd)] == [400, 400, 413, 400]
    assert uploads(realm) == []
    assert list(Board(realm).records()) == []


# -- with a real server --------------------------------------------------------------------------------------------


Open = Callable[..., TavernProcess]


def post(server: TavernProcess, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    status, told = answer.status, json.loads(answer.read())
    connection.close()
    return status, told


def test_a_file_goes_from_a_browser_through_a_battle_to_a_checkpoint_that_names_it(
    realm: Realm, tavern: Open, run: Run
) -> None:
    server = tavern()
    status, told = post(server, "/api/quests?name=a.jsonl", jsonl(rows(4)))
    assert status == 200
    assert run("battle", "start", "--until-empty").code == 0
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.request("GET", f"/api/quests/{told['id']}")
    quest = json.loads(connection.getresponse().read())
    connection.close()

    assert (quest["state"], quest["folder"]) == ("completed", "recently_completed")
    assert quest["checkpoints"]
    assert quest["checkpoints"][0] >= quest["record"]["ended_step"]


def test_a_large_upload_and_a_bomb_leave_the_server_small(realm: Realm, tavern: Open) -> None:
    server = tavern()

    def peak() -> int:
        text = Path(f"/proc/{server.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", text)[1]) // 1024  # type: ignore[index]

    post(server, "/api/quests?name=first.jsonl", jsonl(rows(2)))
    before = peak()
    bomb = gzip.compress(b"\0" * 200_000_000, 1)
    line = b'{"text": "' + b"x" * 1000 + b'", "broken\n'
    status, told = post(server, "/api/quests?name=bomb.jsonl.gz", bomb)
    large, rejected = post(server, "/api/quests?name=large.jsonl", line * 60_000)

    assert (status, told["rejected"], large, rejected["rejected"]) == (200, True, 200, True)
    assert peak() - before < 60
    assert uploads(realm) == []


def test_a_connection_that_breaks_in_an_upload_leaves_nothing(realm: Realm, tavern: Open) -> None:
    server = tavern()
    head = "POST /api/quests?name=a.jsonl HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n"
    half = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    half.sendall(head.encode() + jsonl(rows(100)))
    wait_for(lambda: (realm.data / "uploads").exists() and uploads(realm), "the upload to begin")
    half.shutdown(socket.SHUT_WR)
    assert half.recv(100).startswith(b"HTTP/1.1 400")
    half.close()
    gone = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    gone.sendall(head.encode() + jsonl(rows(100)))
    wait_for(lambda: uploads(realm), "the second upload to begin")
    gone.close()

    wait_for(lambda: not uploads(realm), "the room to be cleared")
    assert list(Board(realm).records()) == []


def test_a_refused_upload_is_answered_after_its_body_and_the_connection_goes_on(
    tavern: Open,
) -> None:
    server = tavern()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    for _ in range(2):
        connection.request("POST", "/api/quests?name=a.txt", b"x" * 3_000_000)
        answer = connection.getresponse()
        assert (answer.status, "is not a quest file" in answer.read().decode()) == (400, True)
    connection.close()


def test_sixteen_uploads_at_once_are_all_queued(realm: Realm, tavern: Open) -> None:
    server = tavern()
    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(lambda n: post(server, f"/api/quests?name={n}.jsonl", jsonl(rows(3, 10 * n))), range(16)))

    assert [status for status, _ in done] == [200] * 16
    assert {told["id"] for _, told in done} == {file.id for file in Board(realm).files("normal")}
