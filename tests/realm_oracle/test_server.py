"""`realm oracle serve` as a process: its routes, many clients at a time, clients that leave."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from helpers import PATIENCE, wait_for
from realm_cli import leases
from realm_cli.errors import NotFoundError, RefusedError
from realm_cli.generation import Generator
from realm_cli.ledger import Ledger
from realm_cli.oracleclient import Answer
from realm_cli.realm import Realm
from realm_oracle_boxes import HERO, OracleProcess, call
from realm_oracle_realms import LONG, turns


@pytest.fixture(scope="module")
def oracle(trained: Realm) -> Iterator[OracleProcess]:
    """A server with the steps 0, 2 and 4 loaded. Not to be killed."""
    process = OracleProcess(trained)
    for step in (0, 2, 4):
        process.client.load(step)
    yield process
    process.end()
    assert process.process.returncode == 0


def post(url: str, path: str, body: Any, raw: bytes | None = None) -> tuple[int, Any]:
    """(status, JSON) of a request as any program sends it."""
    wire = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE)
    with contextlib.closing(wire):
        wire.request("POST", path, json.dumps(body) if raw is None else raw, {"Content-Type": "application/json"})
        answer = wire.getresponse()
        return answer.status, json.loads(answer.read())


# -- its own routes ----------------------------------------------------------------------------------------------


def test_every_answer_says_which_weights_gave_it(trained: Realm, oracle: OracleProcess, alone: Generator) -> None:
    expected = alone.generate([turns("say 7")], max_tokens=9)[0]
    record, folder = Ledger(trained, HERO).here(4)
    answer = oracle.client.chat(turns("say 7"), 4, max_tokens=9)
    assert answer == Answer(
        response=expected.text, finish=expected.finish, tokens=expected.tokens, prompt_tokens=expected.prompt_tokens,
        model=record.canonical_name, model_path=str(folder), hero=HERO, step=4, weights_sha256=record.weights_sha256,
        backend="transformers", identity="verified",
    )  # fmt: skip
    base = oracle.client.chat(turns("say 7"), 0, max_tokens=9)
    assert (base.step, base.model, base.model_path) == (0, "dio-mini", str(trained.base_folder(HERO)))
    status, said = post(oracle.url, "/chat", {"message": "say 7", "step": 4, "max_tokens": 9})
    assert (status, said["response"], said["model"]) == (200, expected.text, record.canonical_name)


def test_a_batch_is_answered_in_its_order_and_a_stream_in_pieces(oracle: OracleProcess, alone: Generator) -> None:
    asked = [turns(f"say {number}") for number in range(12)]
    expected = [reply.text for reply in alone.generate(asked, max_tokens=30)]
    assert [answer.response for answer in oracle.client.chat_batch(asked, 4, max_tokens=30)] == expected
    assert oracle.client.chat_batch([], 4) == []
    *texts, answer = oracle.client.chat_stream(asked[3], 4, max_tokens=30)
    assert isinstance(answer, Answer)
    assert "".join(str(text) for text in texts) == answer.response == expected[3]
    drawn = [
        oracle.client.chat_batch(asked[:3], 4, max_tokens=8, temperature=1.0, seed=seed) for seed in (1, 1, 2)
    ]  # fmt: skip
    assert drawn[0] == drawn[1] != drawn[2]
    replies = alone.generate(asked[:3], max_tokens=8, temperature=1.0, seed=1)
    assert [answer.response for answer in drawn[0]] == [reply.text for reply in replies]


def test_what_is_not_loaded_is_refused_with_what_is(oracle: OracleProcess) -> None:
    status, said = post(oracle.url, "/chat", {"message": "a", "step": 148000})
    assert (status, said["error"]) == (404, "Step 148000 not loaded. Available: [0, 2, 4]")
    with pytest.raises(NotFoundError, match="Step 148000 not loaded"):
        next(oracle.client.chat_stream(turns("a"), 148000))
    with pytest.raises(RefusedError, match="not with ffffffffffff"):
        oracle.client.chat(turns("a"), 4, sha256="f" * 64)
    sha256 = oracle.client.info().models[0].weights_sha256
    step = oracle.client.info().models[0].step
    assert oracle.client.chat(turns("a"), step, sha256=sha256, max_tokens=1).weights_sha256 == sha256


BAD: list[tuple[str, Any, int, str]] = [
    ("/chat", {"message": "a"}, 400, "step is required"),
    ("/chat", {"message": "a", "step": 4, "stepp": 4}, 400, "unknown field 'stepp'"),
    ("/chat", {"message": "a", "step": "4"}, 400, "step"),
    ("/chat", {"message": "a", "step": -4}, 400, "step"),
    ("/chat", {"message": "a", "step": True}, 400, "step"),
    ("/chat", {"step": 4}, 400, "none of them"),
    ("/chat", {"step": 4, "message": "a", "messages": []}, 400, "keep one|message and messages"),
    ("/chat", {"step": 4, "messages": []}, 400, "has to end with a message to the hero"),
    ("/chat", {"step": 4, "messages": [{"role": "user", "content": "a", "name": "x"}]}, 400, "name"),
    ("/chat", {"step": 4, "conversations": [[]], "stream": True}, 400, "not streamed"),
    ("/chat", {"step": 4, "message": "a", "max_tokens": 0}, 400, "max_tokens"),
    ("/chat", {"step": 4, "message": "a", "max_tokens": 10**9}, 400, "more than the 4,096 that oracle.max_tokens"),
    ("/chat", {"step": 4, "conversations": [[{"role": "user", "content": "a"}]] * 1001}, 400, "max_conversations"),
    ("/chat", {"step": 4, "message": "a", "temperature": 1e999}, 400, ""),
    ("/chat", {"step": 4, "message": "a" * 100_000}, 400, "leave no room"),
    ("/chat", {"step": 4, "message": "a", "stop": ["x"] * 17}, 400, "16 texts"),
    ("/chat", {"step": 4, "message": "a", "hero": "../etc"}, 400, "cannot be a hero's id"),
    ("/chat", {"step": 4, "message": "a", "hero": "nobody"}, 404, "no hero 'nobody'; known: dio, dio-mini"),
    ("/chat", {"step": 4, "conversations": []}, 400, "no conversations"),
    ("/chat", {"step": 4, "message": "a\ud800"}, 400, "half of a surrogate pair"),
    ("/v1/completions", {"model": f"{HERO}@step-04", "prompt": "a\ud800"}, 400, "half of a surrogate pair"),
    ("/v1/completions", {"model": f"{HERO}@step-04", "prompt": "a"}, 404, "is no model here"),
    ("/v1/completions", {"model": "nobody@step-4", "prompt": "a"}, 404, "no hero 'nobody'; known: dio, dio-mini"),
    ("/chat", [], 400, ""),
    ("/load", {}, 400, "step is required"),
    ("/load", {"step": 3}, 404, "no checkpoint at step 3"),
    ("/load", {"step": 4, "hash": "f" * 64}, 409, "has the weights|not with"),
    ("/load", {"step": 4, "hero": "nobody"}, 404, "no hero 'nobody'"),
    ("/unload", {"step": 9}, 404, "not loaded"),
    ("/unload", {"step": 4, "pin": True}, 400, "unknown field 'pin'"),
]


@pytest.mark.parametrize(("path", "body", "status", "words"), BAD)
def test_a_bad_request_is_refused_with_its_reason(
    path: str, body: Any, status: int, words: str, oracle: OracleProcess
) -> None:
    got, said = post(oracle.url, path, body)
    assert got == status, said
    text = said["error"]["message"] if path.startswith("/v1/") else said["error"] + said["hint"]
    assert any(word in text for word in words.split("|")), said


@pytest.mark.parametrize("path", ["/chat", "/load", "/v1/chat/completions", "/v1/completions"])
def test_bodies_that_are_nothing_harm_nothing(path: str, oracle: OracleProcess) -> None:
    chance = random.Random(path)
    bodies = [b"", b"null", b"{", b"[" * 100_000, b'"x"', b"\xff\xfe", b'{"step": 1e400}', b'{"model": null}']
    bodies += [bytes(chance.randrange(256) for _ in range(chance.randrange(200))) for _ in range(10)]
    for body in bodies:
        status, said = post(oracle.url, path, None, body)
        assert status == 400, (body[:20], said)
    assert oracle.client.health()["status"] == "ok"


def test_the_server_tells_how_it_is(trained: Realm, oracle: OracleProcess) -> None:
    health = oracle.client.health()
    assert (health["status"], health["models"], health["stuck"]) == ("ok", 3, [])
    info = oracle.client.info()
    assert sorted(model.step for model in info.models) == [0, 2, 4]
    assert info.memory == sum(model.memory for model in info.models) > 6_000_000
    assert oracle.client.running() == []
    text = call(trained, "oracle", "status", "--json").json
    assert text["model_count"] == 3
    shown = call(trained, "oracle", "status").out
    assert "verified" in shown
    assert max(map(len, shown.splitlines())) <= 80
    with contextlib.closing(http.client.HTTPConnection(oracle.url.removeprefix("http://"), timeout=60)) as wire:
        wire.request("GET", "/metrics")
        metrics = wire.getresponse().read().decode()
    for line in ("realm_oracle_loaded 3", "realm_oracle_running 0"):
        assert line in metrics
    assert f"realm_oracle_memory_bytes {info.memory}" in metrics
    assert set(leases.held_now(trained)) == {f"checkpoint_{HERO}_{step}" for step in (2, 4)}


def test_commands_load_pin_and_unload(mine: Realm) -> None:
    nowhere = call(mine, "oracle", "status")
    assert (nowhere.code, "the Oracle does not run here" in nowhere.err) == (4, True)
    process = OracleProcess(mine)
    try:
        assert call(mine, "oracle", "load", "champion", "--pin", "-q").out == f"{HERO}@step-4\n"
        assert [(model.step, model.pinned) for model in process.client.info().models] == [(4, True)]
        again = call(mine, "oracle", "load", 4, "--unpin", "--json").json
        assert (again["pinned"], again["identity"]) == (False, "verified")
        missing = call(mine, "oracle", "load", 7)
        assert (missing.code, "no checkpoint at step 7" in missing.err) == (4, True)
        wrong = call(mine, "oracle", "load", "newest")
        assert (wrong.code, "'newest' is no step" in wrong.err) == (2, True)
        for verb, text in (("load", "-1"), ("unload", "-1"), ("load", "01"), ("load", "\u0664")):
            wrong = call(mine, "oracle", verb, text)
            assert (wrong.code, f"error: '{text}' is no step" in wrong.err) == (2, True)
        padded = call(mine, "oracle", "chat", "--step", "04", "hi")
        assert (padded.code, "'04' is not a checkpoint's name" in padded.err) == (2, True)
        assert call(mine, "oracle", "unload", 4, "-q").code == 0
        assert "nothing is loaded" in call(mine, "oracle", "status").out
        busy = call(mine, "oracle", "serve", "--port", process.url.rpartition(":")[2])
        assert (busy.code, "taken by another program" in busy.err) == (5, True)
    finally:
        process.end()


# -- many at a time, and clients that leave ----------------------------------------------------------------------


def test_many_at_a_time_get_the_replies_that_each_gets_alone(oracle: OracleProcess, alone: Generator) -> None:
    asked = [turns(f"say {number}") for number in range(24)]
    expected = alone.generate(asked, max_tokens=40)

    def one(number: int) -> str:
        if number % 3 == 0:
            *_, answer = oracle.client.chat_stream(asked[number], 4, max_tokens=40)
            assert isinstance(answer, Answer)
            return answer.response
        return oracle.client.chat(asked[number], 4, max_tokens=40).response

    with ThreadPoolExecutor(24) as threads:
        assert list(threads.map(one, range(24))) == [reply.text for reply in expected]


def send(url: str, body: dict[str, Any]) -> socket.socket:
    """A request whose answer nobody has read yet."""
    host, port = url.removeprefix("http://").split(":")
    wire = socket.create_connection((host, int(port)), timeout=PATIENCE)
    content = json.dumps(body).encode()
    head = f"POST /chat HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    wire.sendall(head.encode() + b"\r\n\r\n" + content)
    return wire


def tokens(oracle: OracleProcess) -> int:
    """Generated by all that ended well."""
    wire = http.client.HTTPConnection(oracle.url.removeprefix("http://"), timeout=PATIENCE)
    with contextlib.closing(wire):
        wire.request("GET", "/metrics")
        found = re.search(r"realm_oracle_tokens (\d+)", wire.getresponse().read().decode())
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_ends_its_request(stream: bool, oracle: OracleProcess) -> None:
    asked = [{"role": "user", "content": LONG}]
    body = {"messages": asked} if stream else {"conversations": [asked] * 60}
    before = tokens(oracle)
    wire = send(oracle.url, {**body, "step": 4, "max_tokens": 2000, "stream": stream})
    wait_for(lambda: oracle.client.running(), "the request to run")
    if stream:
        wire.recv(10)
    wire.close()
    wait_for(lambda: not oracle.client.running(), "it to be dropped")
    assert tokens(oracle) - before < 2000 * (1 if stream else 60)


def test_a_request_that_takes_its_time_is_answered(oracle: OracleProcess, alone: Generator) -> None:
    # Long enough that the server looks several times whether the client is still there.
    asked = [turns(f"{LONG}{number}") for number in range(12)]
    expected = alone.generate(asked, max_tokens=700)
    answers = oracle.client.chat_batch(asked, 4, max_tokens=700)
    assert [answer.response for answer in answers] == [reply.text for reply in expected]
    assert max(reply.tokens for reply in expected) == 700


def test_a_client_that_does_not_read_holds_nobody_up(oracle: OracleProcess, alone: Generator) -> None:
    expected = alone.generate([turns(LONG)], max_tokens=400)[0]
    with send(oracle.url, {"message": LONG, "step": 4, "max_tokens": 400, "stream": True}) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        for number in range(5):
            assert oracle.client.chat(turns(f"say {number}"), 4, max_tokens=5).tokens == 5
        wait_for(lambda: not oracle.client.running(), "the slow one's reply to be made, or sent")
        answer = http.client.HTTPResponse(slow)
        answer.begin()
        events = [json.loads(line[6:]) for line in answer.read().split(b"\n") if line.startswith(b"data: ")]
    assert events[-1]["response"] == "".join(event["text"] for event in events[:-1]) == expected.text
