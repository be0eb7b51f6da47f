"""`realm herald list|test`, as real processes."""

from __future__ import annotations

from typing import Any

from helpers import Run
from realm_cli.realm import Realm
from realm_herald_receiver import Receiver


def test_a_test_message_arrives(realm: Realm, configure: Any, run: Run, receiver: Receiver, hook: str) -> None:
    configure(phone={"url": hook}, off={"url": "json://127.0.0.1:1", "enabled": False})
    said = run("herald", "test")
    assert (said.code, said.out, said.err) == (0, "phone: arrived\n", "")
    (heard,) = receiver.heard
    assert heard.json["message"] == "this is a test: the herald can be heard"
    assert run("herald", "test", "phone", "--json").json == [{"name": "phone", "reason": None}]


def test_a_test_that_does_not_arrive_says_why(configure: Any, run: Run) -> None:
    configure(phone={"url": "json://127.0.0.1:1"}, wrong={"url": "nonsense"}, secret={"secret_env": "NO_SUCH_THING"})
    said = run("herald", "test")
    assert said.code == 1
    assert said.out.splitlines() == [
        "phone: A Connection error occurred sending JSON notification to 127.0.0.1.",
        "secret: herald secret: the variable NO_SUCH_THING is not set",
        "wrong: the url is none that a message can be sent to",
    ]


def test_without_a_herald_there_is_nothing_to_test(run: Run) -> None:
    said = run("herald", "test")
    assert (said.code, "no herald is named in" in said.err) == (4, True)
    assert run("herald", "list", "--json").json == []


def test_the_list_shows_no_secret(realm: Realm, configure: Any, run: Run) -> None:
    secret = realm.status / "chat.secret"
    secret.write_text("123456789012345678/aTokenOfManyLetters")
    secret.chmod(0o600)
    configure(chat={"url": "discord://{secret}", "secret_file": "status/chat.secret"}, gone={"secret_env": "NOT_THERE"})
    said = run("herald", "list", "--json")
    chat, gone = said.json
    assert "aTokenOfManyLetters" not in said.out
    assert (chat["name"], chat["address"], chat["state"]) == (
        "chat",
        "discord://1...8/a...s/",
        "not running: realm herald run",
    )
    assert gone["reason"] == "herald gone: the variable NOT_THERE is not set"
    shown = run("herald", "list").out
    assert "aTokenOfManyLetters" not in shown
    assert "discord://1...8/a...s/" in shown
