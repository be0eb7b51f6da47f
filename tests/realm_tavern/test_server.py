"""The Tavern's server as a process: it opens, streams, comes back, and stands what clients do to it."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import PATIENCE, BattleProcess, Run, TavernProcess, free_port, rows, wait_for, write_rows
from realm_cli import control, services
from realm_cli.events import emit
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.websafety import read_token
from realm_tavern.live_api import MAX_STREAMS

Open = Callable[..., TavernProcess]


def get(url: str, **headers: str) -> Any:
    """The JSON at an address."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=PATIENCE) as answer:
        return json.load(answer)


def post(url: str, body: dict[str, Any]) -> Any:
    """The JSON that answers a script's write."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


def text_of(url: str) -> str:
    """The text at an address."""
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        text: str = answer.read().decode()
        return text


class Stream:
    """An open event stream."""

    def __init__(self, port: int, query: str = "", **headers: str) -> None:
        self.wire = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        more = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items())
        self.wire.sendall(f"GET /api/stream{query} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
        self.text = ""

    def until(self, part: str) -> str:
        """All that came up to the message with `part`."""
        while part not in self.text:
            got = self.wire.recv(65536)
            assert got, f"the stream ended before {part!r}: {self.text[-2000:]}"
            self.text += got.decode(errors="replace")
        return self.text

    def ids(self) -> list[str]:
        return [line.removeprefix("id: ") for line in self.text.splitlines() if line.startswith("id: ")]

    def close(self) -> None:
        self.wire.close()


@contextlib.contextmanager
def stream(port: int, query: str = "", **headers: str) -> Iterator[Stream]:
    opened = Stream(port, query, **headers)
    try:
        yield opened
    finally:
        opened.close()


def test_it_says_where_it_is_and_ends_by_signal_although_streams_are_open(realm: Realm, tavern: Open) -> None:
    opened = tavern()
    assert services.running(realm, "tavern") is not None
    assert get(f"{opened.url}/health") == {"status": "ok", "service": "tavern"}
    with stream(opened.port) as one:
        one.until("event: state")
        assert opened.end() == 0
    assert services.running(realm, "tavern") is None
    assert "Traceback" not in opened.log.read_text()


def test_a_port_that_is_taken_and_a_host_that_is_none_are_said(realm: Realm, run: Run, tavern: Open) -> None:
    port = tavern().port
    second = run("tavern", "--port", port)
    assert (second.code, f"port {port}" in second.err) == (5, True)
    wrong = run("tavern", "--port", 0, "--host", "no-such-host.invalid")
    assert wrong.code == 2
    assert "no address of this machine" in wrong.err
    assert "Traceback" not in second.err + wrong.err


def test_what_happens_is_told_at_once_and_a_stream_that_comes_back_misses_nothing(realm: Realm, tavern: Open) -> None:
    port = free_port()  # none of those that the system may give to others between the two
    opened, manager = tavern("--port", str(port)), Manager.of(realm)
    with stream(opened.port) as first:
        first.until("event: state")
        emit(realm, manager, "board_empty", step=1)
        first.until("the board is empty")
        (place,) = first.ids()
    emit(realm, manager, "level_up", hero="dio-mini", step=1000, level=1)
    opened.end(signal.SIGKILL)
    emit(realm, manager, "level_up", hero="dio-mini", step=2000, level=2)
    again = tavern("--port", str(port))
    with stream(again.port, Last_Event_ID=place) as second:
        told = second.until("reached level 2")
    assert told.count("event: happened") == 2
    assert told.count("reached level 1") == 1
    with stream(again.port, f"?after={second.ids()[-1]}") as third:
        third.until("event: state")
        emit(realm, manager, "board_empty", step=3)
        assert third.until("event: happened").count("reached level") == 0


@pytest.mark.parametrize("place", ["x", "-1", "1e3", "9" * 30, "\u0661"])
def test_a_place_that_is_none_is_refused(tavern: Open, place: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(f"{tavern().url}/api/live?after={urllib.parse.quote(place)}")
    with refused.value as answer:
        assert answer.code == 400
        assert "no place in the events" in json.load(answer)["error"]


def test_a_place_beyond_the_end_is_as_good_as_the_end(realm: Realm, tavern: Open) -> None:
    emit(realm, Manager.of(realm), "board_empty", step=1)
    assert get(f"{tavern().url}/api/live?after=999999")["events"] == []


def test_commands_reach_a_battle_and_its_answer_is_shown(realm: Realm, tavern: Open, battle: Any) -> None:
    opened = tavern()
    assert "pause is lifted" not in post(f"{opened.url}/api/control/resume", {})["said"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(f"{opened.url}/api/control/stop", {})
    with refused.value as answer:
        assert answer.code == 409
        assert "no battle runs" in json.load(answer)["error"]
    write_rows(realm.inbox / "a.jsonl", rows(4_000))
    fighting: BattleProcess = battle("--until-empty")
    fighting.until("training", step=3)
    post(f"{opened.url}/api/control/pause", {"reason": "dinner"})
    fighting.until("paused")
    game = wait_for(
        lambda: (seen := get(f"{opened.url}/api/game"))["battle"]["state"] == "paused" and seen, "the pause"
    )
    assert game["control"]["pause"]["reason"] == "dinner"
    assert game["values"]["portrait.state"] == "resting"
    post(f"{opened.url}/api/control/resume", {})
    fighting.until("training")
    post(f"{opened.url}/api/control/save", {})
    wait_for(
        lambda: "done at step" in get(f"{opened.url}/api/game")["values"]["control.save"], "the save to be answered"
    )
    fighting.kill()
    dead = wait_for(lambda: (seen := get(f"{opened.url}/api/game"))["battle"]["state"] == "dead" and seen, "the death")
    assert dead["values"]["portrait.state"] == "dead"
    assert dead["battle"]["tokens_per_s"] is None


def test_unknown_commands_and_fields_are_refused(realm: Realm, tavern: Open) -> None:
    opened = tavern()
    for path, body, code in (("fly", {}, 404), ("pause", {"relase": True}, 400), ("pause", {"release": "yes"}, 400)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(f"{opened.url}/api/control/{path}", body)
        with refused.value as answer:
            assert answer.code == code, path
    assert not control.is_up(realm, "pause")


def test_a_flood_of_streams_leaves_room_for_answers(tavern: Open) -> None:
    opened = tavern()
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(contextlib.closing(Stream(opened.port))) for _ in range(MAX_STREAMS + 10)]
        heads = [one.wire.recv(20) for one in wires]
        answers = [head.split()[1] for head in heads]
        assert answers.count(b"200") == MAX_STREAMS
        assert answers.count(b"503") == 10
        assert get(f"{opened.url}/health")["status"] == "ok"
    wait_for(lambda: "open_streams 0\n" in text_of(f"{opened.url}/metrics"), "the streams to be given up")


def test_clients_that_send_nothing_or_half_a_request_hold_up_nobody(tavern: Open) -> None:
    opened = tavern()
    with contextlib.ExitStack() as stack:
        for half in (
            b"",
            b"GET",
            b"POST /api/control/pause HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{",
        ):
            for _ in range(20):
                wire = stack.enter_context(socket.create_connection(("127.0.0.1", opened.port), timeout=PATIENCE))
                wire.sendall(half)
        begun = time.monotonic()
        assert get(f"{opened.url}/health")["status"] == "ok"
        assert time.monotonic() - begun < PATIENCE / 4


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /static/../app.py HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /static/%2e%2e/app.py HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /static/%2fetc%2fpasswd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /api/control/pause HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST /api/control/pause HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\nConnection: close\r\n\r\n",
        b"POST /api/control/pause HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=lambda request_bytes: repr(request_bytes[:40]),
)
def test_garbage_is_answered_with_an_error_and_no_insides(realm: Realm, tavern: Open, request_bytes: bytes) -> None:
    opened = tavern()
    answer = opened.raw(request_bytes)
    assert answer.split()[1][:1] == b"4", answer[:200]
    assert b"Traceback" not in answer
    assert b"root:" not in answer
    assert b"def make_app" not in answer
    assert get(f"{opened.url}/health")["status"] == "ok"
    assert not control.is_up(realm, "pause")


def test_off_loopback_the_token_opens_the_door(realm: Realm, tavern: Open) -> None:
    opened = tavern("--host", "0.0.0.0")
    assert "need the token" in opened.log.read_text()
    for path in ("/api/game", "/api/stream", "/api/live", "/api/curves"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(opened.url + path)
        with refused.value as answer:
            assert answer.code == 401, path
    assert get(f"{opened.url}/api/game", Authorization=f"Bearer {read_token(realm)}")["hero"]["name"] == "dio-mini"


def test_a_damaged_status_and_a_broken_config_are_told_and_end_nothing(realm: Realm, tavern: Open) -> None:
    opened = tavern()
    realm.training_status.write_text("{]")
    assert wait_for(lambda: get(f"{opened.url}/api/game"), "an answer")["battle"]["state"] == "stopped"
    before = realm.config_file.read_text()
    realm.config_file.write_text(before + "\nnonsense: 1\n")

    def trouble() -> str:
        told: str = get(f"{opened.url}/api/game")["values"]["realm.trouble"]
        return told

    wait_for(lambda: "nonsense" in trouble(), "the mistake to be named")
    for page in ("/", "/quests", "/settings"):
        assert "nonsense" in text_of(opened.url + page), page
    realm.config_file.write_text(before)
    wait_for(lambda: not trouble(), "the mistake to be forgotten")


def test_a_body_that_is_refused_is_not_read(tavern: Open) -> None:
    opened = tavern()
    peak = Path(f"/proc/{opened.process.pid}/status")

    def highest() -> int:
        return int(peak.read_text().partition("VmHWM:")[2].split()[0])

    get(f"{opened.url}/api/game")
    before = highest()
    size = 200_000_000
    with socket.create_connection(("127.0.0.1", opened.port), timeout=PATIENCE) as wire:
        wire.sendall(f"POST /api/nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode())
        with contextlib.suppress(ConnectionError):
            for _ in range(size // 1_000_000):
                wire.sendall(bytes(1_000_000))
    assert highest() - before < 20_000  # kB
