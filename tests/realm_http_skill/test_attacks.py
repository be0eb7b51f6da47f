"""A hostile skill server, byte by byte: whatever it sends, the client ends in time, in little memory, with the reason."""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from realm_cli.errors import SkillAwayError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.sampling import sample
from realm_cli.skillbook import GuildSkill, open_skill
from realm_cli.skills import split_of
from realm_http_skill import wire

Bytes = Iterator[bytes]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Hostile:
    """Answers every request with the bytes that `answers` gives for (method and path, body), as long as they are taken."""

    def __init__(self, answers: Callable[[str, bytes], Bytes], tls: ssl.SSLContext | None = None) -> None:
        self._answers, self._tls = answers, tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        port = self._socket.getsockname()[1]
        self.url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
        self.asked: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._answer, args=self._socket.accept()[:1], daemon=True).start()

    def _answer(self, link: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError, IndexError), contextlib.ExitStack() as open_things:
            link = open_things.enter_context(self._tls.wrap_socket(link, server_side=True) if self._tls else link)
            file = open_things.enter_context(link.makefile("rb"))
            line = file.readline().decode()
            headers = dict(row.decode().lower().split(": ", 1) for row in iter(file.readline, b"\r\n"))
            body = file.read(int(headers.get("content-length", "0")))
            self.asked.append(" ".join(line.split()[:2]))
            for piece in self._answers(self.asked[-1], body):
                link.sendall(piece)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@contextlib.contextmanager
def hostile(answers: Callable[[str, bytes], Bytes], tls: ssl.SSLContext | None = None) -> Iterator[Hostile]:
    server = Hostile(answers, tls)
    try:
        yield server
    finally:
        server.close()


def whole(value: Any) -> bytes:
    """An answer with this JSON."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(data) + data


def for_ever(piece: bytes, begin: bytes = b"", pause: float = 0.0) -> Bytes:
    yield begin
    while True:
        yield piece
        time.sleep(pause)


MEGABYTE = b"x" * 2**20
ENDLESS: dict[str, tuple[Callable[[], Bytes], str]] = {
    "a body without end": (lambda: for_ever(MEGABYTE, HEAD + b"\r\n"), "with more than 1 MiB"),
    "a gigabyte that it announces": (
        lambda: for_ever(MEGABYTE, HEAD + b"Content-Length: 1073741824\r\n\r\n"), "with more than 1 MiB"
    ),
    "chunks without end": (
        lambda: for_ever(b"100000\r\n" + MEGABYTE + b"\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n"),
        "with more than 1 MiB",
    ),
    "a body byte by byte": (lambda: for_ever(b" ", HEAD + b"\r\n", 0.01), "is too slow"),
    "headers byte by byte": (lambda: for_ever(b"X", HEAD + b"X-A: ", 0.01), "is too slow"),
    "the size of a chunk byte by byte": (
        lambda: for_ever(b"0", HEAD + b"Transfer-Encoding: chunked\r\n\r\n", 0.01), "is too slow"
    ),
    "a status line byte by byte": (lambda: for_ever(b"H", b"HTTP/1.1 200 ", 0.01), "is too slow"),
    "the words of an error byte by byte": (
        lambda: for_ever(b"x", b"HTTP/1.1 500 No\r\nContent-Length: 60000\r\n\r\n", 0.01), "status 500: nothing more"
    ),
    "continue without end": (lambda: for_ever(b"HTTP/1.1 100 Continue\r\n\r\n"), "is too slow"),
    "headers without end": (lambda: for_ever(b"X-A: b\r\n", HEAD), "does not answer"),
    "a line without end": (lambda: for_ever(MEGABYTE, b"HTTP/1.1 200 OK\r\nX-A: "), "does not answer"),
    "silence": (lambda: for_ever(b"", b"", 0.05), "is too slow"),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDLESS)
def test_what_has_no_end_is_left_in_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "BYTES", 2**20)
    answer, said = ENDLESS[name]
    with hostile(lambda path, body: answer()) as server, pytest.raises(SkillAwayError) as caught:
        wire.SkillServer("double", server.url).ask("/info", seconds=0.4)

    assert said in caught.value.message
    assert len(caught.value.message) < 300


GARBAGE: dict[str, tuple[bytes, str]] = {
    "another protocol": (b"SSH-2.0-OpenSSH_9.6\r\n\x1b[31m", "does not answer: SSH-2.0-OpenSSH_9.6"),
    "nothing": (b"", "does not answer"),
    "a bomb": (
        HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"[" + b" " * 30_000_000 + b"]"), "it is not JSON"
    ),
    "not a number": (whole(b'{"skill": NaN}'), "it is not JSON"),
    "infinity": (whole(b'{"skill": "double", "most": 1e999}'), "answers /info with what is no answer"),
    "half": (HEAD + b"Content-Length: 100\r\n\r\n{", "broke off in the middle"),
    "half a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{", "does not answer"),
    "a chunk of no size": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}", "does not answer"),
    "no JSON in Latin-1": (whole("{'ß'}".encode("latin-1")), "it is not JSON"),
    "another place": (
        b"HTTP/1.1 307 T\r\nLocation: http://localhost:1/\r\nContent-Length: 0\r\n\r\n", "with status 307"
    ),
    "a status that is none": (b"HTTP/1.1 999 \xff\r\nContent-Length: 0\r\n\r\n", "with status 999"),
}  # fmt: skip


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_named(realm: Realm, name: str) -> None:
    sent, said = GARBAGE[name]

    def answers(path: str, body: bytes) -> Bytes:
        yield whole({"status": "ok"}) if path == "GET /health" else sent

    with hostile(answers) as server, pytest.raises(SkillAwayError) as caught:
        doubling(realm, server.url)

    assert said in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300


def doubling(realm: Realm, url: str) -> GuildSkill:
    """The skill of that server."""
    config = {"id": "double", "name": "Doubling", "max_level": 2, "judge": "number", "api": url}
    (realm.skills / "double.yaml").write_text(yaml.safe_dump(config))
    return open_skill(realm, Manager.of(realm), "double")


class Liar:
    """A server with all routes, whose answers are changed by `lie`: path and decoded answer in, answer out."""

    def __init__(self, lie: Callable[[str, Any], Any]) -> None:
        self._lie = lie
        self._count = 0

    def __call__(self, path: str, body: bytes) -> Bytes:
        said = self._truth(path, json.loads(body or b"{}"))
        yield whole(self._lie(path, said))

    def _truth(self, path: str, asked: dict[str, Any]) -> Any:
        if path == "GET /health":
            return {"status": "ok"}
        if path == "GET /info":
            return {"skill": "double"}
        if path == "GET /levels":
            return [{"level": 1}, {"level": 2}]
        numbers = [(asked.get("seed", 0) * 7919 + 31 * place) % 5000 for place in range(asked.get("count", 5))]
        made = [{"prompt": f"double {n}", "solution": str(2 * n)} for n in numbers]
        return {"samples": made, "level_info": {"level": asked.get("level", 2)}}


def items(change: Callable[[list[dict[str, Any]]], Any]) -> Callable[[str, Any], Any]:
    """A lie in the items."""

    def lie(path: str, said: Any) -> Any:
        if isinstance(said, dict) and "samples" in said:
            change(said["samples"])
        return said

    return lie


def level_info(path: str, said: Any) -> Any:
    return {**said, "level_info": {"level": 1}} if path == "POST /generate" else said


@pytest.mark.parametrize(
    ("lie", "problem"),
    [
        (items(lambda found: found[-1].update(solution="")), "item 5 has no text in assistant_response"),
        (items(lambda found: found[-1].update(solution=None)), "has none of assistant_response, solution, answer"),
        (level_info, "`level_info` tells level 1, but level 2 was asked for"),
        (items(lambda found: found.append({**found[0], "key": "another"})), "another key than an earlier one"),
        (lambda path, said: [{"level": 2, "space": -5}] if path == "GET /levels" else said, "Expected `int` >= 1"),
        (lambda path, said: [{"level": 2, "space": 0}] if path == "GET /levels" else said, "Expected `int` >= 1"),
        (lambda path, said: {"samples": "many"} if path == "POST /generate" else said, "there is no list under"),
    ],
)  # fmt: skip
def test_a_lie_that_can_be_seen_is_named(realm: Realm, lie: Callable[[str, Any], Any], problem: str) -> None:
    with hostile(Liar(lie)) as server, pytest.raises(SkillAwayError, match="double") as caught:
        sample(doubling(realm, server.url).skill, 2, 20, 1, "train")

    assert problem in caught.value.message


def test_keys_that_change_from_answer_to_answer_are_seen_before_anything_is_trained(realm: Realm) -> None:
    counted = iter(range(10**9))
    lie = items(lambda found: [one.update(key=f"k{next(counted)}") for one in found])
    with hostile(Liar(lie)) as server, pytest.raises(SkillAwayError, match="gives one problem other keys"):
        sample(doubling(realm, server.url).skill, 2, 20, 1, "train")


def test_a_server_that_promises_much_and_gives_little_or_the_same_is_asked_until_there_is_enough(realm: Realm) -> None:
    def lie(path: str, said: Any) -> Any:
        if path == "GET /info":
            return {**said, "most": 10**9}
        if "samples" in said:
            twice = [said["samples"][0], *said["samples"]] if path.startswith("GET") else said["samples"][:3]
            return {**said, "samples": twice}
        return said

    with hostile(Liar(lie)) as server:
        skill = doubling(realm, server.url).skill
        trained, examined = sample(skill, 2, 40, 1, "train"), sample(skill, 2, 9, 1, "eval")

    assert (len(trained), len({one.key for one in trained})) == (40, 40)
    assert len({one.key for one in examined}) == len(examined) == 9
    assert {split_of("double", one.key) for one in trained} == {"train"}
    assert {split_of("double", one.key) for one in examined} == {"eval"}


def test_html_for_a_content_type_and_a_name_given_twice_do_no_harm(realm: Realm) -> None:
    def answers(path: str, body: bytes) -> Bytes:
        for sent in Liar(lambda path, said: said)(path, body):
            sent = sent.replace(b"application/json", b"text/html")
            yield sent.replace(b'{"status": "ok"}', b'{"status":"","status":"ok"}').replace(b": 16\r", b": 27\r")

    with hostile(answers) as server:
        assert len(sample(doubling(realm, server.url).skill, 2, 5, 1, "train")) == 5


def test_the_token_goes_to_no_other_server(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALM_TOKEN", "secret")
    reached: list[str] = []

    def elsewhere(path: str, body: bytes) -> Bytes:
        reached.append(path)
        yield whole({"status": "ok"})

    with hostile(elsewhere) as thief:
        moved = f"HTTP/1.1 302 F\r\nLocation: {thief.url}/health\r\nContent-Length: 0\r\n\r\n".encode()
        with hostile(lambda path, body: iter([moved])) as server, pytest.raises(SkillAwayError, match="status 302"):
            doubling(realm, server.url)

    assert reached == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_over_tls_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate], check=True, capture_output=True,
    )  # fmt: skip
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    def answers(path: str, body: bytes) -> Bytes:
        return iter([whole({"status": "ok"})]) if path == "GET /health" else for_ever(b"X", HEAD + b"X-A: ", 0.01)

    with hostile(answers, tls) as server:
        client = wire.SkillServer("double", server.url)
        with pytest.raises(SkillAwayError, match="CERTIFICATE_VERIFY_FAILED"):
            client.ask("/health")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert client.ask("/health") == {"status": "ok"}
        with pytest.raises(SkillAwayError, match="is too slow"):
            client.ask("/info", seconds=0.4)
