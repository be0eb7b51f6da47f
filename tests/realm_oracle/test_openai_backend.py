"""Checkpoints that another server runs: an Oracle of our own, and a server that says anything."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from helpers import wait_for
from realm_cli.errors import AwayError, NotFoundError, RealmError, RefusedError, UsageError
from realm_cli.generation import Generator, Reply, open_generator, session_of
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_oracle.pool import Pool
from realm_oracle.worker import Wanted
from realm_oracle_boxes import HERO, OracleProcess
from realm_oracle_realms import LONG, configure, turns


def opened(realm: Realm, url: str, step: int = 4, **server: str) -> Generator:
    configure(realm, servers={HERO: {"url": f"{url}/v1", **server}})
    fresh = Realm(realm.root)
    return open_generator(fresh, Manager.of(fresh), HERO, step, backend="openai")


# -- an Oracle of our own ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def oracle(trained: Realm) -> Iterator[OracleProcess]:
    process = OracleProcess(trained)
    for step in (0, 4):
        process.client.load(step)
    yield process
    process.end()


def test_an_oracle_answers_for_another_realm_and_its_weights_are_verified(
    mine: Realm, oracle: OracleProcess, alone: Generator
) -> None:
    generator = opened(mine, oracle.url, model="{hero}@step-{step}")
    assert generator.weights_sha256 == Ledger(mine, HERO).get(4).weights_sha256
    assert getattr(generator, "identity", "") == "verified"
    asked = [turns(f"say {number}") for number in range(10)]
    assert generator.generate(asked, max_tokens=12) == alone.generate(asked, max_tokens=12)
    session = session_of(generator)
    ticket = session.add("x", max_tokens=4)
    replies: list[Reply] = wait_for(lambda: [piece.reply for piece in session.step() if piece.reply], "the text")
    assert (ticket, replies[0].tokens, replies[0].finish) == (1, 4, "length")
    with pytest.raises(UsageError, match="'usr' is not a role"):
        generator.generate([[type(turns("a")[0])("usr", "a")]], max_tokens=3)
    with pytest.raises(NotFoundError, match=f"has no model '{HERO}@step-5'"):
        opened(mine, oracle.url, 5, model="{hero}@step-{step}")


def test_other_weights_than_those_of_the_ledger_are_refused(mine: Realm, oracle: OracleProcess) -> None:
    ledger = Ledger(mine, HERO)
    record = ledger.get(4)
    ledger.record(type(record).from_dict({**record.to_dict(), "weights_sha256": "f" * 64}, "a test"))
    with pytest.raises(RefusedError, match="the ledger has ffffffffffff"):
        opened(mine, oracle.url, model="{hero}@step-{step}")


def test_the_pool_offers_what_another_server_runs_and_says_so(mine: Realm, oracle: OracleProcess) -> None:
    configure(mine, servers={HERO: {"url": f"{oracle.url}/v1", "model": "{hero}@step-{step}"}})
    fresh = Realm(mine.root)
    pool = Pool(fresh, Manager.of(fresh))
    try:
        one = pool.load(HERO, 4)
        assert pool.load(HERO, 4) is one
        face = one.face()
        assert (face.backend, face.identity, face.memory) == ("openai", "verified", 0)
        assert (face.model, face.model_path) == (f"{HERO}@step-4", f"{oracle.url}/v1")
        with pool.asked(one, Wanted([turns("say 1")], 5), lambda: False) as request:
            assert request.all()[0].tokens == 5
        assert pool.load(HERO, 0).face().identity == "claimed"
    finally:
        pool.close()


# -- a server that says anything ---------------------------------------------------------------------------------

NAME = f"{HERO}-step-4"


class Strange:
    """A real HTTP server whose answers a test decides."""

    def __init__(self) -> None:
        self.models: Any = {"object": "list", "data": [{"id": NAME, "object": "model"}]}
        self.events: list[Any] = []
        self.plain: bytes | None = None
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.hold = threading.Event()
        self.hold.set()
        self.broken = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                """Quiet."""

            def do_GET(self) -> None:
                outer.keys.append(self.headers.get("Authorization"))
                self.send(json.dumps(outer.models).encode(), "application/json")

            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                outer.asked.append(json.loads(self.rfile.read(size)))
                if outer.plain is not None:
                    return self.send(outer.plain, "application/json")
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                try:
                    for event in outer.events:
                        line = event if isinstance(event, str) else json.dumps(event)
                        self.wfile.write(f"data: {line}\n\n".encode())
                        outer.hold.wait()
                except OSError:
                    outer.broken.set()

            def send(self, body: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def strange() -> Iterator[Strange]:
    server = Strange()
    yield server
    server.close()


def chunk(text: str = "", finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "model": NAME, "choices": [choice], **more}


def test_a_server_that_knows_no_hashes_is_believed_and_that_is_said(mine: Realm, strange: Strange) -> None:
    strange.events = [chunk("it "), chunk("is"), chunk("", "stop"), chunk(usage={"completion_tokens": 3}), "[DONE]"]
    generator = opened(mine, strange.url)
    assert (generator.weights_sha256, getattr(generator, "identity", "")) == ("", "claimed")
    [reply] = generator.generate([turns("a")], max_tokens=5, stop=["x"], seed=3)
    assert (reply.text, reply.finish, reply.step, reply.tokens) == ("it is", "stop", 4, 3)
    asked = strange.asked[0]
    assert (asked["model"], asked["max_tokens"], asked["stop"], asked["seed"]) == (NAME, 5, ["x"], 3)


DAMAGED: list[tuple[Callable[[Strange], Any], type[RealmError], str]] = [
    (lambda s: setattr(s, "plain", b"Internal error: out of workers"), RealmError, "without a stream: Internal error"),
    (lambda s: setattr(s, "plain", b'{"error": "no slot"}'), RealmError, "without a stream: .*no slot"),
    (lambda s: s.events.extend([{"error": {"message": "CUDA error"}}]), RealmError, "without a reply: .*CUDA error"),
    (lambda s: s.events.extend([{"model": NAME}, "[DONE]"]), RealmError, "without a reply"),
    (lambda s: s.events.extend(["<html>", "[DONE]"]), RealmError, "what is no JSON: <html>"),
    (lambda s: s.events.extend([chunk("a"), "[DONE]"]), RealmError, "ended with 'nothing'"),
    (lambda s: s.events.extend([chunk("a", "content_filter"), "[DONE]"]), RealmError, "ended with 'content_filter'"),
    (lambda s: s.events.extend([chunk("a")]), AwayError, "broke off in the middle"),
    (lambda s: s.events.extend([{**chunk("a"), "model": "llama"}]), RefusedError, "asked as .* answered as 'llama'"),
    (lambda s: s.events.extend([chunk("a", realm={"weights_sha256": "f" * 64})]), RefusedError, "weights ffff"),
    (lambda s: s.events.extend([{**chunk(), "choices": [None]}, "[DONE]"]), RealmError, "cannot be read"),
]


@pytest.mark.parametrize(("say", "kind", "words"), DAMAGED)
def test_a_status_of_200_proves_nothing(
    say: Callable[[Strange], Any], kind: type[RealmError], words: str, mine: Realm, strange: Strange
) -> None:
    generator = opened(mine, strange.url)
    say(strange)
    with pytest.raises(kind, match=words):
        generator.generate([turns("a")], max_tokens=5)


def test_a_model_that_is_not_listed_is_not_opened(mine: Realm, strange: Strange) -> None:
    with pytest.raises(NotFoundError, match=f"has no model '{HERO}-step-5'") as caught:
        opened(mine, strange.url, 5)
    assert NAME in caught.value.hint
    strange.models = {"detail": "Not Found"}
    with pytest.raises(RealmError, match="has no list of models: .*Not Found"):
        opened(mine, strange.url)
    strange.close()
    with pytest.raises(AwayError, match="does not answer"):
        opened(mine, strange.url)
    configure(mine, servers={})
    with pytest.raises(NotFoundError, match="no server is named for dio-mini"):
        open_generator(Realm(mine.root), Manager.of(mine), HERO, 4, backend="openai")


def test_the_key_comes_from_the_environment(mine: Realm, strange: Strange, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RefusedError, match="needs a key, and THEIR_KEY is not set"):
        opened(mine, strange.url, key_env="THEIR_KEY")
    monkeypatch.setenv("THEIR_KEY", "abc")
    opened(mine, strange.url, key_env="THEIR_KEY")
    assert strange.keys == ["Bearer abc"]


def test_what_is_given_up_is_given_up_there_as_well(mine: Realm, strange: Strange) -> None:
    strange.events = [chunk(LONG) for _ in range(20_000)]
    strange.hold.clear()
    session = session_of(opened(mine, strange.url))
    ticket = session.add(turns("a"), max_tokens=5)
    wait_for(lambda: session.step(), "the first piece")
    session.drop(ticket)
    strange.hold.set()
    assert strange.broken.wait(30)
    assert session.step() == []
    session.close()
